"""Scanner processes: detection and masking off the event loop, with a deadline that nothing can outlive.

A scanner takes one frame at a time, about a window of text. A request that is
larger than a frame goes in several, side by side to as many scanners as there
are; between two of its frames others get in. What is not done at the request's
deadline fails, and a scanner that stays on one frame for as long is killed and
replaced.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from gateway.phi.detector import DetectorError, Span
from gateway.phi.frames import decode_masked, decode_spans, encode_marked, encode_texts, frame
from gateway.phi.masking import Marked
from gateway.phi.ner.backends import Backend
from gateway.phi.scanner_process import CrashedError, ScannerProcess
from gateway.phi.windows import join, windows

T = TypeVar("T")
R = TypeVar("R")

_Queue = deque[asyncio.Future[ScannerProcess]]

_FRAME_CHARS = 8 * 1024
_EACH_CHARS = 20
"""Characters that take as long as a text takes by itself, however short."""
_CALL_CHARS = 1000
_RESTART_PAUSE_S = 0.5
_CHARACTERS_PER_S = 40_000
"""What one scanner reads at the least: dense notes, with the model, on a slow processor."""


class UnreadableError(DetectorError):
    """No other try will end otherwise."""

    retry_after_s = None


class OverloadedError(DetectorError):
    """The scanners have about all the work that they can do before its deadline."""


class ScannerPool:
    """A `Detector` and a `Masker` over warm processes. Make it inside the process that serves, after any fork."""

    def __init__(
        self, processes: int, timeout_s: float, *, ner: Backend = "none", max_characters: int | None = None
    ) -> None:
        """`timeout_s` bounds a call in all; `max_characters` the text of all short and of all long calls under way.

        By default that is what so many scanners read within the time.
        """
        self._size = processes
        self._timeout_s = timeout_s
        self._ner: Backend = ner
        self._max_characters = max_characters or int(processes * timeout_s * _CHARACTERS_PER_S)
        self._under_way_now = {False: 0, True: 0}
        """Characters of short and of long calls: many of the ones do not keep out the others."""
        self._idle: deque[ScannerProcess] = deque()
        self._short: _Queue = deque()
        """Who waits with a call of one frame; they go first, but for every fourth time."""
        self._long: _Queue = deque()
        self._served = 0
        self._scanners: set[ScannerProcess] = set()
        self._restarts: set[asyncio.Task[None]] = set()
        self._closed = True
        self._failing = False

    @property
    def healthy(self) -> bool:
        """Whether at least one scanner lives; for readiness."""
        return not self._closed and bool(self._scanners)

    @property
    def pids(self) -> tuple[int, ...]:
        return tuple(scanner.pid for scanner in self._scanners)

    async def start(self) -> None:
        """Returns when every scanner is warm. Raises `DetectorError` when one does not come up."""
        self._closed = False
        try:
            # All are waited for, so that a start that fails or is given up leaves none behind.
            outcomes = await asyncio.gather(*(self._add() for _ in range(self._size)), return_exceptions=True)
        except asyncio.CancelledError:
            await self.close()
            raise
        if failures := [outcome for outcome in outcomes if outcome is not None]:
            await self.close()
            raise failures[0]

    async def close(self) -> None:
        """Ends the scanners; calls under way fail. May be called twice."""
        self._closed = True
        for task in self._restarts:
            task.cancel()
        await asyncio.gather(*self._restarts, return_exceptions=True)
        self._fail_waiting()
        await asyncio.gather(*(scanner.stop() for scanner in tuple(self._scanners)))

    async def detect(self, texts: Sequence[str]) -> Sequence[Sequence[Span]]:
        """Raises `DetectorError` when a scanner failed, crashed twice or took too long, or too much is under way."""
        characters = sum(map(len, texts)) + _EACH_CHARS * len(texts)
        async with self._under_way(characters):
            if characters <= _FRAME_CHARS:
                answer = await self._ask(texts, encode_texts, self._short)
                return list(_items([texts], [answer], decode_spans))
            bounds, frames = await asyncio.to_thread(_cut, texts)
            answers = await self._ask_all(frames, encode_texts)
            return await asyncio.to_thread(_joined, bounds, frames, answers)

    async def mask(self, texts: Sequence[Marked]) -> Sequence[str]:
        """Raises `DetectorError` as `detect` does."""
        async with self._under_way(sum(len(each.text) for each in texts)):
            frames = list(_batches(texts, _marked_length))
            return list(_items(frames, await self._ask_all(frames, encode_marked), decode_masked))

    @contextlib.asynccontextmanager
    async def _under_way(self, characters: int) -> AsyncGenerator[None]:
        weight = characters + _CALL_CHARS
        is_long = characters > _FRAME_CHARS
        if self._under_way_now[is_long] and self._under_way_now[is_long] + weight > self._max_characters:
            raise OverloadedError("The scanners are overloaded.")
        self._under_way_now[is_long] += weight
        try:
            async with asyncio.timeout(self._timeout_s):
                yield
        except TimeoutError as late:
            raise DetectorError("The scan took too long.") from late
        finally:
            self._under_way_now[is_long] -= weight

    async def _ask_all(self, frames: Sequence[Sequence[T]], encode: Callable[[Sequence[T]], bytes]) -> list[bytes]:
        """The answers to all frames, in their order. They stay packed: objects would slow the garbage collector."""
        queue = self._short if len(frames) == 1 else self._long
        answers = [b""] * len(frames)
        left = iter(enumerate(frames))

        async def work() -> None:
            for index, items in left:
                answers[index] = await self._ask(items, encode, queue)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(len(frames), self._size)):
                    group.create_task(work())
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return answers

    async def _ask(self, items: Sequence[T], encode: Callable[[Sequence[T]], bytes], queue: _Queue) -> bytes:
        try:
            request = frame(encode(items))
        except ValueError as invalid:
            raise UnreadableError("A text is not valid Unicode.") from invalid
        try:
            answer = await self._answer(request, queue)
        except CrashedError:
            answer = await self._answer(request, queue)
        if not answer:
            raise DetectorError("The scan failed.")
        return answer

    async def _answer(self, request: bytes, queue: _Queue) -> bytes:
        scanner = self._idle.popleft() if self._idle else await self._next_idle(queue)
        return await scanner.ask(request, self._timeout_s)

    async def _next_idle(self, queue: _Queue) -> ScannerProcess:
        if self._closed or (self._failing and not self._scanners):
            raise DetectorError("The scanners are down or closed.")
        future: asyncio.Future[ScannerProcess] = asyncio.get_running_loop().create_future()
        queue.append(future)
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._release(future.result())
            raise
        finally:
            with contextlib.suppress(ValueError):
                queue.remove(future)

    def _release(self, scanner: ScannerProcess) -> None:
        while self._short or self._long:
            self._served += 1
            first, then = (self._long, self._short) if self._served % 4 == 0 else (self._short, self._long)
            future = (first or then).popleft()
            if not future.done():
                future.set_result(scanner)
                return
        self._idle.append(scanner)

    async def _add(self) -> None:
        scanner = await ScannerProcess.spawn(self._ner, self._release, self._replace)
        if self._closed:
            await scanner.stop()
            return
        if not scanner.is_alive:
            raise DetectorError("A scanner died as it started.")
        self._scanners.add(scanner)
        self._failing = False
        self._release(scanner)

    def _replace(self, scanner: ScannerProcess) -> None:
        if scanner not in self._scanners:  # it never came up; whoever started it knows
            return
        self._scanners.discard(scanner)
        with contextlib.suppress(ValueError):
            self._idle.remove(scanner)
        if not self._closed:
            task = asyncio.get_running_loop().create_task(self._restart())
            self._restarts.add(task)
            task.add_done_callback(self._restarts.discard)

    def _fail_waiting(self) -> None:
        for queue in (self._short, self._long):
            while queue:
                _fail(queue.popleft())

    async def _restart(self) -> None:
        while not self._closed:
            try:
                await self._add()
            except (DetectorError, OSError):
                self._failing = True
                if not self._scanners:  # nobody would answer before the deadline
                    self._fail_waiting()
                await asyncio.sleep(_RESTART_PAUSE_S)
            else:
                return


def _cut(texts: Sequence[str]) -> tuple[list[list[tuple[int, int]]], list[list[str]]]:
    """Where each text's windows are, and the windows of all in frames."""
    bounds = [list(windows(text)) for text in texts]
    pieces = (text[start:end] for text, each in zip(texts, bounds, strict=True) for start, end in each)
    return bounds, list(_batches(pieces, len))


def _batches(items: Iterable[T], length: Callable[[T], int]) -> Iterator[list[T]]:
    """`items` in order, in runs of about one frame; a longer one is a run of its own."""
    batch: list[T] = []
    size = 0
    for item in items:
        weight = length(item) + _EACH_CHARS
        if batch and size + weight > _FRAME_CHARS:
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += weight
    if batch:
        yield batch


def _marked_length(marked: Marked) -> int:
    return len(marked.text)


def _joined(
    bounds: Sequence[Sequence[tuple[int, int]]], frames: Sequence[Sequence[str]], answers: Sequence[bytes]
) -> list[Sequence[Span]]:
    """Spans text by text from spans window by window."""
    found = _items(frames, answers, decode_spans)
    return [join([start for start, _ in each], [next(found) for _ in each]) for each in bounds]


def _items(frames: Sequence[Sequence[T]], answers: Sequence[bytes], decode: Callable[[bytes], list[R]]) -> Iterator[R]:
    for asked, answer in zip(frames, answers, strict=True):
        items = decode(answer)
        if len(items) != len(asked):
            raise DetectorError("The scan failed.")
        yield from items


def _fail(future: asyncio.Future[ScannerProcess]) -> None:
    if not future.done():
        future.set_exception(DetectorError("The scanners are down or closed."))

"""Scanner processes: detection and masking off the event loop, with a deadline that nothing can outlive.

A scanner takes one frame at a time. Whoever waits longer than the deadline,
for a scanner or for its answer, gets an error and the stuck process is killed
and replaced. A request that is larger than a frame goes in several, one after
another, and a long text in several windows, so that others get in between.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from gateway.phi.aside import aside
from gateway.phi.detector import DetectorError, Span
from gateway.phi.frames import decode_masked, decode_spans, encode_marked, encode_texts, frame
from gateway.phi.masking import Marked
from gateway.phi.scanner_process import CrashedError, ScannerProcess
from gateway.phi.windows import join, windows

T = TypeVar("T")
R = TypeVar("R")

_FRAME_CHARS = 16 * 1024
_EACH_CHARS = 20
"""Characters that take as long as a text takes by itself, however short."""
_RESTART_PAUSE_S = 0.5


class ScannerPool:
    """A `Detector` and a `Masker` over warm processes. Make it inside the process that serves, after any fork."""

    def __init__(self, processes: int, timeout_s: float, *, max_waiting: int = 1000) -> None:
        """`timeout_s` bounds one frame from the call to the answer; beyond `max_waiting` calls it fails at once."""
        self._size = processes
        self._timeout_s = timeout_s
        self._max_waiting = max_waiting
        self._idle: deque[ScannerProcess] = deque()
        self._waiting: deque[asyncio.Future[ScannerProcess]] = deque()
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
        """Raises `DetectorError` when a scanner failed, crashed twice or took too long, or too many calls wait."""
        bounds = [list(windows(text)) for text in texts]
        pieces = [text[start:end] for text, each in zip(texts, bounds, strict=True) for start, end in each]
        found: list[list[Span]] = []
        for batch in _batches(pieces, len):
            found += await self._ask(batch, encode_texts, decode_spans)
        return await aside(sum(map(len, found)), _joined, bounds, found)

    async def mask(self, texts: Sequence[Marked]) -> Sequence[str]:
        """Raises `DetectorError` as `detect` does."""
        masked: list[str] = []
        for batch in _batches(texts, lambda marked: len(marked.text)):
            masked += await self._ask(batch, encode_marked, decode_masked)
        return masked

    async def _ask(
        self, batch: list[T], encode: Callable[[Sequence[T]], bytes], decode: Callable[[bytes], list[R]]
    ) -> list[R]:
        """A scanner's answer to one frame, which has an item for each of `batch`."""
        try:
            request = frame(encode(batch))
        except ValueError as invalid:
            raise DetectorError("A text is not valid Unicode.") from invalid
        answer = await self._answer(request)
        items = decode(answer) if answer else []
        if len(items) != len(batch):
            raise DetectorError("The scan failed.")
        return items

    async def _answer(self, request: bytes) -> bytes:
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        try:
            return await self._ask_once(request, deadline)
        except CrashedError:
            return await self._ask_once(request, deadline)

    async def _ask_once(self, request: bytes, deadline: float) -> bytes:
        scanner = self._idle.popleft() if self._idle else await self._next_idle(deadline)
        return await scanner.ask(request, deadline)

    async def _next_idle(self, deadline: float) -> "ScannerProcess":
        hopeless = self._failing and not self._scanners
        if self._closed or hopeless or len(self._waiting) >= self._max_waiting:
            raise DetectorError("The scanners are overloaded, down or closed.")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[ScannerProcess] = loop.create_future()
        timer = loop.call_at(deadline, _fail, future)
        self._waiting.append(future)
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._release(future.result())
            raise
        finally:
            timer.cancel()
            with contextlib.suppress(ValueError):
                self._waiting.remove(future)

    def _release(self, scanner: "ScannerProcess") -> None:
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(scanner)
                return
        self._idle.append(scanner)

    async def _add(self) -> None:
        scanner = await ScannerProcess.spawn(self._release, self._replace)
        if self._closed:
            await scanner.stop()
            return
        if not scanner.is_alive:
            raise DetectorError("A scanner died as it started.")
        self._scanners.add(scanner)
        self._failing = False
        self._release(scanner)

    def _replace(self, scanner: "ScannerProcess") -> None:
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
        while self._waiting:
            _fail(self._waiting.popleft())

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


def _batches(items: Sequence[T], length: Callable[[T], int]) -> Iterator[list[T]]:
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


def _joined(bounds: Sequence[Sequence[tuple[int, int]]], found: Sequence[Sequence[Span]]) -> list[Sequence[Span]]:
    """Spans text by text from spans window by window."""
    answers = iter(found)
    return [join([start for start, _ in each], [next(answers) for _ in each]) for each in bounds]


def _fail(future: asyncio.Future[ScannerProcess]) -> None:
    if not future.done():
        future.set_exception(DetectorError("No scanner became free in time."))

"""The API's end of one scanner process."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

from gateway.phi.detector import DetectorError
from gateway.phi.frames import HEADER_BYTES
from gateway.phi.ner.backends import Backend

_START_TIMEOUT_S = 30.0
_ROOT = Path(__file__).parent.parent.parent
_ENVIRONMENT = {
    # None of our secrets: it reads text and nothing else.
    "PYTHONPATH": str(_ROOT),
    # One thread a scanner: the pool is what uses more processors.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    # What the model worked with goes back to the system: it holds 155 MB instead of 210.
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "1048576",
    "MALLOC_TRIM_THRESHOLD_": "1048576",
}


class CrashedError(DetectorError):
    """The scanner ended under a question; another one may answer it."""


class ScannerProcess(asyncio.Protocol):
    """One process and the socket to it. It answers one question at a time; when it is late or gone it is killed."""

    def __init__(
        self, on_idle: "Callable[[ScannerProcess], None]", on_lost: "Callable[[ScannerProcess], None]"
    ) -> None:
        self._on_idle = on_idle
        self._on_lost = on_lost
        self._received = bytearray()
        self._answer: asyncio.Future[bytes] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._warm: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._late = False

    @classmethod
    async def spawn(
        cls, ner: Backend, on_idle: "Callable[[ScannerProcess], None]", on_lost: "Callable[[ScannerProcess], None]"
    ) -> "ScannerProcess":
        """A warm scanner. Raises `DetectorError` when it does not come up within 30 s."""
        scanner = cls(on_idle, on_lost)
        try:
            await scanner._start(ner)
        except BaseException:  # a start that is given up must leave no process either
            await scanner.stop()
            raise
        return scanner

    async def _start(self, ner: Backend) -> None:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = await _process(theirs.fileno(), ner)
            ours.setblocking(False)
            await asyncio.get_running_loop().create_connection(lambda: self, sock=ours)
        except BaseException:
            ours.close()
            raise
        try:
            await asyncio.wait_for(self._warm, _START_TIMEOUT_S)
        except (TimeoutError, CrashedError) as failure:
            raise DetectorError("A scanner did not start.") from failure

    @property
    def is_alive(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    async def ask(self, request: bytes, limit_s: float) -> bytes:
        """The answer to one frame. Raises `DetectorError` when it takes `limit_s`, `CrashedError` when it died.

        A caller that stops waiting leaves the scanner busy until it has answered or is killed at its limit.
        """
        if self._transport is None or not self.is_alive:
            raise CrashedError
        loop = asyncio.get_running_loop()
        self._answer = loop.create_future()
        self._deadline = loop.call_later(limit_s, self._expire)
        self._transport.write(request)
        return await self._answer

    async def stop(self) -> None:
        """Kills the process and waits until it is gone."""
        self._warm.cancel()
        self._kill()
        if self._process is not None:
            await self._process.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, not a check: uvloop's transports are none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) < HEADER_BYTES:
            return
        end = HEADER_BYTES + int.from_bytes(self._received[:HEADER_BYTES], "big")
        if len(self._received) < end:
            return
        answer = bytes(self._received[HEADER_BYTES:end])
        del self._received[:end]
        if not self._warm.done():
            self._greet(answer.decode())
        elif self._answer is not None:
            self._settle(self._answer, answer)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's own signature
        self._kill()
        if not self._warm.done():
            self._warm.set_exception(CrashedError())
        elif self._answer is not None and not self._answer.done():
            self._answer.set_exception(DetectorError("The scan took too long.") if self._late else CrashedError())
        self._cancel_deadline()
        self._on_lost(self)

    def _greet(self, failure: str) -> None:
        """Its first words: none when it is warm, otherwise why it cannot work."""
        if failure:
            self._warm.set_exception(DetectorError(failure))
        else:
            self._warm.set_result(None)

    def _settle(self, waiting: "asyncio.Future[bytes]", answer: bytes) -> None:
        self._cancel_deadline()
        self._answer = None
        if not waiting.done():
            waiting.set_result(answer)
        self._on_idle(self)

    def _expire(self) -> None:
        self._late = True
        if self._transport is not None:
            self._transport.abort()

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _kill(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()


async def _process(inherited: int, ner: Backend) -> asyncio.subprocess.Process:
    """A scanner on the socket `inherited`, with the model `ner` behind its rules."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "gateway.phi.scanner", str(inherited), str(os.getpid()), ner),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        pass_fds=(inherited,),
        cwd=_ROOT,
        env=_ENVIRONMENT,
        start_new_session=True,  # Ctrl-C is for the API, which ends its scanners after its requests
    )

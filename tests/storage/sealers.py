"""Sequencers in processes of their own, which die or hang within a batch where they are told to."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess

from gateway.audit.signing import SigningKey
from gateway.clock import SystemClock
from storage.pool import open_pool
from storage.sequencer import Sequencer

SEED = bytes(range(32))

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["tests.storage.sealers"])  # a process that starts in an instant


class FatefulKey(SigningKey):
    """Sends its own process a signal while it makes a certain signature: in the middle of a batch, its lock held."""

    def __init__(self, seed: bytes, fate: signal.Signals, *, at: int) -> None:
        super().__init__(seed)
        self._fate = fate
        self._left = at

    def sign(self, digest: str) -> str:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), self._fate)
        return super().sign(digest)


@contextmanager
def sealer(url: str, fate: signal.Signals, *, at: int) -> Generator[BaseProcess]:
    """A running process that seals as a worker does, and meets `fate` within its signature number `at`."""
    process = _SERVER.Process(target=_seal, args=(url, fate, at), daemon=True)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def _seal(url: str, fate: signal.Signals, at: int) -> None:
    async def run() -> None:
        pool = await open_pool(url, size=2)
        await Sequencer(pool, SystemClock(), FatefulKey(SEED, fate, at=at)).run()

    asyncio.run(run())

"""Group commit: concurrent writers share one statement, one round trip and one flush to disk.

Whoever submits waits until the group that carries its item is durable, so
nothing is acknowledged early. While one group commits, the next one gathers.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from gateway.errors import UnavailableError

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[T, R]):
    item: T
    done: asyncio.Future[R]


class GroupCommit(Generic[T, R]):
    """Runs `commit` on groups of submitted items, one group at a time.

    `commit` returns a result or an exception for each item, in order. When it
    raises, each item of the group is tried alone, so that one bad item cannot
    fail its neighbours; `commit` must therefore be atomic. An `UnavailableError`
    is nobody's item's fault and fails the whole group at once.
    """

    def __init__(
        self, commit: Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]], *, largest: int = 64
    ) -> None:
        self._commit = commit
        self._largest = largest
        self._gathered: list[_Waiting[T, R]] = []
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task = asyncio.create_task(self._run())

    async def submit(self, item: T) -> R:
        """Returns once `item` is durable; raises what `commit` said of it."""
        done: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._gathered.append(_Waiting(item, done))
        self._wake.set()
        self._idle.clear()
        return await done

    async def close(self) -> None:
        """Commits what was submitted, then stops."""
        await self._idle.wait()
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            group, self._gathered = self._gathered[: self._largest], self._gathered[self._largest :]
            if not self._gathered:
                self._wake.clear()
            await self._settle(group)
            if not self._gathered:
                self._idle.set()

    async def _settle(self, group: Sequence[_Waiting[T, R]]) -> None:
        try:
            results = await self._commit([waiting.item for waiting in group])
        except Exception as failure:  # noqa: BLE001 - told to whoever waits
            if len(group) == 1 or isinstance(failure, UnavailableError):
                for waiting in group:
                    _tell(waiting, failure)
                return
            for waiting in group:
                await self._settle([waiting])
            return
        for waiting, result in zip(group, results, strict=True):
            _tell(waiting, result)


def _tell(waiting: _Waiting[T, R], result: R | Exception) -> None:
    if waiting.done.done():
        return
    if isinstance(result, Exception):
        waiting.done.set_exception(result)
    else:
        waiting.done.set_result(result)

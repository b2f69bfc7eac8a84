"""Work that a hung-up client must not interrupt."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_running: set[asyncio.Task[Any]] = set()


def unstoppable(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """`work` as a task that runs to its end whatever happens to whoever started it.

    The event loop keeps only weak references to tasks, so a shielded one
    nobody awaits any more could be collected half-way; this module holds it.
    """
    task = asyncio.ensure_future(work)
    _running.add(task)
    task.add_done_callback(_over)
    return task


def _over(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled():
        task.exception()  # who started it may be gone; what it failed of is on record


async def uninterrupted(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end even if the caller is cancelled while it waits."""
    return await asyncio.shield(unstoppable(work))


async def everything_settled() -> None:
    """Returns once all such work has ended: before what it works with is closed."""
    while _running:
        await asyncio.wait(_running)

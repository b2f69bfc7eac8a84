"""Work that a hung-up client must not interrupt."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

OUTLASTS_S = 60.0
"""For how long a provider may go on for a caller who has left: at the usual pace of 70 tokens a second, an answer of
4,096 tokens. A vendor that is cut off may bill what it had written and never tell us how much that was.
"""
MOST_OUTLASTING = 100
"""In one process, so that callers who come and go cannot pile up connections; beyond it, calls are cut off."""
AT_CLOSING_S = 5.0
"""For how long a process that stops still waits for them: it has 10 s after its last request."""

_running: set[asyncio.Task[Any]] = set()
_outlasting: set[asyncio.Task[Any]] = set()


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


def let_outlast(asking: asyncio.Task[Any]) -> None:
    """Let `asking` go on for a caller who has left: for a while, and unless too many do; then it is cancelled."""
    if len(_outlasting) >= MOST_OUTLASTING:
        asking.cancel()
        return
    cut = asyncio.get_running_loop().call_later(OUTLASTS_S, asking.cancel)
    _outlasting.add(asking)
    asking.add_done_callback(_outlasting.discard)
    asking.add_done_callback(lambda _: cut.cancel())


async def everything_settled() -> None:
    """Returns once all such work has ended: before what it works with is closed."""
    if _outlasting:
        _, slow = await asyncio.wait(_outlasting, timeout=AT_CLOSING_S)
        for asking in slow:
            asking.cancel()
    while _running:
        await asyncio.wait(_running)

"""Clients that go away: what runs for one is cancelled, so that nobody pays for an answer nobody reads."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType

from starlette.requests import ClientDisconnect
from starlette.types import Receive

KEEP_ALIVE_S = 15.0
STALLED_S = 60.0


class HangUpWatch:
    """Cancels the task inside `async with` when its client disconnects; `ClientDisconnect` comes out.

    The request's body must have been read. With `keep_alive`, calls it whenever
    nothing was sent for `every_s`. A client that makes no room for what is sent
    (see `sent`) for `stalled_s` has hung up too, though its connection stands.
    """

    def __init__(
        self,
        receive: Receive,
        keep_alive: Callable[[], Awaitable[None]] | None = None,
        *,
        every_s: float = KEEP_ALIVE_S,
        stalled_s: float = STALLED_S,
    ) -> None:
        self._receive = receive
        self._keep_alive = keep_alive
        self._every_s = every_s
        self._stalled_s = stalled_s
        self._loop = asyncio.get_running_loop()
        self._hung_up = False
        self._over = False
        self._sent_at = self._loop.time()
        self._sending_since: float | None = None

    async def sent(self, sending: Awaitable[None]) -> None:
        """Await `sending`, for as long as a client may take."""
        # No timer of its own: the watching task looks after all of a stream's sends.
        self._sending_since = self._loop.time()
        await sending
        self._sending_since = None
        self._sent_at = self._loop.time()

    def finish(self) -> None:
        """The last byte is about to go: servers report a disconnect after it, which is none."""
        self._over = True

    async def __aenter__(self) -> "HangUpWatch":
        task = asyncio.current_task()
        assert task is not None, "runs inside a task"  # noqa: S101
        self._task = task
        self._watch = self._loop.create_task(self._attend())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, _: TracebackType | None
    ) -> None:
        self._watch.cancel()
        if self._hung_up and isinstance(failure, asyncio.CancelledError):
            self._task.uncancel()
            raise ClientDisconnect from None

    async def _attend(self) -> None:
        takes = True
        while takes:
            try:
                async with asyncio.timeout_at(self._deadline()):
                    await self._disconnected()
            except TimeoutError:
                takes = not self._stalled() and await self._kept_alive()
            else:
                if self._over:
                    return
                takes = False
        self._hung_up = True
        self._task.cancel()

    def _deadline(self) -> float | None:
        """When to look again; None where nothing is sent before the end."""
        if self._sending_since is not None:
            return min(self._sending_since + self._stalled_s, self._loop.time() + self._every_s)
        return self._sent_at + self._every_s if self._keep_alive else None

    def _stalled(self) -> bool:
        return self._sending_since is not None and self._loop.time() - self._sending_since >= self._stalled_s

    async def _kept_alive(self) -> bool:
        """Fill a silence, if there is one. False when the client does not take even that."""
        silent = self._sending_since is None and self._loop.time() - self._sent_at >= self._every_s
        if self._keep_alive and silent and not self._over:
            try:
                async with asyncio.timeout(self._stalled_s):
                    await self._keep_alive()
            except TimeoutError:
                return False
            self._sent_at = self._loop.time()
        return True

    async def _disconnected(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

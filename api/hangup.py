"""Clients that go away: what runs for one is cancelled, so that nobody pays for an answer nobody reads."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType

from starlette.requests import ClientDisconnect
from starlette.types import Receive

KEEP_ALIVE_S = 15.0


class HangUpWatch:
    """Cancels the task inside `async with` when its client disconnects; `ClientDisconnect` comes out.

    The request's body must have been read. With `keep_alive`, calls it
    whenever nothing was sent (see `touch`) for `every_s`.
    """

    def __init__(
        self,
        receive: Receive,
        keep_alive: Callable[[], Awaitable[None]] | None = None,
        *,
        every_s: float = KEEP_ALIVE_S,
    ) -> None:
        self._receive = receive
        self._keep_alive = keep_alive
        self._every_s = every_s
        self._loop = asyncio.get_running_loop()
        self._hung_up = False
        self._over = False
        self._touched_at = self._loop.time()

    def touch(self) -> None:
        """Something was sent just now."""
        self._touched_at = self._loop.time()

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
        self._over = True
        self._watch.cancel()
        if self._hung_up and isinstance(failure, asyncio.CancelledError):
            self._task.uncancel()
            raise ClientDisconnect from None

    async def _attend(self) -> None:
        while not self._over:
            try:
                async with asyncio.timeout_at(self._deadline()):
                    await self._disconnected()
            except TimeoutError:
                await self._keep_alive_if_due()
            else:
                break
        if not self._over:
            self._hung_up = True
            self._task.cancel()

    def _deadline(self) -> float | None:
        return self._touched_at + self._every_s if self._keep_alive else None

    async def _keep_alive_if_due(self) -> None:
        if self._keep_alive and not self._over and self._loop.time() - self._touched_at >= self._every_s:
            await self._keep_alive()
            self.touch()

    async def _disconnected(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

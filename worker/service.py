"""A background task of the worker that is not Temporal's."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from gateway.logs import raised_at

log = structlog.get_logger()

_RESTART_S = 1.0


class Service:
    """Runs for as long as the worker does; when it crashes, that is logged and it is started again."""

    def __init__(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        self.alive = False
        self._name = name
        self._run = run

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Run in the background for the length of the block."""
        task = asyncio.create_task(self._keep_running())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _keep_running(self) -> None:
        while True:
            try:
                self.alive = True
                await self._run()
            except Exception as error:  # noqa: BLE001 - whatever it was, the service must go on
                log.error(  # noqa: TRY400 - a traceback may quote a row
                    "service_crashed",
                    dependency=self._name,
                    error_type=type(error).__name__,
                    raised_at=raised_at(error.__traceback__),
                )
            finally:
                self.alive = False
            await asyncio.sleep(_RESTART_S)

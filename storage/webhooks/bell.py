"""Rings when there may be something to deliver: a channel of PostgreSQL's, and a deadline for whatever it misses."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Self

import psycopg
import structlog

from storage.pool import libpq_url

log = structlog.get_logger()

CHANNEL = "hasp_webhooks"
_RECONNECT_S = 1.0


class Bell:
    """Heard or not, `wait` returns in time: a lost connection makes deliveries late by that, and loses none."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def listening(cls, database_url: str) -> AsyncGenerator[Self]:
        bell = cls()
        task = asyncio.create_task(bell._listen_forever(libpq_url(database_url)))
        try:
            yield bell
        finally:
            task.cancel()
            await asyncio.wait([task])

    def ring(self) -> None:
        self._rung.set()

    async def wait(self, *, at_most_s: float) -> None:
        """Until it rings; at once if it rang since the last time."""
        try:
            async with asyncio.timeout(at_most_s):
                await self._rung.wait()
        except TimeoutError:
            return
        self._rung.clear()

    async def _listen_forever(self, url: str) -> None:
        while True:
            try:
                await self._listen(url)
            except (psycopg.Error, OSError) as error:
                log.warning("webhook_channel_lost", cause=type(error).__name__)
            await asyncio.sleep(_RECONNECT_S)

    async def _listen(self, url: str) -> None:
        async with await psycopg.AsyncConnection.connect(
            url, autocommit=True, connect_timeout=5, application_name="hasp-webhooks"
        ) as connection:
            await connection.execute(f"listen {CHANNEL}")
            self.ring()
            async for _ in connection.notifies():
                self.ring()

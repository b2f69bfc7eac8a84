"""Announcements of changed access, and how to keep them from every API process of an installation."""

import os
import signal
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import aiohttp
import psycopg

from tests.chaos.installation import Installation
from tests.chaos.watching import until

_LISTENERS: Final = """
select pid, state from pg_stat_activity where application_name = 'hasp-access' and datname = current_database()
"""


@dataclass(frozen=True, slots=True)
class Announcements:
    installation: Installation
    session: aiohttp.ClientSession

    async def require_heard(self, *, within_s: float) -> None:
        """Raises `RuntimeError` when a process does not hear them `within_s`."""
        if not await until(self._all_hear, within_s=within_s):
            raise RuntimeError("an API process does not hear announcements, before anything was cut")

    @asynccontextmanager
    async def cut(self) -> AsyncGenerator[None]:
        """None gets through: the processes of the server that would bring them are stopped."""
        frozen = [pid for pid, _ in await self._listeners()]
        try:
            await self._freeze(frozen)
            yield
        finally:
            _signal(frozen, signal.SIGCONT)

    async def _all_hear(self) -> bool:
        for url in self.installation.urls.values():
            async with self.session.get(f"{url}/readyz") as answer:
                if (await answer.json())["dependencies"]["access_channel"] != "up":
                    return False
        return True

    async def _freeze(self, pids: Sequence[int]) -> None:
        """Idle, every one: one that is stopped amid an announcement of its own would stop everybody else's."""
        waiting = set(pids)
        while waiting:
            _signal(waiting, signal.SIGSTOP)
            busy = {pid for pid, state in await self._listeners() if state != "idle"} & waiting
            _signal(busy, signal.SIGCONT)
            waiting = busy

    async def _listeners(self) -> list[tuple[int, str]]:
        async with await psycopg.AsyncConnection.connect(self.installation.owner_url) as connection:
            return await (await connection.execute(_LISTENERS)).fetchall()


def _signal(pids: Iterable[int], sign: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):  # its client has left it meanwhile
            os.kill(pid, sign)

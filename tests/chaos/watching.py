"""The cap, looked at while it all happens: what is settled and held, against what is allowed."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import psycopg

_EVERY_S: Final = 0.05
_LOOK: Final = """
select org_id, holder, period_start::text, posted, pending, overrun, least(allotment + carried, spend_cap)
from credit_accounts where least(allotment + carried, spend_cap) is not null
"""
"""Every account with a cap, read in one statement: one moment of all of them."""


@dataclass(slots=True)
class Watch:
    """Samples until it is cancelled; between a database's death and its return there is nothing to see."""

    owner_url: str
    samples: int = 0
    fullest: float = 0.0
    """Of the shares of caps that were settled or held at any time."""
    violations: list[str] = field(default_factory=list[str])

    async def look(self) -> None:
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self.owner_url, autocommit=True) as connection:
                    while True:
                        self._judge(await (await connection.execute(_LOOK)).fetchall())
                        await asyncio.sleep(_EVERY_S)
            except psycopg.OperationalError:
                await asyncio.sleep(_EVERY_S)

    def _judge(self, accounts: list[tuple[str, str, str, int, int, int, int]]) -> None:
        self.samples += 1
        for org, holder, period, posted, pending, overrun, cap in accounts:
            if cap:
                self.fullest = max(self.fullest, (posted + pending) / cap)
            if posted + pending > cap + overrun:
                self.violations.append(
                    f"{holder} of {org} in {period}: settled {posted} + held {pending} > cap {cap} + overrun {overrun}"
                )


async def until(holds: Callable[[], Awaitable[bool]], *, within_s: float) -> bool:
    """Whether it came to hold in that time; the only way to see what other processes do is to look."""
    try:
        async with asyncio.timeout(within_s):
            while not await holds():  # noqa: ASYNC110 - other processes have no event to give us
                await asyncio.sleep(0.2)
    except TimeoutError:
        return False
    return True

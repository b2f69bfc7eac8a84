"""The providers' standings, read once for everybody who asks at about the same time."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from gateway.catalog import Catalog
from gateway.clock import Clock
from gateway.routing.status import (
    KEPT,
    RECENT,
    Circuits,
    Past,
    ProviderStanding,
    Record,
    Slot,
    history_of_provider,
    standing_of_provider,
)

FRESH_S = 15
_FRESH = timedelta(seconds=FRESH_S)


class HealthRecords(Protocol):
    """What all processes wrote down. Raises `UnavailableError` when it cannot be read."""

    async def records(self, *, recent: datetime, oldest: datetime) -> list[Record]: ...

    async def slots(self, *, oldest: datetime) -> list[Slot]: ...

    async def circuits(self) -> Circuits: ...


@dataclass(frozen=True, slots=True)
class Standings:
    """Of every provider of the catalog, in its order; `history` by provider, empty unless it was asked for."""

    providers: tuple[ProviderStanding, ...]
    history: dict[str, tuple[Past, ...]]


@dataclass(slots=True)
class _Kept:
    task: "asyncio.Task[Standings]"
    begun: datetime


class StatusBoard:
    """`read` goes to the records at most once in `FRESH_S` seconds, and again after a failure."""

    def __init__(self, catalog: Catalog, records: HealthRecords, clock: Clock) -> None:
        self._catalog = catalog
        self._records = records
        self._clock = clock
        self._kept: dict[bool, _Kept] = {}

    async def read(self, *, history: bool = False) -> Standings:
        """Raises `UnavailableError`."""
        now = self._clock.now()
        kept = self._kept.get(history)
        if kept is None or _is_over(kept, now):
            kept = self._kept[history] = _Kept(asyncio.create_task(self._read(history, now)), now)
        # Whoever hangs up leaves the others their answer.
        return await asyncio.shield(kept.task)

    async def _read(self, history: bool, now: datetime) -> Standings:
        records = await self._records.records(recent=now - RECENT, oldest=now - KEPT)
        circuits = await self._records.circuits()
        slots: Sequence[Slot] = await self._records.slots(oldest=now - KEPT) if history else ()
        models = {each.id: [model.id for model in self._catalog.models_of(each.id)] for each in self._catalog.providers}
        return Standings(
            providers=tuple(standing_of_provider(each, mine, records, circuits) for each, mine in models.items()),
            history={each: history_of_provider(each, slots, records) for each in models} if history else {},
        )


def _is_over(kept: _Kept, now: datetime) -> bool:
    if kept.task.done() and (kept.task.cancelled() or kept.task.exception() is not None):
        return True
    # A clock that was set back must not keep it longer.
    return not timedelta() <= now - kept.begun < _FRESH

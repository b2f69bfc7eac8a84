"""How providers answer, as one process sees it: counted as it happens, written down every few seconds.

Counting takes no lock and waits for nothing, so that it can stand in every
call's way. A database that is away costs memory up to a bound, and then the
oldest minutes.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

import structlog

from gateway.clock import Clock
from gateway.errors import UnavailableError
from gateway.ids import new_ulid
from gateway.logs import raised_at
from gateway.routing.breaker import Circuit
from gateway.routing.tally import INTERVALS, Outcome, Tally, interval_of

log = structlog.get_logger()

MAX_KEPT = 2_000
"""Minutes of a model that may wait to be written: 20 models for an hour and a half, in about 2 MB."""
_LONGEST_WRITE_S = 5.0


@dataclass(frozen=True, slots=True)
class Observed:
    """What came of the attempts at a provider's model in one minute. `model` is the catalog's id."""

    minute: datetime
    provider: str
    model: str
    tally: Tally


class HealthLog(Protocol):
    """Where all processes write what they saw. Both raise `UnavailableError` when nothing could be written."""

    async def add(self, observed: Sequence[Observed]) -> None:
        """Add to what is known of those minutes, all or nothing."""
        ...

    async def show_circuits(self, process_id: str, circuits: Sequence[Circuit]) -> None:
        """These, and no others, are the process's circuits that are not closed. Goes stale unless repeated."""
        ...


@dataclass(slots=True)
class _Count:
    """A tally that grows."""

    outcomes: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    latency: list[int] = field(default_factory=lambda: [0] * INTERVALS)

    def add(self, other: "_Count") -> None:
        for outcome, count in other.outcomes.items():
            self.outcomes[outcome] += count
        self.latency = [mine + theirs for mine, theirs in zip(self.latency, other.latency, strict=True)]

    def tally(self) -> Tally:
        return Tally(
            ok=self.outcomes[Outcome.OK],
            busy=self.outcomes[Outcome.BUSY],
            failed=self.outcomes[Outcome.FAILED],
            timeouts=self.outcomes[Outcome.TIMEOUT],
            latency=tuple(self.latency),
        )


_Key = tuple[int, str, str]
"""The minute since 1970, the provider, the model."""


class Health:
    """One process's view. `circuits` tells the breakers that are not closed, whenever it is asked."""

    def __init__(self, health_log: HealthLog, clock: Clock, *, circuits: Callable[[], Iterable[Circuit]]) -> None:
        self._health_log = health_log
        self._clock = clock
        self._circuits = circuits
        self._process_id = new_ulid()
        self._counts: dict[_Key, _Count] = {}
        self._shows_circuits = False

    def observe(self, provider: str, model: str, outcome: Outcome, latency_ms: float | None = None) -> None:
        """Count one attempt at a real upstream, the sandbox's not.

        `latency_ms` is the time to a stream's first byte or to a whole plain
        answer; of an attempt that was not answered it means nothing.
        """
        key = (int(self._clock.now().timestamp()) // 60, provider, model)
        count = self._counts.get(key)
        if count is None:
            self._make_room(1)
            count = self._counts[key] = _Count()
        count.outcomes[outcome] += 1
        if latency_ms is not None and outcome is Outcome.OK:
            count.latency[interval_of(latency_ms)] += 1

    @asynccontextmanager
    async def flushing(self, every_s: float = 10.0) -> AsyncGenerator[None]:
        """Write in the background for the length of the block, and what is left at its end."""
        stopping = asyncio.Event()
        task = asyncio.create_task(self._flush_until(stopping, every_s))
        try:
            yield
        finally:
            stopping.set()
            await task

    async def flush(self) -> bool:
        """Write what was counted since the last time; whether that worked. What did not is kept for the next."""
        counts, self._counts = self._counts, {}
        try:
            async with asyncio.timeout(_LONGEST_WRITE_S):
                await self._write(counts)
        except (UnavailableError, TimeoutError) as error:
            log.warning("provider_health_not_written", cause=type(error).__name__)
        except Exception as error:  # noqa: BLE001 - whatever it was, calls and later flushes must go on
            log.error(  # noqa: TRY400 - a traceback may quote a row
                "provider_health_not_written", cause=type(error).__name__, raised_at=raised_at(error.__traceback__)
            )
        else:
            return True
        self._put_back(counts)
        return False

    async def _flush_until(self, stopping: asyncio.Event, every_s: float) -> None:
        stops = False
        while not stops:
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), every_s)
            stops = stopping.is_set()
            await self.flush()

    async def _write(self, counts: dict[_Key, _Count]) -> None:
        circuits = tuple(self._circuits())
        if circuits or self._shows_circuits:
            await self._health_log.show_circuits(self._process_id, circuits)
            self._shows_circuits = bool(circuits)
        if counts:
            await self._health_log.add([_observed(key, count) for key, count in counts.items()])

    def _put_back(self, unwritten: dict[_Key, _Count]) -> None:
        for key, count in self._counts.items():
            if key in unwritten:
                unwritten[key].add(count)
            else:
                unwritten[key] = count
        self._counts = unwritten
        self._make_room(0)

    def _make_room(self, wanted: int) -> None:
        """The oldest go: they were put in first."""
        while len(self._counts) + wanted > MAX_KEPT:
            del self._counts[next(iter(self._counts))]


def _observed(key: _Key, count: _Count) -> Observed:
    minute, provider, model = key
    return Observed(datetime.fromtimestamp(60 * minute, UTC), provider, model, count.tally())

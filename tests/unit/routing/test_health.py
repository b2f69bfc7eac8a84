"""What one process counts, and how it survives a database that is away."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from gateway.errors import UnavailableError
from gateway.routing.breaker import Circuit, CircuitState
from gateway.routing.health import MAX_KEPT, Health, Observed
from gateway.routing.tally import Outcome, total

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
OPEN = Circuit("anthropic", "claude-haiku-4-5", CircuitState.OPEN, 15)


@dataclass(slots=True)
class Time:
    now_is: datetime = NOON

    def now(self) -> datetime:
        return self.now_is


@dataclass(slots=True)
class Log:
    """Keeps what it is given; `failures` are raised first, one a call."""

    failures: list[Exception] = field(default_factory=list)
    written: list[Observed] = field(default_factory=list)
    circuits: dict[str, Sequence[Circuit]] = field(default_factory=dict)
    wrote: asyncio.Event = field(default_factory=asyncio.Event)

    async def add(self, observed: Sequence[Observed]) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.written += observed
        self.wrote.set()

    async def show_circuits(self, process_id: str, circuits: Sequence[Circuit]) -> None:
        self.circuits[process_id] = circuits


def health(log: Log, *, time: Time | None = None, circuits: list[Circuit] | None = None) -> Health:
    return Health(log, time or Time(), circuits=lambda: circuits or ())


def counted(log: Log) -> tuple[int, int, int, int]:
    sum_of = total(each.tally for each in log.written)
    return sum_of.ok, sum_of.busy, sum_of.failed, sum_of.timeouts


async def test_attempts_are_counted_by_minute_provider_model_and_outcome() -> None:
    log, time = Log(), Time()
    seen = health(log, time=time)

    seen.observe("anthropic", "claude-haiku-4-5", Outcome.OK, 800)
    seen.observe("anthropic", "claude-haiku-4-5", Outcome.BUSY)
    time.now_is += timedelta(seconds=59)
    seen.observe("anthropic", "claude-haiku-4-5", Outcome.TIMEOUT, 120_000)
    seen.observe("openai", "gpt-5.4", Outcome.FAILED)
    time.now_is += timedelta(seconds=1)
    seen.observe("openai", "gpt-5.4", Outcome.OK, 900)
    await seen.flush()

    assert [(each.minute, each.provider, each.tally.attempts) for each in log.written] == [
        (NOON, "anthropic", 3),
        (NOON, "openai", 1),
        (NOON + timedelta(minutes=1), "openai", 1),
    ]
    assert counted(log) == (2, 1, 1, 1)
    assert sum(log.written[0].tally.latency) == 1


async def test_what_was_written_is_not_written_again() -> None:
    log = Log()
    seen = health(log)
    seen.observe("anthropic", "claude-haiku-4-5", Outcome.OK, 800)

    await seen.flush()
    await seen.flush()

    assert counted(log) == (1, 0, 0, 0)


@pytest.mark.parametrize("failure", [UnavailableError(), TimeoutError(), ValueError("a fault of ours")], ids=repr)
async def test_what_could_not_be_written_is_kept_and_joined_by_what_comes(failure: Exception) -> None:
    log = Log(failures=[failure])
    seen = health(log)
    seen.observe("anthropic", "claude-haiku-4-5", Outcome.OK, 800)

    assert not await seen.flush()
    seen.observe("anthropic", "claude-haiku-4-5", Outcome.OK, 800)
    seen.observe("anthropic", "claude-haiku-4-5", Outcome.FAILED)
    assert await seen.flush()

    (minute,) = log.written
    assert (minute.tally.ok, minute.tally.failed, sum(minute.tally.latency)) == (2, 1, 2)


async def test_a_database_that_stays_away_costs_the_oldest_minutes_and_bounded_memory() -> None:
    time, log = Time(), Log()
    seen = health(log, time=time)
    for _ in range(MAX_KEPT // 2 + 50):
        log.failures.append(UnavailableError())
        for model in ("claude-haiku-4-5", "claude-sonnet-4-6"):
            seen.observe("anthropic", model, Outcome.OK, 800)
        await seen.flush()
        time.now_is += timedelta(minutes=1)

    await seen.flush()

    assert len(log.written) == MAX_KEPT
    assert min(each.minute for each in log.written) == NOON + timedelta(minutes=50)


async def test_what_is_counted_while_a_write_is_under_way_is_written_next() -> None:
    class Slow(Log):
        async def add(self, observed: Sequence[Observed]) -> None:
            seen.observe("openai", "gpt-5.4", Outcome.OK, 5)
            await super().add(observed)

    log = Slow()
    seen = health(log)
    seen.observe("anthropic", "claude-haiku-4-5", Outcome.OK, 800)

    await seen.flush()
    await seen.flush()

    assert [each.provider for each in log.written] == ["anthropic", "openai"]


async def test_circuits_that_are_not_closed_are_shown_until_they_close() -> None:
    log, circuits = Log(), [OPEN]
    seen = Health(log, Time(), circuits=lambda: circuits)

    await seen.flush()
    shown = dict(log.circuits)
    circuits.clear()
    await seen.flush()

    assert [*shown.values()] == [(OPEN,)]
    assert [*log.circuits.values()] == [()]


async def test_two_processes_have_two_names() -> None:
    log = Log()

    await health(log, circuits=[OPEN]).flush()
    await health(log, circuits=[OPEN]).flush()

    assert len(log.circuits) == 2


async def test_it_writes_by_itself_and_goes_on_after_a_failure() -> None:
    log = Log(failures=[UnavailableError(), UnavailableError()])
    seen = health(log)

    async with seen.flushing(every_s=0.001):
        seen.observe("anthropic", "claude-haiku-4-5", Outcome.OK, 800)
        await log.wrote.wait()

    assert counted(log) == (1, 0, 0, 0)


async def test_what_is_left_is_written_when_the_process_stops() -> None:
    log = Log()
    seen = health(log)

    async with seen.flushing(every_s=3600):
        seen.observe("anthropic", "claude-haiku-4-5", Outcome.OK, 800)

    assert counted(log) == (1, 0, 0, 0)


async def test_a_process_stops_though_nothing_can_be_written() -> None:
    log = Log(failures=[UnavailableError()])
    seen = health(log)

    async with asyncio.timeout(5), seen.flushing(every_s=3600):
        seen.observe("anthropic", "claude-haiku-4-5", Outcome.OK, 800)

    assert log.written == []

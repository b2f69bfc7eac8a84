"""What processes saw of providers, added up; and who may look at it."""

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from gateway.errors import UnavailableError
from gateway.routing.breaker import Circuit, CircuitState
from gateway.routing.health import Observed
from gateway.routing.status import Record, Slot, Source
from gateway.routing.tally import Outcome, Tally, total
from gateway.settings import Settings
from storage import Storage
from tests.conftest import Database
from tests.embedded import free_port

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HAIKU = "claude-haiku-4-5"


def tally(ok: int, unanswered: int = 0, *, ms: float = 800) -> Tally:
    return total([*[Tally.of(Outcome.OK, ms)] * ok, *[Tally.of(Outcome.BUSY)] * unanswered])


def seen(of: Tally, *, at: datetime = NOON, model: str = HAIKU) -> Observed:
    return Observed(at, "anthropic", model, of)


async def records(storage: Storage, now: datetime = NOON) -> list[Record]:
    found = await storage.provider_health.records(recent=now - timedelta(minutes=5), oldest=now - timedelta(hours=24))
    return sorted(found, key=lambda record: (record.model, record.source, not record.is_recent))


async def circuits(storage: Storage) -> dict[tuple[str, str], CircuitState]:
    return dict(await storage.provider_health.circuits())


async def test_minutes_of_many_processes_add_up_when_they_write_at_once(storage: Storage) -> None:
    models = [f"model-{n}" for n in range(20)]

    # In opposite orders, as two processes may have met them: neither may wait for the other.
    await asyncio.gather(
        *(
            storage.provider_health.add([seen(tally(2, 1), model=model) for model in order])
            for order in [models, models[::-1]] * 8
        )
    )

    found = await records(storage)
    assert [record.model for record in found] == sorted(models)
    assert {record.tally for record in found} == {tally(32, 16)}


async def test_what_is_recent_is_told_apart_from_the_rest_of_the_day(storage: Storage) -> None:
    for minutes, ok in [(0, 1), (4, 2), (5, 4), (60 * 24 - 1, 8), (60 * 24, 16)]:
        await storage.provider_health.add([seen(tally(ok), at=NOON - timedelta(minutes=minutes))])

    assert await records(storage) == [
        Record("anthropic", HAIKU, Source.TRAFFIC, True, NOON, tally(3)),
        Record("anthropic", HAIKU, Source.TRAFFIC, False, NOON - timedelta(minutes=5), tally(12)),
    ]


async def test_a_probe_that_runs_twice_in_a_minute_counts_once(storage: Storage) -> None:
    await storage.provider_health.put_probes([seen(tally(0, 1), model="")])
    await storage.provider_health.put_probes([seen(tally(1, ms=90), model="")])
    await storage.provider_health.add([seen(tally(7))])

    assert await records(storage) == [
        Record("anthropic", "", Source.PROBE, True, NOON, tally(1, ms=90)),
        Record("anthropic", HAIKU, Source.TRAFFIC, True, NOON, tally(7)),
    ]


async def test_history_is_in_fives_of_minutes_over_all_models(storage: Storage) -> None:
    for minutes, model in [(0, HAIKU), (4, "claude-sonnet-4-6"), (5, HAIKU)]:
        await storage.provider_health.add([seen(tally(1), at=NOON + timedelta(minutes=minutes), model=model)])

    slots = await storage.provider_health.slots(oldest=NOON - timedelta(hours=1))

    assert sorted(slots, key=lambda slot: slot.at) == [
        Slot(NOON, "anthropic", Source.TRAFFIC, tally(2)),
        Slot(NOON + timedelta(minutes=5), "anthropic", Source.TRAFFIC, tally(1)),
    ]


async def test_the_worst_circuit_of_any_process_counts(storage: Storage) -> None:
    half_open = Circuit("anthropic", HAIKU, CircuitState.HALF_OPEN, 0)
    is_open = Circuit("anthropic", HAIKU, CircuitState.OPEN, 10)

    await storage.provider_health.show_circuits("one", [half_open])
    alone = await circuits(storage)
    await storage.provider_health.show_circuits("two", [is_open])

    assert alone == {("anthropic", HAIKU): CircuitState.HALF_OPEN}
    assert await circuits(storage) == {("anthropic", HAIKU): CircuitState.OPEN}


async def test_a_process_takes_back_what_it_no_longer_shows(storage: Storage) -> None:
    both = [Circuit("anthropic", HAIKU, CircuitState.OPEN, 9), Circuit("openai", "gpt-5.4", CircuitState.OPEN, 9)]
    await storage.provider_health.show_circuits("one", both)
    await storage.provider_health.show_circuits("two", both[:1])

    await storage.provider_health.show_circuits("one", both[1:])
    one_left = await circuits(storage)
    await storage.provider_health.show_circuits("two", [])

    assert one_left.keys() == {("anthropic", HAIKU), ("openai", "gpt-5.4")}
    assert (await circuits(storage)).keys() == {("openai", "gpt-5.4")}


async def test_a_circuit_of_a_process_that_fell_silent_does_not_count(storage: Storage, database: Database) -> None:
    await storage.provider_health.show_circuits("gone", [Circuit("anthropic", HAIKU, CircuitState.OPEN, 9)])
    await storage.provider_health.show_circuits("alive", [Circuit("openai", "gpt-5.4", CircuitState.OPEN, 9)])
    with psycopg.connect(database.owner_url) as owner:
        owner.execute("update provider_circuits set seen_at = now() - interval '46 s' where process_id = 'gone'")

    before = await circuits(storage)
    await storage.provider_health.forget(before=NOON)

    assert before.keys() == {("openai", "gpt-5.4")}
    with psycopg.connect(database.owner_url) as owner:
        assert owner.execute("select process_id from provider_circuits").fetchall() == [("alive",)]


async def test_old_minutes_are_forgotten_and_newer_ones_kept(storage: Storage) -> None:
    await storage.provider_health.add([seen(tally(1), at=NOON - timedelta(minutes=1)), seen(tally(2))])

    assert await storage.provider_health.forget(before=NOON) == 1
    assert await storage.provider_health.forget(before=NOON) == 0
    assert [record.tally for record in await records(storage)] == [tally(2)]


async def test_a_transaction_of_one_organisation_sees_none_of_it(storage: Storage, database: Database) -> None:
    await storage.provider_health.add([seen(tally(5))])
    await storage.provider_health.show_circuits("one", [Circuit("anthropic", HAIKU, CircuitState.OPEN, 9)])

    with psycopg.connect(database.app_url) as connection:
        connection.execute("select set_config('hasp.organization', '01K0B6W4M7RT2V9YQ3X5ZC8D1E', true)")
        counts = connection.execute(
            "select (select count(*) from provider_health), (select count(*) from provider_circuits)"
        ).fetchone()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(
                "insert into provider_circuits values ('x', 'anthropic', 'claude-haiku-4-5', 'open', now())"
            )

    assert counts == (0, 0)


async def test_without_a_database_it_says_so(settings: Settings) -> None:
    nowhere = f"postgresql://hasp_app:no@127.0.0.1:{free_port()}/hasp"
    away = await Storage.open(settings.model_copy(update={"database_url": nowhere}))
    try:
        with pytest.raises(UnavailableError):
            await away.provider_health.add([seen(tally(1))])
        with pytest.raises(UnavailableError):
            await records(away)
    finally:
        await away.close()

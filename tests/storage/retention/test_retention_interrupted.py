"""Purges that die, run at once, or are stopped: nothing counts twice, and nothing goes that may not."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta

import psycopg
import pytest

from gateway.errors import UnavailableError
from gateway.retention import DELAY
from gateway.settings import Settings
from storage import Storage
from storage.onboarding import change_policy
from storage.retention import PurgeStep, purge_step
from tests.activities.conftest import SetClock
from tests.conftest import Database
from tests.storage.past import ACTOR, left, made_at, opened_at, purged, retaining, usable_days
from tests.storage.retention.conftest import FIRST
from tests.storage.retention.test_retention import DAY, DUE, KEPT_DAYS, counted, log_of
from tests.tenants import Tenant


async def retained(storage: Storage, calls: int) -> Tenant:
    """Has made so many calls on its first day."""
    tenant = await retaining(storage, KEPT_DAYS)
    for hour in range(calls):
        await made_at(storage, tenant, FIRST + timedelta(hours=hour))
    return tenant


@contextmanager
def failing(database: Database, table: str, on: str) -> Generator[None]:
    """Whoever does that to `table` dies in the middle of its transaction."""
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute(
            f"""
            create function die() returns trigger language plpgsql as $$
            begin raise exception 'killed' using errcode = '57P01'; end $$;
            create trigger die before {on} on {table} for each statement execute function die()
            """.encode()
        )
        yield
        owner.execute("drop function die() cascade")


@pytest.mark.parametrize(
    ("table", "on"),
    [
        ("retention_purges", "insert"),
        ("content_keys", "update"),
        ("retention_purges", "update"),
        ("audit_entries", "insert"),
        ("audit_pending", "insert"),
        ("phi_findings", "delete"),
        ("inferences", "delete"),
        ("idempotency_keys", "delete"),
        ("outbox", "insert"),
    ],
)
async def test_killed_at_any_statement_and_begun_again_it_counts_everything_once(
    storage: Storage, database: Database, table: str, on: str
) -> None:
    tenant = await retained(storage, 5)

    with failing(database, table, on), pytest.raises(UnavailableError):
        await purged(storage, tenant, DUE, batch=2)
    await purged(storage, tenant, DUE, batch=2)

    assert left(database, tenant) == []
    assert await counted(storage, tenant) == [("2026-03-01", 1, 5, True)]
    assert [action for action, _ in log_of(database, tenant)] == ["retention.keys_destroyed", "retention.purged"]


@pytest.mark.parametrize("steps", range(6))
async def test_left_after_any_step_another_process_ends_it(
    storage: Storage, database: Database, settings: Settings, steps: int
) -> None:
    tenant = await retained(storage, 5)
    for _ in range(steps):
        await purge_step(storage.pool, tenant.org, now=DUE, actor=ACTOR, batch=2)

    other = await Storage.open(settings)
    await purged(other, tenant, DUE + 2 * DAY, batch=2)
    await other.close()

    assert left(database, tenant) == []
    assert sum(records for _, _, records, _ in await counted(storage, tenant)) == 5
    assert [action for action, _ in log_of(database, tenant)] == ["retention.keys_destroyed", "retention.purged"]


async def test_many_at_once_count_everything_once(storage: Storage, database: Database) -> None:
    tenant = await retained(storage, 20)

    ran = await asyncio.gather(*(purged(storage, tenant, DUE, batch=3) for _ in range(6)))

    steps = [step for each in ran for step in each]
    assert (sum(step.keys for step in steps), sum(step.records for step in steps)) == (1, 20)
    assert await counted(storage, tenant) == [("2026-03-01", 1, 20, True)]
    assert [action for action, _ in log_of(database, tenant)] == ["retention.keys_destroyed", "retention.purged"]


async def test_a_hold_that_is_set_between_two_steps_stops_the_next_until_a_week_after_its_end(
    storage: Storage, database: Database, clock: SetClock
) -> None:
    tenant = await retained(storage, 4)
    clock.time = DUE
    keys_gone = await purge_step(storage.pool, tenant.org, now=DUE, actor=ACTOR, batch=2)

    await change_policy(storage, tenant.org, {"legal_hold": True})
    held = await purged(storage, tenant, DUE + 400 * DAY)
    clock.time = DUE + 400 * DAY
    await change_policy(storage, tenant.org, {"legal_hold": False})
    waiting = await purged(storage, tenant, clock.time + DELAY - timedelta(seconds=1))

    assert (keys_gone, held, waiting) == (PurgeStep(keys=1), [], [])
    assert len(left(database, tenant)) == 4
    await purged(storage, tenant, clock.time + DELAY)
    assert left(database, tenant) == []
    assert await counted(storage, tenant) == [("2026-03-01", 1, 4, True)]


async def test_a_longer_time_stops_what_a_purge_has_not_come_to(
    storage: Storage, database: Database, clock: SetClock
) -> None:
    tenant = await retaining(storage, KEPT_DAYS)
    calls = [await made_at(storage, tenant, FIRST + day * DAY) for day in range(4)]
    clock.time = DUE + 3 * DAY
    await purge_step(storage.pool, tenant.org, now=clock.time, actor=ACTOR)

    await change_policy(storage, tenant.org, {"retention_days": KEPT_DAYS + 2})
    await purged(storage, tenant, clock.time)
    kept = left(database, tenant)
    again = await purged(storage, tenant, clock.time)
    await purged(storage, tenant, clock.time + 2 * DAY)

    assert (kept, again) == ([calls[2].id, calls[3].id], [])
    assert left(database, tenant) == []
    assert await counted(storage, tenant) == [("2026-03-04", 4, 4, True)]


async def test_a_clock_that_goes_back_destroys_nothing_and_ends_later_what_it_began(
    storage: Storage, database: Database
) -> None:
    tenant = await retaining(storage, KEPT_DAYS)
    for day in range(3):
        await made_at(storage, tenant, FIRST + day * DAY)
    await purge_step(storage.pool, tenant.org, now=DUE + 2 * DAY, actor=ACTOR)

    back = await purged(storage, tenant, DUE - DAY)
    kept = left(database, tenant)
    await purged(storage, tenant, DUE + 2 * DAY)

    assert (back, len(kept)) == ([], 3)
    assert await counted(storage, tenant) == [("2026-03-03", 3, 3, True)]


async def test_a_destroyed_key_is_not_made_again_by_a_process_that_slept(
    storage: Storage, database: Database, settings: Settings
) -> None:
    tenant = await retaining(storage, KEPT_DAYS)
    await made_at(storage, tenant, FIRST)
    asleep = await opened_at(storage, tenant, FIRST)
    await purged(storage, tenant, DUE)

    other = await Storage.open(settings)
    with pytest.raises(UnavailableError):
        await made_at(other, tenant, FIRST)
    await other.close()

    assert left(database, tenant) == [asleep.id]
    assert usable_days(database, tenant) == []

"""A process that was away for longer than its leases comes back, and settles what the sweep has taken from it."""

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg

from gateway.settings import Settings
from storage import Storage
from storage.holds import expire_lapsed
from tests.conftest import Database
from tests.storage.test_access import eventually
from tests.storage.test_budget import waits_for_a_row
from tests.tenants import HAIKU, make_call, make_outcome, make_tenant

_CALLS = 40


class _Later:
    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(hours=1)


async def test_calls_settled_late_in_one_moment_are_all_charged_and_each_told_of(
    storage: Storage, database: Database
) -> None:
    tenant = await make_tenant(storage)
    access = await storage.access.resolve(tenant.token)
    calls = [make_call(access) for _ in range(_CALLS)]
    await asyncio.gather(*(storage.journal.open(call, HAIKU, 500) for call in calls))
    assert await expire_lapsed(storage.pool, _Later()) == _CALLS

    await asyncio.gather(*(storage.journal.close(make_outcome(call, charge=120)) for call in calls))

    with psycopg.connect(database.owner_url) as connection:
        told = connection.execute("select data ->> 'request_id' from outbox where type = 'credits.overrun'").fetchall()
        posted = connection.execute(
            "select posted, overrun, pending from credit_accounts where holder = 'organization'"
        ).fetchall()
    assert sorted(told) == sorted((f"req_{call.id}",) for call in calls)
    assert posted == [(_CALLS * 120, _CALLS * 120, 0)]


async def test_a_settlement_that_is_sent_again_while_its_first_sending_still_runs_is_known_to_be_recorded(
    storage: Storage, settings: Settings, database: Database
) -> None:
    tenant = await make_tenant(storage)
    call = make_call(await storage.access.resolve(tenant.token))
    await storage.journal.open(call, HAIKU, 500)
    again = await Storage.open(settings)

    with psycopg.connect(database.owner_url) as owner:
        owner.execute("select from credit_accounts for update")
        sendings = [asyncio.create_task(storage.journal.close(make_outcome(call, charge=120)))]
        await eventually(lambda: waits_for_a_row(database), within_s=5)
        sendings.append(asyncio.create_task(again.journal.close(make_outcome(call, charge=120))))
        await eventually(lambda: both_wait(database), within_s=5)
    await asyncio.gather(*sendings)
    await again.close()

    with psycopg.connect(database.owner_url) as connection:
        posted = connection.execute("select posted from credit_accounts where holder = 'organization'").fetchall()
    assert posted == [(120,)]


async def both_wait(database: Database) -> bool:
    with psycopg.connect(database.owner_url) as owner:
        row = owner.execute(
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        ).fetchone()
    return row == (2,)

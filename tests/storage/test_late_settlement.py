"""A process that was away for longer than its leases comes back, and settles what the sweep has taken from it."""

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg

from storage import Storage
from storage.holds import expire_lapsed
from tests.conftest import Database
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

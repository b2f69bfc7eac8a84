"""From a new organisation to its closed periods, by a worker as it is run."""

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg
from temporalio.client import Client
from temporalio.service import RPCError

from gateway.credits.period import period_of
from gateway.settings import Settings
from storage import Storage
from tests.conftest import Database
from tests.tenants import HAIKU, make_call, make_outcome, make_tenant
from tests.worker.conftest import worker_process
from workflows import schedules
from workflows.budget_schedules import schedule_id


async def test_a_worker_schedules_a_new_organisation_and_closes_what_has_ended(
    worker_settings: Settings, storage: Storage, database: Database, upkeep: Client
) -> None:
    tenant = await make_tenant(storage, time_zone="America/New_York", anchor_day=31)
    call = make_call(await storage.access.resolve(tenant.token), at=datetime.now(UTC) - timedelta(days=70))
    await storage.journal.open(call, HAIKU, 10)
    await storage.journal.close(make_outcome(call, charge=10))

    async with worker_process(worker_settings) as worker:
        await worker.becomes_ready()
        await upkeep.get_schedule_handle(schedules.BUDGET_UPKEEP).trigger()
        await _triggered(upkeep, schedule_id(tenant.org))
        while len(closed := _closed(database, tenant.org)) < 3 or None in closed[:-1]:  # noqa: ASYNC110 - another process tells no event
            await asyncio.sleep(0.1)

    await upkeep.get_schedule_handle(schedule_id(tenant.org)).delete()
    assert closed[-1] is None
    with psycopg.connect(database.owner_url) as owner:
        newest = owner.execute(
            "select max(period_start) from credit_accounts where org_id = %s", [tenant.org]
        ).fetchone()
    assert newest is not None
    assert newest[0] <= datetime.now(UTC) < newest[0] + timedelta(days=32)
    assert period_of(call.received_at).start < newest[0]


async def _triggered(client: Client, schedule: str) -> None:
    """As soon as it is there."""
    while True:
        try:
            await client.get_schedule_handle(schedule).trigger()
        except RPCError:
            await asyncio.sleep(0.1)
        else:
            return


def _closed(database: Database, org: str) -> list[datetime | None]:
    """When each period was closed, the oldest first."""
    with psycopg.connect(database.owner_url) as owner:
        rows = owner.execute(
            "select closed_at from credit_accounts where org_id = %s and holder = 'organization' order by period_start",
            [org],
        ).fetchall()
    return [row[0] for row in rows]

"""A charge above its hold: posted in full, told, audited and logged."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from gateway.inference.call import Call
from storage import Storage
from storage.holds import expire_lapsed
from tests.conftest import Database
from tests.tenants import HAIKU, Tenant, make_call, make_outcome, make_tenant


class Past:
    """After every lease of these tests."""

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(days=365)


async def held(storage: Storage, tenant: Tenant, amount: int) -> Call:
    call = make_call(await storage.access.resolve(tenant.token))
    await storage.journal.open(call, HAIKU, amount)
    return call


def told(database: Database) -> list[tuple[object, ...]]:
    with psycopg.connect(database.owner_url) as owner:
        return owner.execute("select org_id, data from outbox where type = 'credits.overrun'").fetchall()


def audited(database: Database, call: Call, fact: str = "overrun") -> Any:
    with psycopg.connect(database.owner_url) as owner:
        (row,) = owner.execute(
            "select metadata -> %s from audit_entries where entity_id = %s order by id desc limit 1", [fact, call.id]
        ).fetchall()
    return row[0]


@pytest.mark.parametrize("lapses", [False, True])
async def test_a_charge_above_its_hold_is_told_audited_and_logged(
    storage: Storage, database: Database, *, lapses: bool
) -> None:
    tenant = await make_tenant(storage)
    call = await held(storage, tenant, 100)
    if lapses:
        await expire_lapsed(storage.pool, Past())
    still_held = 0 if lapses else 100

    with capture_logs() as lines:
        await storage.journal.close(make_outcome(call, charge=130))

    about = {"request_id": f"req_{call.id}", "key_id": tenant.key.id, "held": still_held, "charged": 130}
    assert told(database) == [(tenant.org, about)]
    assert audited(database, call) == 130 - still_held
    (line,) = [line for line in lines if line["event"] == "credits_overrun"]
    assert (line["log_level"], line["credits"], line["org_id"]) == ("warning", 130 - still_held, tenant.org)


async def test_an_overrun_is_the_last_of_a_calls_compliance_events(storage: Storage, database: Database) -> None:
    call = await held(storage, await make_tenant(storage), 100)

    await storage.journal.close(make_outcome(call, charge=130))

    assert audited(database, call, "compliance_events") == [
        "credits.reserved",
        "credits.settled",
        "content.stored",
        "credits.overrun",
    ]


async def test_a_lost_call_says_that_its_credits_came_back(storage: Storage, database: Database) -> None:
    call = await held(storage, await make_tenant(storage), 100)

    await expire_lapsed(storage.pool, Past())

    assert audited(database, call, "compliance_events") == ["credits.reserved", "credits.returned"]


async def test_a_charge_within_its_hold_is_no_overrun(storage: Storage, database: Database) -> None:
    call = await held(storage, await make_tenant(storage), 130)

    with capture_logs() as lines:
        await storage.journal.close(make_outcome(call, charge=130))

    assert told(database) == []
    assert audited(database, call) is None
    assert [line for line in lines if line["event"] == "credits_overrun"] == []


async def test_an_overrun_that_is_said_twice_is_told_once(storage: Storage, database: Database) -> None:
    call = await held(storage, await make_tenant(storage), 100)

    for _ in range(2):
        await storage.journal.close(make_outcome(call, charge=130))

    assert len(told(database)) == 1

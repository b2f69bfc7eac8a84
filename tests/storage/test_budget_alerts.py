"""What a changed budget is at already: told with the change, each threshold once a period."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from gateway.credits.budget import read_thresholds
from gateway.credits.period import period_of
from gateway.errors import PreconditionFailedError, ValidationFailedError
from storage import Storage
from storage.onboarding import change_policy
from storage.policy_change import change_policy as change_policy_in
from tests.conftest import Database
from tests.tenants import HAIKU, Tenant, make_call, make_outcome, make_tenant

TOLD = ("budget.threshold_reached", "credits.exhausted")


async def spend(storage: Storage, tenant: Tenant, amount: int, *, at: datetime | None = None) -> None:
    call = make_call(await storage.access.resolve(tenant.token), at=at)
    await storage.journal.open(call, HAIKU, amount)
    await storage.journal.close(make_outcome(call, charge=amount))


def told(database: Database, tenant: Tenant) -> list[dict[str, Any]]:
    """Data of the alerts in the outbox, in order."""
    with psycopg.connect(database.owner_url) as owner:
        rows = owner.execute(
            "select data from outbox where org_id = %s and type = any(%s) order by id", [tenant.org, [*TOLD]]
        ).fetchall()
    return [data for (data,) in rows]


def thresholds_told(database: Database, tenant: Tenant) -> list[int | None]:
    return [data.get("threshold") for data in told(database, tenant)]


async def test_a_threshold_that_is_passed_already_is_told_with_its_setting(
    storage: Storage, database: Database
) -> None:
    tenant = await make_tenant(storage, allotment=1_000)
    await spend(storage, tenant, 600)
    period = period_of(datetime.now(UTC))

    await change_policy(storage, tenant.org, {"alert_thresholds": (50, 60, 61)})

    about = {
        "used": 600,
        "limit": 1_000,
        "period_start": period.start.isoformat(),
        "period_end": period.end.isoformat(),
    }
    assert told(database, tenant) == [{"threshold": 50, **about}, {"threshold": 60, **about}]


async def test_a_cap_that_brings_a_threshold_near_tells_of_it(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage, allotment=1_000, alert_thresholds=(80, 90))
    await spend(storage, tenant, 400)

    await change_policy(storage, tenant.org, {"spend_cap": 500})

    assert thresholds_told(database, tenant) == [80]


async def test_a_cap_below_what_is_used_tells_that_the_credits_are_exhausted(
    storage: Storage, database: Database
) -> None:
    tenant = await make_tenant(storage, allotment=1_000)
    await spend(storage, tenant, 400)

    await change_policy(storage, tenant.org, {"spend_cap": 400})

    [data] = told(database, tenant)
    assert (data["reason"], data["used"], data["limit"]) == ("spend_cap", 400, 400)


async def test_what_was_told_is_not_told_again_in_the_period(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage, allotment=1_000, alert_thresholds=(50,))
    await spend(storage, tenant, 500)
    for thresholds in ((), (50,), (50, 99)):
        await change_policy(storage, tenant.org, {"alert_thresholds": thresholds})

    await spend(storage, tenant, 100)

    assert thresholds_told(database, tenant) == [50]


async def test_the_next_period_is_told_of_its_own(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage, allotment=1_000, alert_thresholds=(50,))
    now = datetime.now(UTC)
    await spend(storage, tenant, 500, at=period_of(now).start - timedelta(days=1))
    await spend(storage, tenant, 600, at=now)

    starts = [data["period_start"] for data in told(database, tenant)]
    assert len(set(starts)) == 2


async def test_nothing_is_told_of_a_period_that_ended(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage, allotment=1_000)
    await spend(storage, tenant, 900, at=period_of(datetime.now(UTC)).start - timedelta(days=1))

    await change_policy(storage, tenant.org, {"alert_thresholds": (50,)})

    assert told(database, tenant) == []


async def test_nothing_is_told_before_anything_is_used(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage, allotment=1_000, alert_thresholds=(50,))
    await storage.journal.open(make_call(await storage.access.resolve(tenant.token)), HAIKU, 900)

    await change_policy(storage, tenant.org, {"spend_cap": 0})

    assert told(database, tenant) == []


async def test_a_refused_change_tells_nothing(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage, allotment=1_000)
    await spend(storage, tenant, 900)

    with pytest.raises(PreconditionFailedError):
        async with storage.as_operator(tenant.org, command="test") as tx:
            await change_policy_in(tx, tenant.org, {"alert_thresholds": (50,)}, only_versions={7})

    assert told(database, tenant) == []


async def test_many_changes_and_calls_at_once_tell_of_each_threshold_once(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage, allotment=1_000, alert_thresholds=(30, 60, 90))
    changes = [{"alert_thresholds": (30, 60, 90)[: 1 + at % 3]} for at in range(12)]
    changes += [{"spend_cap": 1_000 + at} for at in range(8)]

    await asyncio.gather(
        *(spend(storage, tenant, 95) for _ in range(10)),
        *(change_policy(storage, tenant.org, change) for change in changes),
    )
    await change_policy(storage, tenant.org, {"alert_thresholds": (30, 60, 90)})

    assert sorted(threshold or 0 for threshold in thresholds_told(database, tenant)) == [30, 60, 90]


async def test_an_alert_reaches_no_other_organisation(storage: Storage, database: Database) -> None:
    tenant, other = await make_tenant(storage, allotment=1_000), await make_tenant(storage, allotment=1_000)
    await spend(storage, other, 900)

    await change_policy(storage, tenant.org, {"alert_thresholds": (50,)})

    assert told(database, tenant) == told(database, other) == []


def test_thresholds_are_each_once_lowest_first() -> None:
    assert read_thresholds("at", [99, 1, 99]) == (1, 99)
    assert read_thresholds("at", []) == ()


@pytest.mark.parametrize("given", [[0], [100], [-50], [1, 2, 3, 4]], ids=str)
def test_thresholds_out_of_range_or_too_many_are_refused(given: list[int]) -> None:
    with pytest.raises(ValidationFailedError) as refused:
        read_thresholds("at", given)

    assert refused.value.param == "at"

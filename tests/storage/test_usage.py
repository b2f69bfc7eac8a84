"""What an organisation is shown of a period: this one and those before, by days where it is."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import psycopg
import pytest

from gateway.credits.budget import Balance
from gateway.credits.period import Cycle, Period, period_of
from gateway.inference.records import UsageSummary
from storage import Storage
from tests.conftest import Database
from tests.tenants import HAIKU, Tenant, make_call, make_outcome, make_tenant

NOON = timedelta(hours=12)


async def spend(storage: Storage, tenant: Tenant, amount: int, *, at: datetime, held: int | None = None) -> None:
    call = make_call(await storage.access.resolve(tenant.token), at=at)
    await storage.journal.open(call, HAIKU, amount if held is None else held)
    await storage.journal.close(make_outcome(call, charge=amount))


async def balance_on(storage: Storage, tenant: Tenant, day: date, *, now: datetime) -> Balance | None:
    access = await storage.access.resolve(tenant.token)
    async with storage.read(access.principal) as tx:
        return await tx.usage.balance_on(day, now)


async def summary_of(storage: Storage, tenant: Tenant, *, now: datetime) -> UsageSummary:
    access = await storage.access.resolve(tenant.token)
    async with storage.read(access.principal) as tx:
        return await tx.usage.summary(await tx.usage.balance(now))


def move(database: Database, tenant: Tenant, zone: str, *, anchor_day: int = 1) -> Cycle:
    with psycopg.connect(database.owner_url) as owner:
        owner.execute(
            "update organizations set time_zone = %s, anchor_day = %s where id = %s", [zone, anchor_day, tenant.org]
        )
    return Cycle(zone, anchor_day)


@pytest.mark.parametrize(
    ("zone", "days"),
    [
        ("UTC", {"2026-03-10": 3}),
        ("America/New_York", {"2026-03-09": 1, "2026-03-10": 2}),
        ("Pacific/Kiritimati", {"2026-03-10": 1, "2026-03-11": 2}),
    ],
)
async def test_a_day_is_one_where_the_organisation_is(
    storage: Storage, database: Database, zone: str, days: dict[str, int]
) -> None:
    tenant = await make_tenant(storage)
    move(database, tenant, zone)
    for hour in (1, 11, 23):
        await spend(storage, tenant, 10, at=datetime(2026, 3, 10, hour, tzinfo=UTC))

    summary = await summary_of(storage, tenant, now=datetime(2026, 3, 15, tzinfo=UTC))

    assert {line.label: line.requests for line in summary.by_day} == days


async def test_each_group_adds_up_to_what_the_account_says(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    now = datetime.now(UTC)
    for amount in (10, 20, 30):
        await spend(storage, tenant, amount, at=now)

    summary = await summary_of(storage, tenant, now=now)

    totals = {sum(line.credits for line in group) for group in (summary.by_model, summary.by_key, summary.by_day)}
    assert totals == {summary.balance.used} == {60}
    assert (summary.requests, summary.by_key[0].label) == (3, tenant.key.id)


async def test_an_overrun_is_shown_and_is_part_of_what_is_used(storage: Storage) -> None:
    tenant = await make_tenant(storage, allotment=1_000)
    now = datetime.now(UTC)
    await spend(storage, tenant, 80, at=now, held=50)

    balance = (await summary_of(storage, tenant, now=now)).balance

    assert (balance.used, balance.overrun, balance.unused) == (80, 30, 920)


@pytest.mark.parametrize(
    ("carried", "spend_cap", "limit"), [(0, None, 1_000), (200, None, 1_200), (200, 1_100, 1_100), (200, 5_000, 1_200)]
)
async def test_the_limit_is_all_there_is_or_a_lower_cap(
    storage: Storage, database: Database, carried: int, spend_cap: int | None, limit: int
) -> None:
    tenant = await make_tenant(storage, allotment=1_000, spend_cap=spend_cap)
    now = datetime.now(UTC)
    await spend(storage, tenant, 100, at=now)
    with psycopg.connect(database.owner_url) as owner:
        owner.execute(
            "update credit_accounts set carried = %s where org_id = %s and holder = 'organization'",
            [carried, tenant.org],
        )

    balance = (await summary_of(storage, tenant, now=now)).balance

    assert (balance.allotment, balance.carried) == (1_000, carried)
    assert (balance.limit, balance.unused, balance.remaining) == (limit, limit - 100, limit - 100)


async def test_a_past_period_is_found_by_any_of_its_days_and_by_none_of_others(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    now = datetime(2026, 3, 15, 12, tzinfo=UTC)
    await spend(storage, tenant, 10, at=datetime(2026, 1, 20, tzinfo=UTC))

    found = {
        day: await balance_on(storage, tenant, day, now=now)
        for day in (date(2025, 12, 31), date(2026, 1, 1), date(2026, 1, 31), date(2026, 2, 1))
    }

    assert [None if each is None else each.used for each in found.values()] == [None, 10, 10, None]


@pytest.mark.parametrize(
    ("day", "known"),
    [
        (date(2026, 2, 28), False),
        (date(2026, 3, 1), True),
        (date(2026, 3, 31), True),
        (date(2026, 4, 1), False),
        (date.min, False),
        (date.max, False),
    ],
    ids=str,
)
async def test_the_current_period_is_on_record_before_its_first_call(storage: Storage, day: date, known: bool) -> None:
    tenant = await make_tenant(storage, allotment=700)

    found = await balance_on(storage, tenant, day, now=datetime(2026, 3, 15, tzinfo=UTC))

    assert (None if found is None else found.allotment) == (700 if known else None)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/St_Johns", "America/Asuncion"])
async def test_the_anchor_day_begins_the_period_wherever_the_organisation_is(
    storage: Storage, database: Database, zone: str
) -> None:
    tenant = await make_tenant(storage)
    cycle = move(database, tenant, zone, anchor_day=15)
    now = datetime(2026, 3, 20, tzinfo=UTC)
    await spend(storage, tenant, 10, at=datetime(2026, 2, 20, tzinfo=UTC))

    before = await balance_on(storage, tenant, date(2026, 3, 14), now=now)
    after = await balance_on(storage, tenant, date(2026, 3, 15), now=now)

    here = datetime(2026, 3, 15, tzinfo=ZoneInfo(zone))
    assert before is not None
    assert after is not None
    assert before.period == period_of(here - NOON, cycle)
    assert after.period == period_of(here + NOON, cycle)
    assert (before.used, after.used) == (10, 0)


async def test_a_period_that_a_process_opened_ahead_of_time_is_not_shown(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    await spend(storage, tenant, 10, at=datetime(2026, 4, 1, tzinfo=UTC))

    assert await balance_on(storage, tenant, date(2026, 4, 2), now=datetime(2026, 3, 31, 23, tzinfo=UTC)) is None


async def test_a_period_is_as_long_as_its_account_says_though_the_cycle_has_changed(
    storage: Storage, database: Database
) -> None:
    tenant = await make_tenant(storage)
    await spend(storage, tenant, 10, at=datetime(2026, 3, 5, tzinfo=UTC))
    move(database, tenant, "UTC", anchor_day=20)

    found = await balance_on(storage, tenant, date(2026, 3, 25), now=datetime(2026, 3, 26, tzinfo=UTC))

    assert found is not None
    assert found.period == Period(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))


async def test_a_period_without_a_call_is_shown_as_its_first_call_opens_it_though_the_cycle_has_changed(
    storage: Storage, database: Database
) -> None:
    tenant = await make_tenant(storage)
    await spend(storage, tenant, 10, at=datetime(2026, 3, 5, tzinfo=UTC))
    move(database, tenant, "UTC", anchor_day=20)
    now = datetime(2026, 4, 5, tzinfo=UTC)

    shown = (await summary_of(storage, tenant, now=now)).balance.period
    await spend(storage, tenant, 10, at=now)

    opened = (await summary_of(storage, tenant, now=now)).balance.period
    assert shown == opened == Period(datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 5, 20, tzinfo=UTC))


async def test_usage_of_another_organisation_is_not_counted(storage: Storage) -> None:
    tenant, other = await make_tenant(storage), await make_tenant(storage)
    now = datetime.now(UTC)
    await spend(storage, other, 10, at=now)

    summary = await summary_of(storage, tenant, now=now)

    assert (summary.requests, summary.by_day, summary.balance.used) == (0, (), 0)

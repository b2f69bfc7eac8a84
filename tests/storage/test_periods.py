"""Periods are closed once, in order, and nothing of them is lost or given away."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from gateway.credits.period import Cycle, Period, period_of
from gateway.errors import CreditsExhaustedError, UnavailableError
from gateway.inference.call import Call
from storage import Storage
from storage.accounts import period_entry
from storage.holds import expire_lapsed
from storage.onboarding import change_policy
from storage.periods import GRACE, PeriodStep, close_oldest
from tests.activities.conftest import SetClock
from tests.conftest import Database
from tests.storage.test_books import Books
from tests.storage.test_proof import found as discrepancies
from tests.tenants import HAIKU, Tenant, make_call, make_outcome, make_tenant

MAY = period_of(datetime(2027, 5, 15, tzinfo=UTC))
JUNE = period_of(MAY.end)
AFTER_MAY = MAY.end + GRACE
CLOSED, NOTHING = PeriodStep(closed=True), PeriodStep()


@pytest_asyncio.fixture(autouse=True)
async def sound_books(storage: Storage) -> AsyncIterator[None]:
    """Whatever is done here, the nightly proof has nothing to say."""
    yield
    assert await discrepancies(storage) == []


async def held(storage: Storage, tenant: Tenant, amount: int, *, at: datetime = MAY.start) -> Call:
    call = make_call(await storage.access.resolve(tenant.token), at=at)
    await storage.journal.open(call, HAIKU, amount)
    return call


async def spent(storage: Storage, tenant: Tenant, amount: int, *, at: datetime = MAY.start) -> Call:
    call = await held(storage, tenant, amount, at=at)
    await storage.journal.close(make_outcome(call, charge=amount))
    return call


def entries(database: Database, tenant: Tenant, period: Period) -> dict[str, int]:
    """What belongs to the period itself, by phase."""
    own = period_entry(tenant.org, period.start)
    return dict(Books(database, tenant.org).rows(f"select phase, amount from credit_entries where id = '{own}'"))


def accounts(database: Database, tenant: Tenant) -> list[tuple[Any, ...]]:
    """Start, end, carried to it, closed; oldest first."""
    return Books(database, tenant.org).rows(
        "select period_start, period_end, carried, closed_at is not null from credit_accounts"
        " where org_id = :org and holder = 'organization' order by 1"
    )


async def test_what_nobody_used_lapses(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage, allotment=1_000)
    await spent(storage, tenant, 300)

    step = await close_oldest(storage.pool, tenant.org, AFTER_MAY)

    assert step == CLOSED
    assert entries(database, tenant, MAY) == {"grant": 1_000, "lapse": 700}
    assert entries(database, tenant, JUNE) == {"grant": 1_000}
    assert accounts(database, tenant) == [(MAY.start, MAY.end, 0, True), (JUNE.start, JUNE.end, 0, False)]


@pytest.mark.parametrize(
    ("used", "limit", "carried", "lapsed"), [(300, 500, 500, 200), (800, 500, 200, 0), (0, 5_000, 1_000, 0)]
)
async def test_what_is_unused_is_carried_on_up_to_the_limit(
    storage: Storage, database: Database, used: int, limit: int, carried: int, lapsed: int
) -> None:
    tenant = await make_tenant(storage, allotment=1_000, rollover_limit=limit)
    await spent(storage, tenant, used)

    await close_oldest(storage.pool, tenant.org, AFTER_MAY)

    moved = {"grant": 1_000, "lapse": lapsed, "carry_out": carried}
    assert entries(database, tenant, MAY) == {phase: amount for phase, amount in moved.items() if amount}
    assert entries(database, tenant, JUNE) == {"grant": 1_000, "carry_in": carried}
    assert accounts(database, tenant)[1][2] == carried
    assert Books(database, tenant.org).sides()["available"] == 1_000 + carried


async def test_carried_credits_can_be_spent_and_no_more(storage: Storage) -> None:
    tenant = await make_tenant(storage, allotment=1_000, rollover_limit=400)
    await spent(storage, tenant, 100)
    await close_oldest(storage.pool, tenant.org, AFTER_MAY)

    await spent(storage, tenant, 1_400, at=JUNE.start)

    with pytest.raises(CreditsExhaustedError):
        await held(storage, tenant, 1, at=JUNE.start)


async def test_what_was_carried_and_not_used_is_carried_no_further_than_the_limit(
    storage: Storage, database: Database
) -> None:
    tenant = await make_tenant(storage, allotment=1_000, rollover_limit=400)
    await spent(storage, tenant, 100)

    for _ in range(2):
        await close_oldest(storage.pool, tenant.org, JUNE.end + GRACE)

    assert entries(database, tenant, JUNE) == {"grant": 1_000, "carry_in": 400, "lapse": 1_000, "carry_out": 400}


async def test_a_period_of_calls_beyond_their_holds_owes_nothing_to_the_next(
    storage: Storage, database: Database
) -> None:
    tenant = await make_tenant(storage, allotment=1_000, rollover_limit=400)
    call = await held(storage, tenant, 900)
    await storage.journal.close(make_outcome(call, charge=1_300))

    await close_oldest(storage.pool, tenant.org, AFTER_MAY)

    assert entries(database, tenant, MAY) == {"grant": 1_000}
    assert entries(database, tenant, JUNE) == {"grant": 1_000}


async def test_nothing_is_closed_before_calls_of_its_last_moment_are_in(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage)
    await spent(storage, tenant, 10)

    early = await close_oldest(storage.pool, tenant.org, MAY.end + timedelta(minutes=5))
    await spent(storage, tenant, 10, at=MAY.end - timedelta(microseconds=1))

    assert early == PeriodStep(wait=timedelta(minutes=10))
    assert accounts(database, tenant) == [(MAY.start, MAY.end, 0, False)]


async def test_a_period_waits_for_its_calls(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage, allotment=1_000)
    call = await held(storage, tenant, 600)

    waits = await close_oldest(storage.pool, tenant.org, AFTER_MAY)
    await storage.journal.close(make_outcome(call, charge=250))
    step = await close_oldest(storage.pool, tenant.org, AFTER_MAY)

    assert waits == PeriodStep(wait=timedelta(minutes=1))
    assert step == CLOSED
    assert entries(database, tenant, MAY) == {"grant": 1_000, "lapse": 750}


async def test_a_call_that_settles_after_its_period_closed_is_charged_there_as_overrun(
    storage: Storage, database: Database
) -> None:
    tenant = await make_tenant(storage, allotment=1_000, rollover_limit=1_000)
    call = await held(storage, tenant, 600)
    await expire_lapsed(storage.pool, SetClock(AFTER_MAY))
    await close_oldest(storage.pool, tenant.org, AFTER_MAY)

    await storage.journal.close(make_outcome(call, charge=250))

    books = Books(database, tenant.org)
    assert books.moves(call) == {"reserve": 600, "expire": 600, "overrun": 250}
    assert accounts(database, tenant) == [(MAY.start, MAY.end, 0, True), (JUNE.start, JUNE.end, 1_000, False)]
    assert sum(books.sides().values()) == 0


async def test_a_closed_period_takes_no_further_hold(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    await spent(storage, tenant, 10)
    await close_oldest(storage.pool, tenant.org, AFTER_MAY)

    with pytest.raises(UnavailableError):
        await held(storage, tenant, 10)


async def test_closing_at_once_and_again_counts_once(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage, allotment=1_000, rollover_limit=400)
    await spent(storage, tenant, 100)

    await asyncio.gather(*(close_oldest(storage.pool, tenant.org, AFTER_MAY) for _ in range(12)))
    again = await close_oldest(storage.pool, tenant.org, AFTER_MAY)

    books = Books(database, tenant.org)
    assert again == NOTHING
    assert accounts(database, tenant)[1][2] == 400
    assert len(books.told("budget.period_closed")) == len(books.told("budget.period_opened")) == 1
    audited = books.rows("select metadata from audit_entries where org_id = :org and action = 'budget.period_closed'")
    assert len(audited) == 1


async def test_both_ends_of_a_reset_are_told(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage, allotment=1_000, rollover_limit=400)
    await spent(storage, tenant, 100)

    await close_oldest(storage.pool, tenant.org, AFTER_MAY)

    books = Books(database, tenant.org)
    may = {"period_start": "2027-05-01T00:00:00+00:00", "period_end": "2027-06-01T00:00:00+00:00"}
    june = {"period_start": "2027-06-01T00:00:00+00:00", "period_end": "2027-07-01T00:00:00+00:00"}
    assert books.told("budget.period_closed") == [
        may | {"allotment": 1_000, "carried_in": 0, "used": 100, "lapsed": 500, "carried": 400}
    ]
    assert books.told("budget.period_opened") == [june | {"allotment": 1_000, "carried": 400}]


async def test_runs_that_were_lost_are_made_up_for_one_period_after_another(
    storage: Storage, database: Database
) -> None:
    tenant = await make_tenant(storage, allotment=1_000, rollover_limit=1_500)
    await spent(storage, tenant, 900)
    september = datetime(2027, 9, 10, tzinfo=UTC)
    await spent(storage, tenant, 50, at=september)

    steps = [await close_oldest(storage.pool, tenant.org, september) for _ in range(5)]

    assert steps == [CLOSED] * 4 + [NOTHING]
    assert [carried for _, _, carried, _ in accounts(database, tenant)] == [0, 100, 1_100, 1_500, 1_500]


async def test_an_organisation_without_a_call_gets_the_period_of_now(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage)

    steps = [await close_oldest(storage.pool, tenant.org, MAY.start) for _ in range(2)]

    assert steps == [NOTHING] * 2
    assert accounts(database, tenant) == [(MAY.start, MAY.end, 0, False)]
    assert len(Books(database, tenant.org).told("budget.period_opened")) == 1


async def test_a_cycle_changed_in_mid_period_bears_on_the_next(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage, allotment=1_000)
    await spent(storage, tenant, 10)
    await change_policy(storage, tenant.org, {"time_zone": "Asia/Tokyo", "anchor_day": 15})
    await spent(storage, tenant, 10, at=MAY.end - timedelta(seconds=1))

    await close_oldest(storage.pool, tenant.org, AFTER_MAY)

    tokyo = Cycle("Asia/Tokyo", 15)
    first = Period(MAY.end, datetime(2027, 7, 14, 15, tzinfo=UTC))
    assert period_of(first.end, tokyo).start == first.end
    assert accounts(database, tenant) == [(MAY.start, MAY.end, 0, True), (first.start, first.end, 0, False)]


async def test_cycles_changed_every_day_of_a_year_bring_no_more_allotments_than_months(
    storage: Storage, database: Database
) -> None:
    tenant = await make_tenant(storage)
    for day in range(0, 365, 5):
        await change_policy(storage, tenant.org, {"anchor_day": 1 + day % 31})
        await spent(storage, tenant, 1, at=MAY.start + timedelta(days=day))

    assert len(accounts(database, tenant)) <= 13


async def test_closing_in_the_midst_of_calls_loses_and_doubles_none(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage, allotment=10_000, rollover_limit=4_000)
    charged = 0

    async def live(number: int) -> None:
        nonlocal charged
        at = MAY.end - timedelta(seconds=1) if number % 2 else JUNE.start
        try:
            await spent(storage, tenant, number, at=at)
        except UnavailableError:  # its period was closed before it asked
            return
        charged += number

    async def close() -> None:
        while (await close_oldest(storage.pool, tenant.org, AFTER_MAY)) != NOTHING:
            pass

    await spent(storage, tenant, 1)
    await asyncio.gather(*(live(number) for number in range(1, 80)), *(close() for _ in range(4)))

    carried = accounts(database, tenant)[1][2]
    assert Books(database, tenant.org).sides()["spent"] == charged + 1
    assert carried == 4_000

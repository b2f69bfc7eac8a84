"""Ten years of budget resets on a real database, by runs that come in time, late, twice or not at all."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities.budget import Budget, BudgetActivities, ResetStep, SchedulePage
from activities.cursor import Cursor
from gateway.credits.period import Cycle, period_of
from gateway.ids import OrganizationId, new_ulid
from storage import Storage
from storage.periods import GRACE
from tests.activities.conftest import SetClock
from tests.activities.test_budget import KeptSchedules
from tests.conftest import Database
from tests.storage.test_proof import found as discrepancies
from tests.tenants import HAIKU, Tenant, make_call, make_outcome, make_tenant
from workflows.budget_reset import MOST_STEPS, BudgetReset, Reset
from workflows.budget_upkeep import BudgetUpkeep, Scheduled
from workflows.search_attributes import KIND, ORGANIZATION, STATE

ORG = OrganizationId("01J0000000000000000000000A")
ALLOTMENT, LIMIT = 1_000, 700
FIRST = datetime(2027, 1, 15, tzinfo=UTC)


class ScriptedBudgets:
    """Stands in for `BudgetActivities`: each call plays the next of its script, the last one for ever."""

    def __init__(self, steps: Sequence[ResetStep | Exception] = (), pages: Sequence[SchedulePage] = ()) -> None:
        self.steps, self.pages = steps, pages
        self.seen: list[Budget | Cursor] = []

    @activity.defn(name="budget.close_period")
    async def close_period(self, budget: Budget) -> ResetStep:
        step = self.steps[min(len(self.seen), len(self.steps) - 1)]
        self.seen.append(budget)
        if isinstance(step, Exception):
            raise step
        return step

    @activity.defn(name="budget.schedule_page")
    async def schedule_page(self, cursor: Cursor) -> SchedulePage:
        page = self.pages[min(len(self.seen), len(self.pages) - 1)]
        self.seen.append(cursor)
        return page


def working(client: Client, task_queue: str, budgets: ScriptedBudgets | BudgetActivities) -> Worker:
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[BudgetReset, BudgetUpkeep],
        activities=[budgets.close_period, budgets.schedule_page],
    )


async def start(client: Client, task_queue: str, org: str = ORG) -> WorkflowHandle[BudgetReset, Reset]:
    """As the organisation's schedule does."""
    return await client.start_workflow(
        BudgetReset.run,
        id=f"budget-reset/{org}-{new_ulid()}",
        task_queue=task_queue,
        search_attributes=TypedSearchAttributes([SearchAttributePair(ORGANIZATION, org)]),
    )


async def test_it_closes_period_after_period_until_there_is_none(client: Client, task_queue: str) -> None:
    budgets = ScriptedBudgets([ResetStep(wait_s=600), ResetStep(closed=True), ResetStep(closed=True), ResetStep()])

    async with working(client, task_queue, budgets):
        handle = await start(client, task_queue)
        reset = await handle.result()

    assert reset == Reset(closed=2)
    assert budgets.seen == [Budget(ORG)] * 4
    attributes = (await handle.describe()).typed_search_attributes
    assert [attributes.get(key) for key in (ORGANIZATION, KIND, STATE)] == [ORG, "budget.reset", "done"]


async def test_it_waits_for_a_database_that_is_away(client: Client, task_queue: str) -> None:
    away = ApplicationError("away", type="INFERENCE_UNAVAILABLE")
    budgets = ScriptedBudgets([away, away, away, ResetStep(closed=True), away, ResetStep()])

    async with working(client, task_queue, budgets):
        reset = await (await start(client, task_queue)).result()

    assert (reset, len(budgets.seen)) == (Reset(closed=1), 6)


async def test_a_long_backlog_is_closed_in_history_after_history(client: Client, task_queue: str) -> None:
    budgets = ScriptedBudgets([*[ResetStep(closed=True)] * (MOST_STEPS + 3), ResetStep()])

    async with working(client, task_queue, budgets):
        reset = await (await start(client, task_queue)).result()

    assert (reset, len(budgets.seen)) == (Reset(closed=3), MOST_STEPS + 4)
    assert set(budgets.seen) == {Budget(ORG)}


async def test_upkeep_goes_from_page_to_page(client: Client, task_queue: str) -> None:
    pages = [SchedulePage(20, 0, Cursor("01A")), SchedulePage(3, 1, Cursor("01B")), SchedulePage(0, 0)]
    budgets = ScriptedBudgets(pages=pages)

    async with working(client, task_queue, budgets):
        scheduled = await client.execute_workflow(BudgetUpkeep.run, id=f"upkeep/{task_queue}", task_queue=task_queue)

    assert scheduled == Scheduled(brought=23, refused=1)
    assert budgets.seen == [Cursor(), Cursor("01A"), Cursor("01B")]


@dataclass(slots=True)
class TicksOn(SetClock):
    """A clock on which ten minutes pass with every look."""

    def now(self) -> datetime:
        self.advance(timedelta(minutes=10))
        return self.time


async def test_a_run_at_the_very_end_of_a_period_waits_and_closes_it(
    client: Client, task_queue: str, storage: Storage, database: Database
) -> None:
    tenant = await make_tenant(storage)
    await spend(storage, tenant, 10, at=FIRST)
    clock = TicksOn(period_of(FIRST).end)

    async with working(client, task_queue, BudgetActivities(storage.pool, clock, KeptSchedules())):
        reset = await (await start(client, task_queue, tenant.org)).result()

    assert reset == Reset(closed=1)
    assert [closed for *_, closed in accounts(database, tenant)] == [True, False]


@pytest.mark.parametrize(
    ("cycle", "months"),
    [(Cycle("America/New_York", 31), 26), (Cycle("Australia/Lord_Howe", 29), 120)],
    ids=["two years in New York", "ten years on Lord Howe Island"],
)
async def test_resets_neither_block_nor_gift(
    client: Client, task_queue: str, storage: Storage, database: Database, cycle: Cycle, months: int
) -> None:
    tenant = await make_tenant(
        storage, allotment=ALLOTMENT, rollover_limit=LIMIT, time_zone=cycle.zone, anchor_day=cycle.anchor_day
    )
    clock = SetClock(FIRST)
    used: list[int] = []

    async def runs(times: int, *, late: timedelta = timedelta()) -> None:
        clock.time = period.start + GRACE + late
        handles = [await start(client, task_queue, tenant.org) for _ in range(times)]
        await asyncio.gather(*(handle.result() for handle in handles))

    async with working(client, task_queue, BudgetActivities(storage.pool, clock, KeptSchedules())):
        period = period_of(FIRST, cycle)
        for month in range(months):
            used.append((month * 397) % (ALLOTMENT + 1))
            await spend(storage, tenant, used[-1], at=period.start)  # before any run: no call waits for one
            match month % 10:
                case 3 | 4:  # lost, two in a row
                    pass
                case 6:
                    await runs(1, late=timedelta(days=20))
                case 8:
                    await runs(3)
                case _:
                    await runs(1)
            period = period_of(period.end, cycle)
        await runs(1)

    assert accounts(database, tenant) == expected(cycle, used)
    assert await discrepancies(storage) == []


async def spend(storage: Storage, tenant: Tenant, amount: int, *, at: datetime) -> None:
    call = make_call(await storage.access.resolve(tenant.token), at=at)
    await storage.journal.open(call, HAIKU, amount)
    await storage.journal.close(make_outcome(call, charge=amount))


def expected(cycle: Cycle, used: Sequence[int]) -> list[tuple[Any, ...]]:
    """Start, end, allotment, carried to it, spent, closed: as an accountant would on paper."""
    rows, carried, period = list[tuple[Any, ...]](), 0, period_of(FIRST, cycle)
    for spent in used:
        rows.append((period.start, period.end, ALLOTMENT, carried, spent, True))
        carried, period = min(ALLOTMENT + carried - spent, LIMIT), period_of(period.end, cycle)
    return [*rows, (period.start, period.end, ALLOTMENT, carried, 0, False)]


def accounts(database: Database, tenant: Tenant) -> list[tuple[Any, ...]]:
    query = (
        "select period_start, period_end, allotment, carried, posted, closed_at is not null from credit_accounts"
        " where org_id = %s and holder = 'organization' order by 1"
    )
    with psycopg.connect(database.owner_url) as owner:
        return owner.execute(query, [tenant.org]).fetchall()

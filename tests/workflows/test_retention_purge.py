"""Nearly nine years of purges on a real database: by runs that come every night, late, twice, or not for weeks."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pytest_asyncio
from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities.retention import Cursor, DuePage, PurgeOrder, PurgeShift, RetentionActivities
from gateway.errors import NotFoundError
from gateway.ids import PLATFORM, InferenceId
from gateway.settings import Settings
from storage import Storage
from storage.onboarding import change_policy
from storage.pool import STATEMENT_TIMEOUT_MS, Pool
from tests.activities.conftest import SetClock
from tests.conftest import Database
from tests.storage.past import left, made_at, usable_days
from tests.storage.test_proof import found as discrepancies
from tests.tenants import Tenant, make_tenant
from workflows.options import PURGE, PURGE_EVERY
from workflows.retention_purge import MOST_PAGES, Progress, RetentionPurge
from workflows.search_attributes import KIND, ORGANIZATION, STATE

A, B, C = (f"01J000000000000000000000{letter}" for letter in "ABC")
FIRST = datetime(2018, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass(slots=True)
class ScriptedRetention:
    """Stands in for `RetentionActivities`. `shifts` of an organisation are played one by one; else it is over."""

    pages: Sequence[DuePage]
    shifts: dict[str, list[PurgeShift | Exception]] = field(default_factory=dict[str, list[PurgeShift | Exception]])
    asked: list[str] = field(default_factory=list[str])
    looked: list[str] = field(default_factory=list[str])

    @activity.defn(name="retention.due_page")
    async def due_page(self, cursor: Cursor) -> DuePage:
        self.looked.append(cursor.after_org)
        return self.pages[min(len(self.looked), len(self.pages)) - 1]

    @activity.defn(name="retention.purge_organization")
    async def purge_organization(self, order: PurgeOrder) -> PurgeShift:
        self.asked.append(order.org)
        script = self.shifts.get(order.org)
        act = script.pop(0) if script else PurgeShift(is_over=True)
        if isinstance(act, Exception):
            raise act
        return act


def working(client: Client, task_queue: str, retention: ScriptedRetention | RetentionActivities) -> Worker:
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[RetentionPurge],
        activities=[retention.due_page, retention.purge_organization],
    )


async def purge(
    client: Client, task_queue: str, retention: ScriptedRetention | RetentionActivities
) -> tuple[WorkflowHandle[RetentionPurge, Progress], Progress]:
    async with working(client, task_queue, retention):
        handle = await client.start_workflow(RetentionPurge.run, id=f"purge/{task_queue}", task_queue=task_queue)
        return handle, await handle.result()


async def test_it_purges_each_organisation_of_each_page_until_nothing_is_due_in_it(
    client: Client, task_queue: str
) -> None:
    retention = ScriptedRetention(
        [DuePage([A, B], Cursor(B)), DuePage([C])], {B: [PurgeShift(is_over=False), PurgeShift(is_over=False)]}
    )

    handle, done = await purge(client, task_queue, retention)

    assert (done.purged, done.failed) == (3, 0)
    assert (retention.looked, retention.asked) == (["", B], [A, B, B, B, C])
    attributes = (await handle.describe()).typed_search_attributes
    assert [attributes.get(key) for key in (ORGANIZATION, KIND, STATE)] == [PLATFORM, "retention.purge", "done"]


async def test_it_waits_for_a_database_that_is_away(client: Client, task_queue: str) -> None:
    away = ApplicationError("away", type="INFERENCE_UNAVAILABLE")

    _, done = await purge(client, task_queue, ScriptedRetention([DuePage([A])], {A: [away, away, away]}))

    assert done == Progress(purged=1)


async def test_an_organisation_that_cannot_be_purged_holds_up_no_other_and_raises_the_alarm(
    client: Client, task_queue: str
) -> None:
    broken = ApplicationError("a fault", type="TypeError", non_retryable=True)

    handle, done = await purge(client, task_queue, ScriptedRetention([DuePage([A, B])], {A: [broken]}))

    assert done == Progress(purged=1, failed=1)
    assert (await handle.describe()).typed_search_attributes.get(STATE) == "alarm"


def test_an_organisation_whose_purge_never_works_is_given_up_long_before_the_next_run() -> None:
    policy = PURGE.get("retry_policy")
    assert policy is not None
    assert policy.maximum_interval is not None
    assert policy.maximum_attempts > 1

    waiting = policy.maximum_attempts * (policy.maximum_interval + 3 * timedelta(milliseconds=STATEMENT_TIMEOUT_MS))

    assert waiting < PURGE_EVERY / 4


async def test_more_than_a_history_holds_goes_on_in_the_next(client: Client, task_queue: str) -> None:
    pages = [DuePage([f"{number:026}"], Cursor(f"{number:026}")) for number in range(MOST_PAGES + 1)]
    retention = ScriptedRetention([*pages, DuePage([])])

    _, done = await purge(client, task_queue, retention)

    assert (done.purged, len(retention.asked), len(set(retention.looked))) == (MOST_PAGES + 1, MOST_PAGES + 1, 7)


@pytest_asyncio.fixture
async def then(settings: Settings) -> AsyncIterator[Storage]:
    """The store at a time that the test sets: `then.clock` is a `SetClock`."""
    opened = await Storage.open(settings, clock=SetClock(FIRST))
    yield opened
    await opened.close()


def clock_of(storage: Storage) -> SetClock:
    assert isinstance(storage.clock, SetClock)
    return storage.clock


def agreeing(storage: Storage) -> RetentionActivities:
    """A worker whose clock and whose database's say the same."""

    async def witness(_: Pool) -> datetime:
        return storage.clock.now()

    return RetentionActivities(storage.pool, storage.clock, witness)


@dataclass(slots=True)
class Years:
    """Nights go by, and a worker runs or does not."""

    client: Client
    task_queue: str
    storage: Storage
    runs: int = 0

    async def until(self, moment: datetime, *, runs: int = 1) -> None:
        """The night of that day is there, and the runs of then are over."""
        clock_of(self.storage).time = moment.replace(hour=4, minute=30)
        self.runs += 1
        await asyncio.gather(*(self._run(f"purge/{self.task_queue}/{self.runs}/{n}") for n in range(runs)))

    async def _run(self, workflow_id: str) -> None:
        await self.client.execute_workflow(RetentionPurge.run, id=workflow_id, task_queue=self.task_queue)


async def readable(storage: Storage, tenant: Tenant, calls: Mapping[date, str]) -> list[date]:
    """Days whose call can be read with its content."""
    principal = (await storage.access.resolve(tenant.token)).principal
    found: list[date] = []
    for day, call in calls.items():
        async with storage.read(principal) as tx:
            try:
                record = await tx.inferences.get(InferenceId(call))
            except NotFoundError:
                continue
        assert record.content is not None
        found.append(day)
    return found


async def test_over_seven_years_every_day_is_readable_until_its_due_day_and_not_after(
    client: Client, task_queue: str, then: Storage, database: Database
) -> None:
    tenant = await make_tenant(then)
    calls = {
        at.date(): (await made_at(then, tenant, at)).id
        for at in (FIRST + timedelta(days=day, hours=day % 24) for day in (0, 1, 2, 30, 365, 1000, 1001))
    }
    days = [*calls]
    async with working(client, task_queue, agreeing(then)):
        years = Years(client, task_queue, then)
        for day in (0, 1, 2, 30):
            due = datetime.combine(days[0], FIRST.timetz()) + timedelta(days=day + 2556)
            before = days[days.index((FIRST + day * DAY).date()) :]
            await years.until(due - DAY, runs=1 + day % 2)
            assert await readable(then, tenant, calls) == before
            await years.until(due, runs=2)
            assert await readable(then, tenant, calls) == before[1:]
        # The worker is away for weeks; one run does the work of all.
        await years.until(FIRST + timedelta(days=2556 + 365 + 40))
        assert await readable(then, tenant, calls) == days[5:]

    assert usable_days(database, tenant) == [str(day) for day in days[5:]]
    assert await discrepancies(then) == []


async def test_over_the_years_holds_and_choices_are_kept_to_the_day(
    client: Client, task_queue: str, then: Storage, database: Database
) -> None:
    tenant = await make_tenant(then)
    calls = {at.date(): (await made_at(then, tenant, at)).id for at in (FIRST + year * 365 * DAY for year in range(8))}
    days = [*calls]

    async def choose(at: datetime, **choice: object) -> None:
        clock_of(then).time = at
        await change_policy(then, tenant.org, choice)

    async with working(client, task_queue, agreeing(then)):
        years = Years(client, task_queue, then)
        # Six years of the seven that were the choice at first.
        await choose(FIRST + 2000 * DAY, retention_days=6 * 365)
        await years.until(FIRST + (6 * 365 + 1) * DAY)
        assert await readable(then, tenant, calls) == days[1:]

        await choose(FIRST + 2500 * DAY, legal_hold=True)
        await years.until(FIRST + 3000 * DAY)
        assert await readable(then, tenant, calls) == days[1:]

        lifted = FIRST + 3000 * DAY
        await choose(lifted, legal_hold=False)
        await years.until(lifted + 6 * DAY)
        assert await readable(then, tenant, calls) == days[1:]
        await years.until(lifted + 8 * DAY)  # all through day 817 are due
        assert await readable(then, tenant, calls) == days[3:]

        # Somebody with a stolen key has everything destroyed, and is found out within the week.
        await choose(lifted + 10 * DAY, retention_days=1)
        await years.until(lifted + 16 * DAY)
        await choose(lifted + 16 * DAY, retention_days=3650)
        await years.until(lifted + 600 * DAY)
        assert await readable(then, tenant, calls) == days[3:]

        # Not found out: a day later than the week, all but what is young is gone.
        await choose(lifted + 600 * DAY, retention_days=30)
        await years.until(lifted + 608 * DAY)
        assert await readable(then, tenant, calls) == []

    assert left(database, tenant) == []
    assert await discrepancies(then) == []


async def test_a_worker_whose_clock_runs_ahead_destroys_nothing_that_the_database_says_is_not_due(
    client: Client, task_queue: str, then: Storage
) -> None:
    tenant = await make_tenant(then)
    now = datetime.now(UTC)
    call = await made_at(then, tenant, now)
    ahead = SetClock(now + 10_000 * DAY)

    _, done = await purge(client, task_queue, RetentionActivities(then.pool, ahead))

    assert done == Progress()
    assert await readable(then, tenant, {now.date(): call.id}) == [now.date()]

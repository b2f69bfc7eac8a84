from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.budget import Budget, BudgetActivities, ResetStep, SchedulePage
from activities.cursor import Cursor
from gateway.credits.period import Cycle, period_of
from gateway.errors import UnavailableError
from gateway.ids import OrganizationId
from storage import Storage
from storage.onboarding import change_policy
from tests.activities.conftest import SetClock
from tests.tenants import HAIKU, Tenant, make_call, make_outcome, make_tenant

Brought = tuple[OrganizationId, Cycle, datetime | None]


class KeptSchedules:
    """`ResetSchedules` that are only remembered."""

    def __init__(self, unknown: Sequence[str] = ()) -> None:
        self.brought: list[Brought] = []
        self.away = False
        self._unknown = unknown

    async def bring(self, org: OrganizationId, cycle: Cycle, *, open_until: datetime | None) -> bool:
        if self.away:
            raise UnavailableError
        if cycle.zone in self._unknown:
            return False
        self.brought.append((org, cycle, open_until))
        return True


async def bring_all(storage: Storage, schedules: KeptSchedules) -> SchedulePage:
    """The last page but the empty one."""
    activities = BudgetActivities(storage.pool, SetClock(), schedules)
    page = await ActivityEnvironment().run(activities.schedule_page, Cursor())
    while page.next is not None:
        following = await ActivityEnvironment().run(activities.schedule_page, page.next)
        if following.next is None:
            break
        page = following
    return page


async def test_a_new_organisation_is_scheduled_once(storage: Storage) -> None:
    tenant = await make_tenant(storage, time_zone="America/Havana", anchor_day=31)
    schedules = KeptSchedules()

    await bring_all(storage, schedules)
    await bring_all(storage, schedules)

    assert schedules.brought == [(tenant.org, Cycle("America/Havana", 31), None)]


async def test_a_changed_cycle_is_brought_with_the_end_of_the_period_that_runs(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    schedules = KeptSchedules()
    await bring_all(storage, schedules)
    call = make_call(await storage.access.resolve(tenant.token), at=datetime(2027, 5, 10, tzinfo=UTC))
    await storage.journal.open(call, HAIKU, 1)

    await change_policy(storage, tenant.org, {"anchor_day": 20})
    await bring_all(storage, schedules)

    assert schedules.brought[1:] == [(tenant.org, Cycle("UTC", 20), period_of(call.received_at).end)]


async def test_a_period_that_nobody_closed_for_a_day_has_its_schedule_brought_again(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    began, clock, schedules = datetime(2027, 5, 10, tzinfo=UTC), SetClock(), KeptSchedules()
    activities = BudgetActivities(storage.pool, clock, schedules)
    call = make_call(await storage.access.resolve(tenant.token), at=began)
    await storage.journal.open(call, HAIKU, 1)
    await storage.journal.close(make_outcome(call, charge=1))
    end = period_of(began).end

    for late in (timedelta(-1), timedelta(hours=23), timedelta(hours=25), timedelta(hours=26)):
        clock.time = end + late
        await ActivityEnvironment().run(activities.schedule_page, Cursor())
    while (await ActivityEnvironment().run(activities.close_period, Budget(tenant.org))).closed:
        pass
    await ActivityEnvironment().run(activities.schedule_page, Cursor())

    assert schedules.brought == [(tenant.org, Cycle(), end)] * 3


async def test_a_time_zone_that_temporal_does_not_know_holds_up_nobody_and_is_tried_again(storage: Storage) -> None:
    strange = await make_tenant(storage, time_zone="Africa/Cairo")
    plain = await make_tenant(storage)
    schedules = KeptSchedules(unknown=["Africa/Cairo"])

    page = await bring_all(storage, schedules)
    later = KeptSchedules()
    await bring_all(storage, later)

    assert (page.brought, page.refused) == (1, 1)
    assert [org for org, _, _ in schedules.brought] == [plain.org]
    assert [org for org, _, _ in later.brought] == [strange.org]


async def test_more_than_a_page_takes_more_than_one_run(storage: Storage) -> None:
    tenants: list[Tenant] = [await make_tenant(storage, agreement=False) for _ in range(23)]
    schedules = KeptSchedules()
    activities = BudgetActivities(storage.pool, SetClock(), schedules)

    first = await ActivityEnvironment().run(activities.schedule_page, Cursor())
    assert first.next is not None
    second = await ActivityEnvironment().run(activities.schedule_page, first.next)

    assert (first.brought, second.brought) == (20, 3)
    assert {org for org, _, _ in schedules.brought} == {tenant.org for tenant in tenants}


async def test_while_temporal_is_away_nothing_is_noted_and_the_run_is_retried(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    schedules = KeptSchedules()
    schedules.away = True

    with pytest.raises(ApplicationError) as raised:
        await bring_all(storage, schedules)
    schedules.away = False
    await bring_all(storage, schedules)

    assert not raised.value.non_retryable
    assert [org for org, _, _ in schedules.brought] == [tenant.org]


async def test_a_cycle_that_changes_while_its_schedule_is_brought_is_brought_again(storage: Storage) -> None:
    tenant = await make_tenant(storage)

    class ChangedMeanwhile(KeptSchedules):
        async def bring(self, org: OrganizationId, cycle: Cycle, *, open_until: datetime | None) -> bool:
            if not self.brought:
                await change_policy(storage, org, {"anchor_day": 9})
            return await super().bring(org, cycle, open_until=open_until)

    schedules = ChangedMeanwhile()
    for _ in range(3):
        await bring_all(storage, schedules)

    assert [cycle.anchor_day for _, cycle, _ in schedules.brought] == [1, 9]
    assert {org for org, _, _ in schedules.brought} == {tenant.org}


async def test_what_two_brought_at_once_is_brought_again(storage: Storage) -> None:
    tenant = await make_tenant(storage)

    class OvertakenByAnother(KeptSchedules):
        async def bring(self, org: OrganizationId, cycle: Cycle, *, open_until: datetime | None) -> bool:
            if not self.brought:
                self.brought.append((org, cycle, open_until))
                await bring_all(storage, self)
            return await super().bring(org, cycle, open_until=open_until)

    schedules = OvertakenByAnother()
    await bring_all(storage, schedules)
    before = len(schedules.brought)
    for _ in range(2):
        await bring_all(storage, schedules)

    assert len(schedules.brought) == before + 1
    assert schedules.brought[-1] == (tenant.org, Cycle(), None)


async def test_a_period_is_closed_or_waited_for_or_there_is_none(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    clock = SetClock(datetime(2027, 5, 10, tzinfo=UTC))
    activities = BudgetActivities(storage.pool, clock, KeptSchedules())
    steps: list[ResetStep] = []

    for moment in ("2027-05-10T00:00", "2027-06-01T00:00:00.5", "2027-06-01T00:15", "2027-06-01T00:15"):
        clock.time = datetime.fromisoformat(moment).replace(tzinfo=UTC)
        steps.append(await ActivityEnvironment().run(activities.close_period, Budget(tenant.org)))

    assert steps == [ResetStep(), ResetStep(wait_s=900), ResetStep(closed=True), ResetStep()]

"""Schedules of budget resets, as the real server reads them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import pytest_asyncio
from temporalio.api.workflowservice.v1 import ListScheduleMatchingTimesRequest
from temporalio.client import Client, ScheduleDescription, ScheduleOverlapPolicy
from temporalio.service import RPCError

from gateway.credits.period import Cycle, period_of
from gateway.ids import OrganizationId, new_ulid
from workflows.budget_schedules import BudgetSchedules, schedule_id
from workflows.options import RESET_SPREAD
from workflows.search_attributes import KIND, ORGANIZATION

FROM = datetime(2027, 1, 1, tzinfo=UTC)
YEARS = 10
LATEST = timedelta(hours=12)
"""After a midnight that was skipped, noon is the next chance."""


@pytest_asyncio.fixture
async def org(client: Client) -> AsyncIterator[OrganizationId]:
    made = OrganizationId(new_ulid())
    yield made
    try:
        await client.get_schedule_handle(schedule_id(made)).delete()
    except RPCError:
        return


async def matching_times(client: Client, org: OrganizationId, start: datetime, end: datetime) -> Sequence[datetime]:
    request = ListScheduleMatchingTimesRequest(namespace=client.namespace, schedule_id=schedule_id(org))
    request.start_time.FromDatetime(start)
    request.end_time.FromDatetime(end)
    answer = await client.workflow_service.list_schedule_matching_times(request)
    return [each.ToDatetime(UTC) for each in answer.start_time]


async def described(client: Client, org: OrganizationId) -> ScheduleDescription:
    return await client.get_schedule_handle(schedule_id(org)).describe()


def starts(cycle: Cycle) -> list[datetime]:
    """Of the periods that begin in the ten years."""
    period, found = period_of(FROM, cycle), list[datetime]()
    while period.end < FROM.replace(year=FROM.year + YEARS):
        found.append(period.end)
        period = period_of(period.end, cycle)
    return found


@pytest.mark.parametrize("anchor", [1, 28, 29, 30, 31])
@pytest.mark.parametrize(
    "zone",
    [
        "UTC",
        "America/New_York",
        "America/Havana",
        "America/Santiago",
        "Africa/Cairo",
        "Australia/Lord_Howe",
        "Pacific/Kiritimati",
        "Pacific/Chatham",
    ],
)
async def test_over_ten_years_a_run_follows_every_start_of_a_period(
    client: Client, org: OrganizationId, zone: str, anchor: int
) -> None:
    cycle = Cycle(zone, anchor)
    assert await BudgetSchedules(client).bring(org, cycle, open_until=None)

    runs = await matching_times(client, org, FROM, FROM.replace(year=FROM.year + YEARS) + timedelta(days=1))

    begun = starts(cycle)
    assert len(begun) >= 119
    late = [start for start in begun if not any(start <= run <= start + RESET_SPREAD for run in runs)]
    for start in late:  # only where midnight was skipped
        assert any(start <= run <= start + LATEST + RESET_SPREAD for run in runs)
    assert len(late) <= YEARS
    # Besides these: the noons, and 28 February of leap years.
    assert len(runs) <= 2 * len(begun) + 2 * (YEARS // 4 + 1)
    assert all(later > earlier for earlier, later in pairwise(runs))


async def test_a_night_without_midnight_is_made_up_for_at_noon(client: Client, org: OrganizationId) -> None:
    await BudgetSchedules(client).bring(org, Cycle("America/Santiago", 6), open_until=None)  # DST: 6 September 2026

    runs = await matching_times(client, org, datetime(2026, 9, 6, tzinfo=UTC), datetime(2026, 9, 7, tzinfo=UTC))

    assert [run.hour for run in runs] == [15]


async def test_the_end_of_the_open_period_has_a_run_though_the_cycle_has_changed(
    client: Client, org: OrganizationId
) -> None:
    end = datetime(2027, 2, 1, 5, 0, tzinfo=UTC)  # midnight in New York, where it was counted before
    await BudgetSchedules(client).bring(org, Cycle("Asia/Kolkata", 20), open_until=end)

    runs = await matching_times(client, org, end - timedelta(days=3), end + timedelta(days=3))
    a_year_on = await matching_times(client, org, datetime(2028, 1, 28, tzinfo=UTC), datetime(2028, 2, 4, tzinfo=UTC))

    assert len(runs) == 1
    assert end <= runs[0] <= end + RESET_SPREAD
    assert a_year_on == []


async def test_it_is_found_by_its_organisation_and_names_nobody(client: Client, org: OrganizationId) -> None:
    await BudgetSchedules(client).bring(org, Cycle("Europe/Paris", 15), open_until=None)

    found = await described(client, org)

    attributes = found.typed_search_attributes
    assert (attributes.get(ORGANIZATION), attributes.get(KIND)) == (org, "budget.reset")
    assert found.schedule.policy.overlap is ScheduleOverlapPolicy.BUFFER_ONE
    assert found.schedule.policy.catchup_window == timedelta(days=7)
    assert found.schedule.spec.time_zone_name == "Europe/Paris"


async def test_a_changed_cycle_moves_the_schedule_and_one_that_was_paused_stays_paused(
    client: Client, org: OrganizationId
) -> None:
    schedules = BudgetSchedules(client)
    await schedules.bring(org, Cycle("UTC", 1), open_until=None)
    await client.get_schedule_handle(schedule_id(org)).pause(note="looking into it")

    await schedules.bring(org, Cycle("Asia/Tokyo", 10), open_until=None)

    found = await described(client, org)
    assert found.schedule.state.paused
    assert found.schedule.spec.time_zone_name == "Asia/Tokyo"
    runs = await matching_times(client, org, FROM, FROM + timedelta(days=31))
    assert [(run.day, run.hour) for run in runs] == [(9, 15), (10, 3)]


async def test_one_that_is_made_after_periods_have_begun_runs_at_once(client: Client, org: OrganizationId) -> None:
    schedules, end = BudgetSchedules(client), datetime(2027, 2, 1, tzinfo=UTC)

    await schedules.bring(org, Cycle("UTC", 1), open_until=None)
    before = (await described(client, org)).info.num_actions
    await client.get_schedule_handle(schedule_id(org)).delete()
    for _ in range(2):
        await schedules.bring(org, Cycle("UTC", 1), open_until=end)
    while not (info := (await described(client, org)).info).num_actions:  # noqa: ASYNC110 - the server tells no event
        await asyncio.sleep(0.1)

    assert (before, info.num_actions) == (0, 1)


async def test_many_who_bring_it_at_once_agree(client: Client, org: OrganizationId) -> None:
    schedules = BudgetSchedules(client)

    brought = await asyncio.gather(*(schedules.bring(org, Cycle("UTC", 1), open_until=None) for _ in range(8)))

    assert brought == [True] * 8


async def test_a_time_zone_that_the_server_does_not_know_is_said_to_be_so(client: Client, org: OrganizationId) -> None:
    assert not await BudgetSchedules(client).bring(org, Cycle("Mars/Olympus", 1), open_until=None)

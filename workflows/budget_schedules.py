"""One schedule of budget resets for each organisation, in its own time zone."""

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleCalendarSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError, RPCStatusCode

from gateway.credits.period import Cycle
from gateway.ids import OrganizationId
from workflows.budget_reset import BudgetReset
from workflows.options import RESET_CATCH_UP, RESET_SPREAD
from workflows.queues import TaskQueue
from workflows.search_attributes import KIND, ORGANIZATION

_KIND = "budget.reset"
_HOURS = (0, 12)
"""Noon makes up for a midnight that a change of clocks skips, as it does for any run that was lost."""
_MONTHS = {28: (2,), 29: (2,), 30: (4, 6, 9, 11), 31: (1, 3, 5, 7, 8, 10, 12)}
"""The months that may end on a day. On 28 February of a leap year nothing has ended, and nothing is closed."""


def schedule_id(org: OrganizationId) -> str:
    return f"budget/{org}"


class BudgetSchedules:
    """Implements `activities.budget.ResetSchedules` on Temporal."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def bring(self, org: OrganizationId, cycle: Cycle, *, open_until: datetime | None) -> bool:
        """Raises `RPCError` when Temporal is not there; False for a time zone that it does not know.

        A schedule that is made for an organisation with periods also runs at once: what ended before was nobody's.
        """
        try:
            await self._put(org, reset_schedule(org, cycle, open_until), at_once=open_until is not None)
        except RPCError as error:
            if error.status is not RPCStatusCode.INVALID_ARGUMENT:
                raise
            return False
        return True

    async def _put(self, org: OrganizationId, wanted: Schedule, *, at_once: bool) -> None:
        def update(found: ScheduleUpdateInput) -> ScheduleUpdate:
            wanted.state = found.description.schedule.state  # one that an operator paused stays paused
            return ScheduleUpdate(wanted)

        try:
            await self._client.create_schedule(
                schedule_id(org), wanted, search_attributes=_findable(org), trigger_immediately=at_once
            )
        except ScheduleAlreadyRunningError:
            await self._client.get_schedule_handle(schedule_id(org)).update(update)


def reset_schedule(org: OrganizationId, cycle: Cycle, open_until: datetime | None = None) -> Schedule:
    """Runs at every start of a period of `cycle`, and once at `open_until`, which an earlier cycle may have set.

    A run that is due while one still waits for calls comes after it.
    """
    return Schedule(
        action=ScheduleActionStartWorkflow(
            BudgetReset.run,
            id=f"budget-reset/{org}",
            task_queue=TaskQueue.UPKEEP,
            typed_search_attributes=_findable(org),
        ),
        spec=ScheduleSpec(
            calendars=[*_starts(cycle.anchor_day), *_once(open_until, cycle.zone)],
            time_zone_name=cycle.zone,
            jitter=RESET_SPREAD,
        ),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.BUFFER_ONE, catchup_window=RESET_CATCH_UP),
    )


def _starts(anchor: int) -> Iterable[ScheduleCalendarSpec]:
    """Temporal has no "last day of the month": each day that the anchor can fall on is named, with its months."""
    if anchor <= min(_MONTHS):
        yield _days(anchor, range(1, 13))
        return
    for last_day, months in _MONTHS.items():
        if last_day < anchor:
            yield _days(last_day, months)
    yield _days(anchor, (month for last_day, months in _MONTHS.items() if last_day >= anchor for month in months))


def _days(day: int, months: Iterable[int]) -> ScheduleCalendarSpec:
    return ScheduleCalendarSpec(
        hour=[ScheduleRange(hour) for hour in _HOURS],
        day_of_month=[ScheduleRange(day)],
        month=[ScheduleRange(month) for month in sorted(months)],
    )


def _once(at: datetime | None, zone: str) -> Iterable[ScheduleCalendarSpec]:
    if at is None:
        return
    local = at.astimezone(ZoneInfo(zone))
    yield ScheduleCalendarSpec(
        second=[ScheduleRange(local.second)],
        minute=[ScheduleRange(local.minute)],
        hour=[ScheduleRange(local.hour)],
        day_of_month=[ScheduleRange(local.day)],
        month=[ScheduleRange(local.month)],
        year=[ScheduleRange(local.year)],
    )


def _findable(org: OrganizationId) -> TypedSearchAttributes:
    return TypedSearchAttributes([SearchAttributePair(ORGANIZATION, org), SearchAttributePair(KIND, _KIND)])

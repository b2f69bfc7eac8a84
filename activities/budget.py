"""Billing periods: closed when they have ended, and the schedules on which that happens."""

import asyncio
import math
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog
from temporalio import activity

from activities.cursor import Cursor
from activities.surface import surfaced
from gateway.clock import Clock
from gateway.credits.period import Cycle
from gateway.ids import OrganizationId
from storage.cycles import mark_scheduled, unscheduled
from storage.periods import close_oldest
from storage.pool import Pool

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Budget:
    """Whose."""

    org: str


@dataclass(frozen=True, slots=True)
class ResetStep:
    """`closed`: a period was closed, there may be more. `wait_s`: look again after so long. Neither: all is done."""

    closed: bool = False
    wait_s: int = 0


@dataclass(frozen=True, slots=True)
class SchedulePage:
    """How many schedules were brought up to date and how many could not be; `next` is absent when there are no more."""

    brought: int
    refused: int
    next: Cursor | None = None


class ResetSchedules(Protocol):
    """Where the schedules are kept."""

    async def bring(self, org: OrganizationId, cycle: Cycle, *, open_until: datetime | None) -> bool:
        """Have resets at every start of `cycle`'s periods, and at the end of the open one. Safe to repeat.

        False: there is no such schedule to be had, because nobody there knows the time zone.
        """
        ...


class BudgetActivities:
    def __init__(self, pool: Pool, clock: Clock, schedules: ResetSchedules) -> None:
        self._pool = pool
        self._clock = clock
        self._schedules = schedules

    @activity.defn(name="budget.close_period")
    @surfaced
    async def close_period(self, budget: Budget) -> ResetStep:
        """Close the oldest ended period, if there is one and it can be. A second run closes the next, or none."""
        step = await close_oldest(self._pool, OrganizationId(budget.org), self._clock.now())
        return ResetStep(step.closed, math.ceil(step.wait.total_seconds()) if step.wait else 0)

    @activity.defn(name="budget.schedule_page")
    @surfaced
    async def schedule_page(self, cursor: Cursor) -> SchedulePage:
        """Bring the schedules of a page of organisations to their billing cycles, and note which are.

        A second run finds those noted and goes on with others; a crash before the note has them brought again.
        """
        page = await unscheduled(self._pool, self._clock.now(), after=cursor.after)
        if not page:
            return SchedulePage(0, 0)
        brought = await asyncio.gather(
            *(self._schedules.bring(each.org, each.cycle, open_until=each.open_until) for each in page)
        )
        await mark_scheduled(self._pool, [each for each, done in zip(page, brought, strict=True) if done])
        for each, done in zip(page, brought, strict=True):
            if not done:
                log.warning("budget_not_scheduled", org_id=each.org)
        return SchedulePage(sum(brought), len(page) - sum(brought), Cursor(page[-1].org))

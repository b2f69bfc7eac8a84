"""`budget.upkeep`: every organisation has a schedule of budget resets that follows its billing cycle."""

from dataclasses import dataclass

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.budget import BudgetActivities
    from activities.cursor import Cursor
    from gateway.ids import PLATFORM
    from workflows import search_attributes
    from workflows.options import QUICK_WRITE
    from workflows.search_attributes import State

MOST_PAGES = 100
"""Keeps a history small; the next run of the schedule goes on from there."""


@dataclass(frozen=True, slots=True)
class Scheduled:
    brought: int
    refused: int


@workflow.defn(name="budget.upkeep")
class BudgetUpkeep:
    """Goes through the organisations that are new or changed their cycle, page by page."""

    @workflow.run
    async def run(self) -> Scheduled:
        search_attributes.declare(PLATFORM)
        brought, refused, cursor = 0, 0, Cursor()
        for _ in range(MOST_PAGES):
            page = await workflow.execute_activity_method(BudgetActivities.schedule_page, cursor, **QUICK_WRITE)
            brought, refused = brought + page.brought, refused + page.refused
            if page.next is None:
                break
            cursor = page.next
        search_attributes.enter(State.DONE)
        return Scheduled(brought, refused)

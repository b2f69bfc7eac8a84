"""`refusal.summary`: refusals that repeat others become one audit entry, once their minute is over."""

from dataclasses import dataclass

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.refusals import RefusalActivities
    from gateway.ids import PLATFORM
    from workflows import search_attributes
    from workflows.options import QUICK_WRITE
    from workflows.search_attributes import State

MOST_PAGES = 50
"""Keeps a history small; the next run of the schedule goes on from there."""


@dataclass(frozen=True, slots=True)
class SummedUp:
    entries: int


@workflow.defn(name="refusal.summary")
class RefusalSummary:
    """Sums up page by page until a page comes back empty."""

    @workflow.run
    async def run(self) -> SummedUp:
        search_attributes.declare(PLATFORM)
        entries = 0
        for _ in range(MOST_PAGES):
            page = await workflow.execute_activity_method(RefusalActivities.sum_up_page, **QUICK_WRITE)
            entries += page.entries
            if not page.entries:
                break
        search_attributes.enter(State.DONE)
        return SummedUp(entries)

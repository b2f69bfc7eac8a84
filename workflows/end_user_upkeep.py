"""`gdpr.upkeep`: erasures that were left behind, whatever took their workflow away, are taken up."""

from dataclasses import dataclass

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.cursor import Cursor
    from activities.end_user_erasure import EndUserErasureActivities
    from gateway.ids import PLATFORM
    from workflows import search_attributes
    from workflows.options import QUICK_WRITE
    from workflows.search_attributes import State

MOST_PAGES = 50
"""Keeps a history small. The next run of the schedule begins anew."""


@dataclass(frozen=True, slots=True)
class TakenUp:
    erasures: int


@workflow.defn(name="gdpr.upkeep")
class EndUserUpkeep:
    """Goes over what is not done, page by page. What has its workflow is left to that."""

    @workflow.run
    async def run(self) -> TakenUp:
        search_attributes.declare(PLATFORM)
        started, cursor = 0, Cursor()
        for _ in range(MOST_PAGES):
            page = await workflow.execute_activity_method(EndUserErasureActivities.start_page, cursor, **QUICK_WRITE)
            started += page.seen
            if page.next is None:
                break
            cursor = page.next
        search_attributes.enter(State.DONE)
        return TakenUp(started)

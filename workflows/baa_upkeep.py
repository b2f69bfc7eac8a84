"""`baa.upkeep`: acceptances that were left behind are taken up, and agreements that near their end are told of."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.baa import BaaActivities, SeenPage
    from activities.cursor import Cursor
    from gateway.ids import PLATFORM
    from workflows import search_attributes
    from workflows.options import QUICK_WRITE
    from workflows.search_attributes import State

MOST_PAGES = 50
"""Of each kind: keeps a history small. The next run of the schedule begins anew."""


@dataclass(frozen=True, slots=True)
class KeptUp:
    started: int
    renewed: int
    ended_or_told: int


@workflow.defn(name="baa.upkeep")
class BaaUpkeep:
    """Goes over what is due, page by page. No agreement's end waits for it: the gate goes by the clock."""

    @workflow.run
    async def run(self) -> KeptUp:
        search_attributes.declare(PLATFORM)
        kept = KeptUp(
            started=await _over(
                lambda page: workflow.execute_activity_method(BaaActivities.start_page, page, **QUICK_WRITE)
            ),
            renewed=await _over(
                lambda page: workflow.execute_activity_method(BaaActivities.renew_page, page, **QUICK_WRITE)
            ),
            ended_or_told=await _over(
                lambda page: workflow.execute_activity_method(BaaActivities.keep_page, page, **QUICK_WRITE)
            ),
        )
        search_attributes.enter(State.DONE)
        return kept


async def _over(step: Callable[[Cursor], Awaitable[SeenPage]]) -> int:
    """How many `step` saw, from the first page to the last."""
    seen, cursor = 0, Cursor()
    for _ in range(MOST_PAGES):
        page = await step(cursor)
        seen += page.seen
        if page.next is None:
            break
        cursor = page.next
    return seen

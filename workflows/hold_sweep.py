"""`hold.sweep`: calls whose process died give their credits back."""

from dataclasses import dataclass

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.holds import HoldActivities
    from gateway.ids import PLATFORM
    from workflows import search_attributes
    from workflows.options import QUICK_WRITE
    from workflows.search_attributes import State

MOST_PAGES = 50
"""Keeps a history small; the next run of the schedule goes on from there."""


@dataclass(frozen=True, slots=True)
class Swept:
    expired: int


@workflow.defn(name="hold.sweep")
class HoldSweep:
    """Expires lapsed holds page by page until a page comes back empty."""

    @workflow.run
    async def run(self) -> Swept:
        search_attributes.declare(PLATFORM)
        expired = 0
        for _ in range(MOST_PAGES):
            page = await workflow.execute_activity_method(HoldActivities.expire_page, **QUICK_WRITE)
            expired += page.expired
            if not page.expired:
                break
        search_attributes.enter(State.DONE)
        return Swept(expired)

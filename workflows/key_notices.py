"""`key.notices`: whoever listens hears of keys that are about to end, and of those that have."""

from dataclasses import dataclass

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.key_notices import KeyNoticeActivities
    from gateway.ids import PLATFORM
    from workflows import search_attributes
    from workflows.options import QUICK_WRITE
    from workflows.search_attributes import State

MOST_PAGES = 50
"""Keeps a history small; the next run of the schedule goes on from there."""


@dataclass(frozen=True, slots=True)
class Told:
    notices: int


@workflow.defn(name="key.notices")
class KeyNotices:
    """Tells of what is due page by page until a page comes back empty. No key's end waits for it."""

    @workflow.run
    async def run(self) -> Told:
        search_attributes.declare(PLATFORM)
        notices = 0
        for _ in range(MOST_PAGES):
            page = await workflow.execute_activity_method(KeyNoticeActivities.tell_page, **QUICK_WRITE)
            notices += page.notices
            if not page.notices:
                break
        search_attributes.enter(State.DONE)
        return Told(notices)

"""`retention.purge`: content whose time is over is destroyed, organisation by organisation."""

from dataclasses import dataclass, replace

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.retention import Cursor, DuePage, PurgeOrder, RetentionActivities
    from gateway.ids import PLATFORM, OrganizationId
    from workflows import search_attributes
    from workflows.options import PURGE, QUICK_WRITE
    from workflows.search_attributes import State

MOST_PAGES = 5
"""Keeps a history small; a new one goes on from there."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Behind which organisation the next page begins, how many were purged, and how many could not be."""

    after_org: str = ""
    purged: int = 0
    failed: int = 0


@workflow.defn(name="retention.purge")
class RetentionPurge:
    """Purges what is due, whenever it became so. While it is at an organisation, it is found by that one's id.

    One that cannot be purged holds up no other: it is tried again by the next run, and this one ends in `alarm`.
    """

    @workflow.run
    async def run(self, progress: Progress | None = None) -> Progress:
        search_attributes.declare(PLATFORM)
        done = progress or Progress()
        for _ in range(MOST_PAGES):
            page = await self._due(Cursor(done.after_org))
            for org in page.orgs:
                purged = await self._purge(org)
                done = replace(done, purged=done.purged + purged, failed=done.failed + (not purged))
            if page.next is None:
                break
            done = replace(done, after_org=page.next.after_org)
        else:
            workflow.continue_as_new(done)
        search_attributes.declare(PLATFORM)
        search_attributes.enter(State.ALARM if done.failed else State.DONE)
        return done

    async def _due(self, cursor: Cursor) -> DuePage:
        return await workflow.execute_activity_method(RetentionActivities.due_page, cursor, **QUICK_WRITE)

    async def _purge(self, org: str) -> bool:
        search_attributes.declare(OrganizationId(org))
        is_over = False
        while not is_over:
            try:
                shift = await workflow.execute_activity_method(
                    RetentionActivities.purge_organization, PurgeOrder(org), **PURGE
                )
            except ActivityError:
                return False
            is_over = shift.is_over
        return True

"""`credential.upkeep`: cascades and ends of credentials that were left behind are taken up."""

from dataclasses import dataclass

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.credential_cascade import CascadeCursor, CredentialCascadeActivities
    from activities.credential_lifecycle import CredentialCursor, CredentialLifecycleActivities
    from gateway.ids import PLATFORM
    from workflows import search_attributes
    from workflows.options import QUICK_WRITE
    from workflows.search_attributes import State

MOST_PAGES = 50
"""Of each kind: keeps a history small. The next run of the schedule begins anew."""


@dataclass(frozen=True, slots=True)
class TakenUp:
    cascades: int
    credentials: int


@workflow.defn(name="credential.upkeep")
class CredentialUpkeep:
    """Goes over what should be done by now, page by page. What has its workflow is left to that."""

    @workflow.run
    async def run(self) -> TakenUp:
        search_attributes.declare(PLATFORM)
        taken_up = TakenUp(cascades=await self._cascades(), credentials=await self._credentials())
        search_attributes.enter(State.DONE)
        return taken_up

    async def _cascades(self) -> int:
        started, cursor = 0, CascadeCursor()
        for _ in range(MOST_PAGES):
            page = await workflow.execute_activity_method(CredentialCascadeActivities.start_page, cursor, **QUICK_WRITE)
            started += page.started
            if page.next is None:
                break
            cursor = page.next
        return started

    async def _credentials(self) -> int:
        started, cursor = 0, CredentialCursor()
        for _ in range(MOST_PAGES):
            page = await workflow.execute_activity_method(
                CredentialLifecycleActivities.start_page, cursor, **QUICK_WRITE
            )
            started += page.started
            if page.next is None:
                break
            cursor = page.next
        return started

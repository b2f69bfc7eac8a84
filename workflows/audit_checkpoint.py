"""`audit.checkpoint`: every hour the audit chains are verified, and their heads signed, told of and time-stamped."""

from dataclasses import dataclass

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.audit_checkpoint import AuditCheckpointActivities, CheckpointPage
    from activities.audit_export import AuditExportActivities
    from gateway.ids import PLATFORM
    from workflows import search_attributes
    from workflows.options import AUDIT_PAGE, QUICK_WRITE, STAMP_PAGE
    from workflows.search_attributes import State


@dataclass(frozen=True, slots=True)
class Checked:
    """`stamped` None: the time-stamp authority did not answer. The next run asks again."""

    checkpoints: int
    broken: int
    stamped: int | None


@workflow.defn(name="audit.checkpoint")
class CheckpointAudit:
    """Ends in `alarm` when a chain does not hold, or a checkpoint could not be time-stamped."""

    @workflow.run
    async def run(self) -> Checked:
        search_attributes.declare(PLATFORM)
        checkpoints, broken = await self._checkpoint()
        await workflow.execute_activity_method(AuditExportActivities.forget, **QUICK_WRITE)
        stamped = await self._stamp()
        search_attributes.enter(State.ALARM if broken or stamped is None else State.DONE)
        return Checked(checkpoints, broken, stamped)

    async def _checkpoint(self) -> tuple[int, int]:
        page, checkpoints, broken, is_over = CheckpointPage(), 0, 0, False
        while not is_over:
            done = await workflow.execute_activity_method(AuditCheckpointActivities.checkpoint_page, page, **AUDIT_PAGE)
            checkpoints, broken = checkpoints + done.checkpoints, broken + done.broken
            page, is_over = CheckpointPage(done.after_org), done.is_last
        return checkpoints, broken

    async def _stamp(self) -> int | None:
        page, stamped, is_over = CheckpointPage(), 0, False
        while not is_over:
            try:
                done = await workflow.execute_activity_method(AuditCheckpointActivities.stamp_page, page, **STAMP_PAGE)
            except ActivityError:
                return None
            stamped += done.stamped
            page, is_over = CheckpointPage(done.after_org), done.is_last
        return stamped

"""`outbox.relay`: one workflow that always runs, so that events leave the outbox whichever worker is alive."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.outbox import OutboxActivities, Shift
    from gateway.ids import PLATFORM
    from workflows import search_attributes
    from workflows.options import OUTBOX_SHIFT, QUICK_WRITE, RELAY_SHIFT

WORKFLOW_ID = "outbox-relay"
SHIFTS_PER_RUN = 12
"""An hour's worth; then a new history begins."""


@workflow.defn(name="outbox.relay")
class OutboxRelay:
    """Shift after shift of relaying, each followed by a clean-up, for ever."""

    @workflow.run
    async def run(self) -> None:
        search_attributes.declare(PLATFORM)
        shift = Shift(seconds=int(RELAY_SHIFT.total_seconds()))
        for _ in range(SHIFTS_PER_RUN):
            await workflow.execute_activity_method(OutboxActivities.relay, shift, **OUTBOX_SHIFT)
            await workflow.execute_activity_method(OutboxActivities.forget, **QUICK_WRITE)
        workflow.continue_as_new()

"""`webhook.dispatch`: one workflow for each shard that always runs, so that first tries are made whoever is alive."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.webhook_dispatch import ShardShift, WebhookDispatchActivities
    from gateway.ids import PLATFORM
    from workflows import search_attributes
    from workflows.options import DISPATCH_SHIFT, RELAY_SHIFT
    from workflows.search_attributes import State

SHIFTS_PER_RUN = 12
"""An hour's worth; then a new history begins."""


@workflow.defn(name="webhook.dispatch")
class WebhookDispatch:
    """Shift after shift of delivering, for as long as there is such a shard."""

    @workflow.run
    async def run(self, shard: int) -> None:
        search_attributes.declare(PLATFORM)
        shift = ShardShift(shard, seconds=int(RELAY_SHIFT.total_seconds()))
        for _ in range(SHIFTS_PER_RUN):
            done = await workflow.execute_activity_method(WebhookDispatchActivities.dispatch, shift, **DISPATCH_SHIFT)
            if not done.is_wanted:
                search_attributes.enter(State.DONE)
                return
        workflow.continue_as_new(shard)


def workflow_id(shard: int) -> str:
    return f"webhook-dispatch/{shard}"

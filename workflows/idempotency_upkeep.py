"""`idempotency.upkeep`: what was asked a day ago, and its answer, are kept no longer."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.idempotency import ForgottenKeys, IdempotencyActivities
    from gateway.ids import PLATFORM
    from workflows import search_attributes
    from workflows.options import QUICK_WRITE
    from workflows.search_attributes import State


@workflow.defn(name="idempotency.upkeep")
class IdempotencyUpkeep:
    """Forgets once. A key that is a day old counts no longer, whether or not this has run."""

    @workflow.run
    async def run(self) -> ForgottenKeys:
        search_attributes.declare(PLATFORM)
        forgotten = await workflow.execute_activity_method(IdempotencyActivities.forget, **QUICK_WRITE)
        search_attributes.enter(State.DONE)
        return forgotten

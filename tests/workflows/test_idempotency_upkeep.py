from collections.abc import Sequence

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities.idempotency import ForgottenKeys
from gateway.ids import PLATFORM
from workflows.idempotency_upkeep import IdempotencyUpkeep
from workflows.search_attributes import KIND, ORGANIZATION, STATE


class ScriptedIdempotency:
    """Stands in for `IdempotencyActivities`: each call plays the next of `script`."""

    def __init__(self, script: Sequence[int | Exception]) -> None:
        self._script = iter(script)

    @activity.defn(name="idempotency.forget")
    async def forget(self) -> ForgottenKeys:
        act = next(self._script)
        if isinstance(act, Exception):
            raise act
        return ForgottenKeys(act)


async def test_it_forgets_though_the_database_was_away(client: Client, task_queue: str) -> None:
    idempotency = ScriptedIdempotency([ApplicationError("away", type="INFERENCE_UNAVAILABLE"), 7])

    async with Worker(client, task_queue=task_queue, workflows=[IdempotencyUpkeep], activities=[idempotency.forget]):
        handle = await client.start_workflow(IdempotencyUpkeep.run, id=f"upkeep/{task_queue}", task_queue=task_queue)
        forgotten = await handle.result()

    assert forgotten == ForgottenKeys(keys=7)
    attributes = (await handle.describe()).typed_search_attributes
    assert attributes.get(ORGANIZATION) == PLATFORM
    assert attributes.get(KIND) == "idempotency.upkeep"
    assert attributes.get(STATE) == "done"

import asyncio
from datetime import timedelta

from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities.webhook_dispatch import ShardShift, ShiftDone
from workflows.options import RELAY_SHIFT
from workflows.search_attributes import KIND, STATE
from workflows.webhook_dispatch import SHIFTS_PER_RUN, WebhookDispatch


class CountingDispatcher:
    """Stands in for `WebhookDispatchActivities`: fails once, works `shifts` shifts, then is wanted no more."""

    def __init__(self, *, shifts: int) -> None:
        self.worked: list[ShardShift] = []
        self.has_failed = asyncio.Event()
        self._shifts = shifts

    @activity.defn(name="webhook.dispatch")
    async def dispatch(self, shift: ShardShift) -> ShiftDone:
        if not self.has_failed.is_set():
            self.has_failed.set()
            raise ApplicationError("away", type="INFERENCE_UNAVAILABLE")
        self.worked.append(shift)
        return ShiftDone(3, is_wanted=len(self.worked) <= self._shifts)


async def test_it_works_shift_after_shift_for_as_long_as_there_is_such_a_shard(client: Client, task_queue: str) -> None:
    dispatcher = CountingDispatcher(shifts=SHIFTS_PER_RUN)
    async with Worker(
        client,
        task_queue=task_queue,
        workflows=[WebhookDispatch],
        activities=[dispatcher.dispatch],
        graceful_shutdown_timeout=timedelta(seconds=5),
    ):
        handle = await client.start_workflow(
            WebhookDispatch.run, 7, id=f"webhook-dispatch/{task_queue}", task_queue=task_queue
        )
        await handle.result()
        first = await client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id).fetch_history()
        attributes = (await client.get_workflow_handle(handle.id).describe()).typed_search_attributes

    assert dispatcher.worked == [ShardShift(7, int(RELAY_SHIFT.total_seconds()))] * (SHIFTS_PER_RUN + 1)
    assert first.events[-1].event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW
    assert (attributes.get(KIND), attributes.get(STATE)) == ("webhook.dispatch", "done")

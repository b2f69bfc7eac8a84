import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities.webhook_delivery import Tried, Try
from activities.webhook_dispatch import ShardShift, ShiftDone
from tests.workflows.test_webhook_delivery import make_retries
from workflows.options import RELAY_SHIFT
from workflows.queues import TaskQueue
from workflows.search_attributes import KIND, STATE
from workflows.webhook_delivery import WebhookDelivery
from workflows.webhook_dispatch import SHIFTS_PER_RUN, WebhookDispatch
from workflows.webhook_retries import WebhookRetries, workflow_id


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


class HangingAttempts:
    """Stands in for `WebhookDeliveryActivities`: receivers that answer nobody before `may_end`."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()

    @activity.defn(name="webhook.attempt")
    async def attempt(self, asked: Try) -> Tried:
        self.begun.set()
        await self.may_end.wait()
        return Tried("delivered", asked.number, 0)


@asynccontextmanager
async def dispatching(client: Client, task_queue: str, dispatcher: CountingDispatcher) -> AsyncGenerator[None]:
    async with (
        Worker(client, task_queue=task_queue, workflows=[WebhookDispatch]),
        Worker(client, task_queue=TaskQueue.DISPATCH, activities=[dispatcher.dispatch]),
    ):
        yield


async def test_it_works_shift_after_shift_for_as_long_as_there_is_such_a_shard(client: Client, task_queue: str) -> None:
    dispatcher = CountingDispatcher(shifts=SHIFTS_PER_RUN)
    async with dispatching(client, task_queue, dispatcher):
        handle = await client.start_workflow(
            WebhookDispatch.run, 7, id=f"webhook-dispatch/{task_queue}", task_queue=task_queue
        )
        await handle.result()
        first = await client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id).fetch_history()
        attributes = (await client.get_workflow_handle(handle.id).describe()).typed_search_attributes

    assert dispatcher.worked == [ShardShift(7, int(RELAY_SHIFT.total_seconds()))] * (SHIFTS_PER_RUN + 1)
    assert first.events[-1].event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW
    assert (attributes.get(KIND), attributes.get(STATE)) == ("webhook.dispatch", "done")


async def test_a_shift_begins_while_further_tries_fill_every_place_that_those_have(
    client: Client, task_queue: str
) -> None:
    attempts, dispatcher = HangingAttempts(), CountingDispatcher(shifts=0)
    due = [make_retries(due_at=datetime.now(UTC).isoformat()) for _ in range(3)]
    async with (
        Worker(
            client,
            task_queue=TaskQueue.WEBHOOKS,
            workflows=[WebhookDelivery, WebhookDispatch],
            activities=[attempts.attempt],
            max_concurrent_activities=1,
        ),
        Worker(client, task_queue=TaskQueue.DISPATCH, activities=[dispatcher.dispatch]),
    ):
        for retries in due:
            await WebhookRetries(client).start(retries)
        await attempts.begun.wait()
        name = f"webhook-dispatch/{task_queue}"
        shifts = await client.start_workflow(WebhookDispatch.run, 7, id=name, task_queue=TaskQueue.WEBHOOKS)
        await shifts.result()
        attempts.may_end.set()
        for retries in due:
            await client.get_workflow_handle(workflow_id(retries.delivery)).result()

    assert len(dispatcher.worked) == 1

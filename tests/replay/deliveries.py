"""The paths of `webhook.delivery` and `webhook.dispatch` whose histories are kept."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from temporalio.client import Client, WorkflowHistory

from activities.webhook_delivery import Retries, Tried
from gateway.webhooks.ladder import Wish
from tests.workflows.test_webhook_delivery import ScriptedAttempts, working
from tests.workflows.test_webhook_dispatch import CountingDispatcher, dispatching
from workflows import webhook_dispatch
from workflows.queues import TaskQueue
from workflows.webhook_delivery import WebhookDelivery
from workflows.webhook_dispatch import SHIFTS_PER_RUN, WebhookDispatch
from workflows.webhook_retries import WebhookRetries, workflow_id

_AGAIN = Tried("retrying", 2, 0, wish=Wish(1.5))
_DELIVERIES: dict[str, Sequence[Tried]] = {
    "webhook-delivery-at-the-third-try": [_AGAIN, Tried("delivered", 3, 0)],
    "webhook-delivery-put-off": [Tried("retrying", 1, 0, put_off_s=1.0), Tried("delivered", 2, 0)],
    "webhook-delivery-failed": [_AGAIN, Tried("failed", 3, 0)],
    "webhook-delivery-of-a-paused-endpoint": [Tried("pending", 1, 0)],
    "webhook-delivery-of-a-disabled-endpoint": [Tried("skipped", 1, 0)],
}


async def histories(client: Client) -> dict[str, WorkflowHistory]:
    kept = {name: await _deliver(client, script) for name, script in _DELIVERIES.items()}
    kept["webhook-dispatch-continued-as-new"] = await _dispatch(client)
    return kept


async def _deliver(client: Client, script: Sequence[Tried]) -> WorkflowHistory:
    due_at = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    retries = Retries("01ORG", "01DELIVERY", "01ENDPOINT", "01EVENT", 1, 0, due_at, [1.0, 1.0])
    async with working(client, ScriptedAttempts([*script])):
        await WebhookRetries(client).start(retries)
        handle = client.get_workflow_handle_for(WebhookDelivery.run, workflow_id(retries.delivery))
        await handle.result()
        return await handle.fetch_history()


async def _dispatch(client: Client) -> WorkflowHistory:
    dispatcher = CountingDispatcher(shifts=SHIFTS_PER_RUN)
    async with dispatching(client, TaskQueue.WEBHOOKS, dispatcher):
        handle = await client.start_workflow(
            WebhookDispatch.run, 0, id=webhook_dispatch.workflow_id(0), task_queue=TaskQueue.WEBHOOKS
        )
        await handle.result()
        first = client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
        return await first.fetch_history()

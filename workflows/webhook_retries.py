"""One run of `webhook.delivery` for each delivery whose last try failed."""

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from activities.webhook_delivery import Retries
from workflows.queues import TaskQueue
from workflows.webhook_delivery import WebhookDelivery


def workflow_id(delivery: str) -> str:
    return f"webhook-delivery/{delivery}"


class WebhookRetries:
    """Implements `activities.webhook_delivery.RetryWorkflows` on Temporal."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def start(self, retries: Retries) -> None:
        """Raises `RPCError` when Temporal is not there. A run that there is, is told of this one."""
        await self._client.start_workflow(
            WebhookDelivery.run,
            retries,
            id=workflow_id(retries.delivery),
            task_queue=TaskQueue.WEBHOOKS,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            start_signal="tell",
            start_signal_args=[retries],
        )

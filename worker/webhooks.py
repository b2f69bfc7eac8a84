"""The queues `dispatch` and `webhooks`: everything that sends deliveries or waits to."""

from collections.abc import Sequence
from datetime import timedelta

from temporalio.client import Client
from temporalio.worker import Worker, WorkerDeploymentConfig

from activities.webhook_delivery import WebhookDeliveryActivities
from activities.webhook_dispatch import WebhookDispatchActivities
from activities.webhook_tries import Tries
from gateway.clock import SystemClock
from gateway.settings import Settings
from gateway.webhooks.sender import Sender
from storage import Storage
from workflows.queues import TaskQueue
from workflows.webhook_delivery import WebhookDelivery
from workflows.webhook_dispatch import WebhookDispatch
from workflows.webhook_retries import WebhookRetries

_AT_ONCE = 300
"""Further tries under way in one process. They wait for their receivers, ten seconds at most by default: one that hangs
three times of four, and gets six first tries a second, comes to some 200 at once."""


def webhook_workers(
    client: Client, settings: Settings, storage: Storage, sender: Sender, deployment: WorkerDeploymentConfig
) -> Sequence[Worker]:
    clock = SystemClock()
    tries = Tries(sender, storage.cipher, clock)
    delivery = WebhookDeliveryActivities(storage.pool, storage.cipher, clock, tries)
    dispatch = WebhookDispatchActivities(
        storage.pool,
        storage.cipher,
        clock,
        tries,
        WebhookRetries(client),
        database_url=str(settings.database_url),
        waits_s=settings.webhook_ladder,
        shards=settings.webhook_shards,
    )
    drain = timedelta(seconds=settings.worker_drain_s)
    return [
        Worker(
            client,
            task_queue=TaskQueue.DISPATCH,
            activities=[dispatch.dispatch],
            graceful_shutdown_timeout=drain,
            deployment_config=deployment,
        ),
        Worker(
            client,
            task_queue=TaskQueue.WEBHOOKS,
            workflows=[WebhookDelivery, WebhookDispatch],
            activities=[delivery.attempt],
            max_concurrent_activities=_AT_ONCE,
            graceful_shutdown_timeout=drain,
            deployment_config=deployment,
        ),
    ]

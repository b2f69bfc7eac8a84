"""The queue `reading`: files that are read, each by a process of its own."""

from datetime import timedelta

from temporalio.client import Client
from temporalio.worker import Worker, WorkerDeploymentConfig

from activities.file_processing import FileProcessingActivities
from workflows.queues import TaskQueue

_AT_ONCE = 2
"""A reader may take a processor and a gigabyte for a minute; a file waits rather than what else the machine does."""


def reading_worker(
    client: Client, files: FileProcessingActivities, *, drain: timedelta, deployment: WorkerDeploymentConfig
) -> Worker:
    return Worker(
        client,
        task_queue=TaskQueue.READING,
        activities=[files.process],
        max_concurrent_activities=_AT_ONCE,
        graceful_shutdown_timeout=drain,
        deployment_config=deployment,
    )

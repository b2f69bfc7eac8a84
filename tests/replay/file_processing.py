"""The paths of `file.processing` whose histories are kept.

`file-processing-after-a-failure` is of before there were meanings, and cannot be walked any more.
"""

from temporalio import activity
from temporalio.client import Client, WorkflowHistory
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities.file_processing import UploadedFile
from workflows.file_processing import FileReadingWorkflows, ProcessFile, workflow_id
from workflows.queues import TaskQueue

_BY_MEANING = "file-processing-by-meaning"
_BY_WORDS = "file-processing-by-words"


class ScriptedReading:
    """Stands in for the activities: each first try fails, and meanings are never made of one file."""

    @activity.defn(name="file.process")
    async def process(self, file: UploadedFile) -> None:
        assert file.org == "01ORG"
        _fail_once()

    @activity.defn(name="file.embed")
    async def embed(self, file: UploadedFile) -> None:
        if file.id == _BY_WORDS:
            raise ApplicationError("never", type="INFERENCE_UNAVAILABLE", non_retryable=True)
        _fail_once()


def _fail_once() -> None:
    if activity.info().attempt == 1:
        raise ApplicationError("away", type="INFERENCE_UNAVAILABLE")


async def histories(client: Client) -> dict[str, WorkflowHistory]:
    reading = ScriptedReading()
    async with (
        Worker(client, task_queue=TaskQueue.UPKEEP, workflows=[ProcessFile]),
        Worker(client, task_queue=TaskQueue.READING, activities=[reading.process]),
        Worker(client, task_queue=TaskQueue.OUTBOUND, activities=[reading.embed]),
    ):
        return {name: await _history(client, name) for name in (_BY_MEANING, _BY_WORDS)}


async def _history(client: Client, name: str) -> WorkflowHistory:
    await FileReadingWorkflows(client).start(UploadedFile("01ORG", name))
    handle = client.get_workflow_handle(workflow_id(name))
    await handle.result()
    return await handle.fetch_history()

"""The paths of `file.processing` whose histories are kept."""

from temporalio import activity
from temporalio.client import Client, WorkflowHistory
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities.file_processing import UploadedFile
from workflows.file_processing import FileReadingWorkflows, ProcessFile, workflow_id
from workflows.queues import TaskQueue

_NAME = "file-processing-after-a-failure"


class ScriptedReading:
    """Stands in for the activity: the first try fails."""

    @activity.defn(name="file.process")
    async def process(self, file: UploadedFile) -> None:
        assert file.id == _NAME
        if activity.info().attempt == 1:
            raise ApplicationError("away", type="INFERENCE_UNAVAILABLE")


async def histories(client: Client) -> dict[str, WorkflowHistory]:
    reading = ScriptedReading()
    async with Worker(client, task_queue=TaskQueue.UPKEEP, workflows=[ProcessFile], activities=[reading.process]):
        await FileReadingWorkflows(client).start(UploadedFile("01ORG", _NAME))
        handle = client.get_workflow_handle(workflow_id(_NAME))
        await handle.result()
        return {_NAME: await handle.fetch_history()}

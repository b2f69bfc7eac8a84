"""`file.processing`: a file that was uploaded is read."""

from temporalio import workflow
from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from activities.file_processing import FileProcessingActivities, UploadedFile
    from gateway.ids import OrganizationId
    from workflows import search_attributes
    from workflows.options import FILE_READING
    from workflows.queues import TaskQueue
    from workflows.search_attributes import KIND, ORGANIZATION, State


@workflow.defn(name="file.processing")
class ProcessFile:
    """Ends when the file is read, or it is written down why it cannot be."""

    @workflow.run
    async def run(self, file: UploadedFile) -> None:
        search_attributes.declare(OrganizationId(file.org))
        await workflow.execute_activity_method(FileProcessingActivities.process, file, **FILE_READING)
        search_attributes.enter(State.DONE)


class FileReadingWorkflows:
    """Implements `activities.file_processing.FileReadings` on Temporal."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def start(self, file: UploadedFile) -> None:
        """Raises `RPCError` when Temporal is not there."""
        found = TypedSearchAttributes(
            [SearchAttributePair(ORGANIZATION, file.org), SearchAttributePair(KIND, "file.processing")]
        )
        try:
            await self._client.start_workflow(
                ProcessFile.run,
                file,
                id=workflow_id(file.id),
                task_queue=TaskQueue.UPKEEP,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                search_attributes=found,
            )
        except WorkflowAlreadyStartedError:
            return


def workflow_id(file: str) -> str:
    return f"file-processing/{file}"

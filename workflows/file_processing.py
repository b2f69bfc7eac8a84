"""`file.processing`: a file that was uploaded is read."""

from typing import Final

from temporalio import workflow
from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.exceptions import ActivityError, WorkflowAlreadyStartedError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.file_embedding import FileEmbeddingActivities
    from activities.file_processing import FileProcessingActivities, UploadedFile
    from gateway.ids import OrganizationId
    from workflows import search_attributes
    from workflows.options import FILE_EMBEDDING, FILE_READING
    from workflows.queues import TaskQueue
    from workflows.search_attributes import KIND, ORGANIZATION, State


_BY_MEANING: Final = "files-by-meaning"


@workflow.defn(name="file.processing")
class ProcessFile:
    """Ends when the file is read and can be found, or it is written down why it cannot be."""

    @workflow.run
    async def run(self, file: UploadedFile) -> None:
        search_attributes.declare(OrganizationId(file.org))
        await workflow.execute_activity_method(FileProcessingActivities.process, file, **FILE_READING)
        if workflow.patched(_BY_MEANING):
            await _embedded(file)
        search_attributes.enter(State.DONE)


async def _embedded(file: UploadedFile) -> None:
    """A file that cannot be is found by its words."""
    try:
        await workflow.execute_activity_method(FileEmbeddingActivities.embed, file, **FILE_EMBEDDING)
    except ActivityError as failed:
        if is_cancelled_exception(failed):
            raise


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

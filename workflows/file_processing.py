"""`file.processing`: a file that was uploaded is read."""

from temporalio import workflow
from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from activities.file_processing import FileProcessingActivities, UploadedFile
    from activities.starting import Start
    from gateway.ids import OrganizationId
    from storage.outbox import OutboxEvent
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


def processes_file(client: Client) -> Start:
    """For the event that tells of an upload. Asked twice, the file is read once."""

    async def start(event: OutboxEvent) -> None:
        file = UploadedFile(event.org, str(event.data["file_id"]))
        found = TypedSearchAttributes(
            [SearchAttributePair(ORGANIZATION, file.org), SearchAttributePair(KIND, "file.processing")]
        )
        try:
            await client.start_workflow(
                ProcessFile.run,
                file,
                id=workflow_id(file.id),
                task_queue=TaskQueue.UPKEEP,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                search_attributes=found,
            )
        except WorkflowAlreadyStartedError:
            return

    return start


def workflow_id(file: str) -> str:
    return f"file-processing/{file}"

from collections.abc import Sequence
from datetime import UTC, datetime

from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from activities.audit_export import Export, Written, starts_export
from gateway.ids import EventId, OrganizationId, new_ulid
from storage.outbox import OutboxEvent
from workflows.audit_export import ExportAudit, Exported
from workflows.audit_export_runs import AuditExportRuns
from workflows.queues import TaskQueue
from workflows.search_attributes import KIND, ORGANIZATION, STATE


class ScriptedWriting:
    """Stands in for `AuditExportActivities`."""

    def __init__(self, script: Sequence[Written]) -> None:
        self.script = list(script)
        self.asked: list[Export] = []

    @activity.defn(name="audit.export_write")
    async def write(self, export: Export) -> Written:
        self.asked.append(export)
        return self.script.pop(0)


def requested() -> OutboxEvent:
    return OutboxEvent(
        EventId(new_ulid()),
        OrganizationId(new_ulid()),
        "audit.export_requested",
        {"export_id": new_ulid()},
        datetime.now(UTC),
        attempts=1,
    )


async def test_a_request_that_is_relayed_twice_is_written_once(client: Client) -> None:
    writing = ScriptedWriting([Written(0, False, False), Written(7, True, True)])
    event = requested()
    start = starts_export(AuditExportRuns(client))

    async with Worker(client, task_queue=TaskQueue.UPKEEP, workflows=[ExportAudit], activities=[writing.write]):
        await start(event)
        await start(event)
        handle = client.get_workflow_handle_for(ExportAudit.run, f"audit-export/{event.data['export_id']}")
        exported = await handle.result()
        await start(event)

    assert exported == Exported(entries=7)
    assert writing.asked == [Export(event.org, str(event.data["export_id"]))] * 2
    attributes = (await handle.describe()).typed_search_attributes
    assert (attributes.get(ORGANIZATION), attributes.get(KIND)) == (event.org, "audit.export")
    assert attributes.get(STATE) == "done"


async def test_an_export_that_cannot_be_written_is_an_alarm(client: Client) -> None:
    writing = ScriptedWriting([Written(3, True, False)])
    event = requested()

    async with Worker(client, task_queue=TaskQueue.UPKEEP, workflows=[ExportAudit], activities=[writing.write]):
        await starts_export(AuditExportRuns(client))(event)
        handle = client.get_workflow_handle_for(ExportAudit.run, f"audit-export/{event.data['export_id']}")
        await handle.result()

    assert (await handle.describe()).typed_search_attributes.get(STATE) == "alarm"

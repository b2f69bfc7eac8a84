"""`audit.export`: the log of a range of time is written out, for whoever wants to check it."""

from dataclasses import dataclass

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.audit_export import AuditExportActivities, Export
    from gateway.ids import OrganizationId
    from workflows import search_attributes
    from workflows.options import AUDIT_PAGE
    from workflows.search_attributes import State


@dataclass(frozen=True, slots=True)
class Exported:
    entries: int


@workflow.defn(name="audit.export")
class ExportAudit:
    """Ends in `alarm` when the log cannot be exported as it is."""

    @workflow.run
    async def run(self, export: Export) -> Exported:
        search_attributes.declare(OrganizationId(export.org))
        while True:
            written = await workflow.execute_activity_method(AuditExportActivities.write, export, **AUDIT_PAGE)
            if written.is_over:
                break
        search_attributes.enter(State.DONE if written.is_ready else State.ALARM)
        return Exported(written.entries)

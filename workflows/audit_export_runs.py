"""One run of `audit.export` for each export that was asked for."""

from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from activities.audit_export import Export
from workflows.audit_export import ExportAudit
from workflows.queues import TaskQueue
from workflows.search_attributes import KIND, ORGANIZATION


class AuditExportRuns:
    """Implements `activities.audit_export.ExportRuns` on Temporal."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def start(self, export: Export) -> None:
        """Raises `RPCError` when Temporal is not there."""
        findable = [SearchAttributePair(ORGANIZATION, export.org), SearchAttributePair(KIND, "audit.export")]
        try:
            await self._client.start_workflow(
                ExportAudit.run,
                export,
                id=f"audit-export/{export.id}",
                task_queue=TaskQueue.UPKEEP,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                search_attributes=TypedSearchAttributes(findable),
            )
        except WorkflowAlreadyStartedError:
            return

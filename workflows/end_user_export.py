"""`gdpr.export`: what is kept of a person is written out, kept for a week, and destroyed."""

from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.client import Client
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import ActivityError, WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from activities.end_user_export import EndUserExportActivities, PersonExport
    from gateway.end_users.exports import ExportState
    from gateway.ids import OrganizationId
    from workflows import search_attributes
    from workflows.options import EXPORT_PART, QUICK_WRITE
    from workflows.queues import TaskQueue
    from workflows.search_attributes import KIND, ORGANIZATION, State


@dataclass(frozen=True, slots=True)
class Progress:
    state: str
    records: int = 0
    size: int = 0
    """Bytes written."""


@workflow.defn(name="gdpr.export")
class ExportEndUser:
    """Ends when the export is destroyed; in `alarm` when it could not be made."""

    @workflow.init
    def __init__(self, export: PersonExport) -> None:
        self._export = export
        self._is_cancelled = False
        self._progress = Progress(ExportState.REQUESTED)

    @workflow.run
    async def run(self, export: PersonExport) -> Progress:
        search_attributes.declare(OrganizationId(export.org))
        try:
            kept_for = await self._written()
        except ActivityError:
            await workflow.execute_activity_method(EndUserExportActivities.give_up, export, **QUICK_WRITE)
            self._progress = Progress(ExportState.FAILED)
            kept_for = None
        if kept_for is not None:
            search_attributes.enter(State.READY)
            await self._kept(kept_for)
        await workflow.execute_activity_method(EndUserExportActivities.destroy, export, **EXPORT_PART)
        search_attributes.enter(self._ending())
        return self._progress

    @workflow.query
    def progress(self) -> Progress:
        return self._progress

    @workflow.signal
    def cancel(self) -> None:
        """Nobody can read it any more: what is left of it is removed."""
        self._is_cancelled = True

    async def _written(self) -> timedelta | None:
        """How long it is to be kept; None when there is nothing to be kept."""
        while True:
            written = await workflow.execute_activity_method(EndUserExportActivities.write, self._export, **EXPORT_PART)
            state = ExportState(written.state)
            self._progress = Progress(state, written.records, written.size)
            if not state.is_open:
                return written.expires_at - workflow.now() if state is ExportState.READY else None

    async def _kept(self, time: timedelta) -> None:
        try:
            await workflow.wait_condition(lambda: self._is_cancelled, timeout=max(time, timedelta()))
        except TimeoutError:
            self._progress = Progress(ExportState.EXPIRED, self._progress.records, self._progress.size)
        else:
            self._progress = Progress(ExportState.CANCELLED, self._progress.records, self._progress.size)

    def _ending(self) -> State:
        match ExportState(self._progress.state):
            case ExportState.CANCELLED:
                return State.CANCELLED
            case ExportState.FAILED:
                return State.ALARM
            case _:
                return State.DONE


class PersonExports:
    """Implements `activities.end_user_export.PersonExportRuns` on Temporal."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def start(self, export: PersonExport) -> None:
        """Raises `RPCError` when Temporal is not there."""
        try:
            await self._client.start_workflow(
                ExportEndUser.run,
                export,
                id=workflow_id(export.id),
                task_queue=TaskQueue.UPKEEP,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                search_attributes=_findable(export),
            )
        except WorkflowAlreadyStartedError:
            return

    async def cancel(self, export: PersonExport) -> None:
        """Raises `RPCError` when Temporal is not there."""
        await self._client.start_workflow(
            ExportEndUser.run,
            export,
            id=workflow_id(export.id),
            task_queue=TaskQueue.UPKEEP,
            # One that has ended may have left something: another finds the export cancelled, and removes the rest.
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            search_attributes=_findable(export),
            start_signal="cancel",
        )


def workflow_id(export: str) -> str:
    return f"gdpr-export/{export}"


def _findable(export: PersonExport) -> TypedSearchAttributes:
    return TypedSearchAttributes(
        [SearchAttributePair(ORGANIZATION, export.org), SearchAttributePair(KIND, "gdpr.export")]
    )

"""The paths of `gdpr.export` whose histories are kept."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from temporalio import activity
from temporalio.client import Client, WorkflowHistory
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities.end_user_export import PersonExport, PersonExported
from workflows import end_user_export
from workflows.end_user_export import ExportEndUser, PersonExports
from workflows.queues import TaskQueue

_PAST, _FUTURE = datetime(2026, 1, 1, tzinfo=UTC), datetime(2126, 1, 1, tzinfo=UTC)


def _exported(state: str, expires_at: datetime = _PAST) -> PersonExported:
    return PersonExported(1200, 900_000, state, expires_at)


_EXPORTS: dict[str, Sequence[PersonExported | Exception]] = {
    "end-user-export-kept": [_exported("ready")],
    "end-user-export-by-two-workers": [_exported("running"), _exported("ready")],
    "end-user-export-cancelled": [_exported("ready", _FUTURE)],
    "end-user-export-cancelled-before": [_exported("cancelled")],
    "end-user-export-of-somebody-erased": [_exported("failed")],
    "end-user-export-given-up": [ApplicationError("gone", non_retryable=True)],
}
_CANCELLED = ("end-user-export-cancelled", "end-user-export-cancelled-before")


class ScriptedPersonExports:
    """Stands in for the activities of exports: what each writing of each comes to, in order."""

    def __init__(self) -> None:
        self._scripts = {name: [*script] for name, script in _EXPORTS.items()}

    @activity.defn(name="gdpr.export_write")
    async def write(self, export: PersonExport) -> PersonExported:
        step = self._scripts[export.id].pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    @activity.defn(name="gdpr.export_give_up")
    async def give_up(self, export: PersonExport) -> None:
        """Nothing to be said."""

    @activity.defn(name="gdpr.export_destroy")
    async def destroy(self, export: PersonExport) -> None:
        """Nothing to be destroyed."""


async def histories(client: Client) -> dict[str, WorkflowHistory]:
    scripted = ScriptedPersonExports()
    steps = [scripted.write, scripted.give_up, scripted.destroy]
    async with Worker(client, task_queue=TaskQueue.UPKEEP, workflows=[ExportEndUser], activities=steps):
        recorded = await asyncio.gather(*(_export(client, name) for name in _EXPORTS))
    return dict(zip(_EXPORTS, recorded, strict=True))


async def _export(client: Client, name: str) -> WorkflowHistory:
    runs, export = PersonExports(client), PersonExport("01ORG", name)
    await (runs.cancel if name in _CANCELLED else runs.start)(export)
    handle = client.get_workflow_handle(end_user_export.workflow_id(name))
    await handle.result()
    return await handle.fetch_history()

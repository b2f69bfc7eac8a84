"""Exports of the audit log: started once, written page by page, forgotten in the end."""

from dataclasses import dataclass
from typing import Protocol

from temporalio import activity

from activities.heartbeat import beating
from activities.starting import Start
from activities.surface import surfaced
from gateway.audit.exports import ExportState
from gateway.clock import Clock
from gateway.ids import OrganizationId
from storage.audit_exports import ExportWriting, forget_expired
from storage.end_users.exports.destroying import destroy_left_behind
from storage.pool import Pool


@dataclass(frozen=True, slots=True)
class Export:
    org: str
    id: str


@dataclass(frozen=True, slots=True)
class Written:
    entries: int
    is_over: bool
    is_ready: bool


class ExportRuns(Protocol):
    """What writes exports."""

    async def start(self, export: Export) -> None:
        """Have it written. Asked twice, it is written once."""
        ...


def starts_export(runs: ExportRuns) -> Start:
    """Of `audit.export_requested`."""
    return lambda event: runs.start(Export(event.org, str(event.data["export_id"])))


class AuditExportActivities:
    def __init__(self, pool: Pool, clock: Clock, writing: ExportWriting) -> None:
        self._pool = pool
        self._clock = clock
        self._writing = writing

    @activity.defn(name="audit.export_write")
    @surfaced
    async def write(self, export: Export) -> Written:
        """Write on where the last one stopped; a worker that stops hands on what is left."""

        def goes_on() -> bool:
            activity.heartbeat()
            return not activity.is_worker_shutdown()

        async with beating():
            progress = await self._writing.write(OrganizationId(export.org), export.id, goes_on=goes_on)
        return Written(progress.entries, progress.is_over, progress.state is ExportState.READY)

    @activity.defn(name="audit.export_forget")
    @surfaced
    async def forget(self) -> None:
        """Delete exports that nobody may download any more, a bounded number at a time; of people too, if their own
        workflow was lost.
        """
        now = self._clock.now()
        await forget_expired(self._pool, now=now)
        await destroy_left_behind(self._pool, now=now)

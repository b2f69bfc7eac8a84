"""Exports of what is kept of a person: the steps of `gdpr.export`. Only ids and counts come and go."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from temporalio import activity

from activities.heartbeat import beating
from activities.starting import Start
from activities.surface import surfaced
from gateway.end_users.exports import ExportState
from gateway.errors import NotFoundError
from gateway.events import EventType
from gateway.ids import OrganizationId
from storage import Storage
from storage.end_users.exports.destroying import destroy
from storage.end_users.exports.writing import EndUserExportWriting
from storage.outbox import OutboxEvent
from storage.pool import fetch

_EXPIRES = "select expires_at from end_user_exports where id = %s and org_id = %s"

UNREADABLE = "unreadable"
"""Why an export failed: for a day something of it could not be read."""


@dataclass(frozen=True, slots=True)
class PersonExport:
    org: str
    id: str


@dataclass(frozen=True, slots=True)
class PersonExported:
    """How far it is. `expires_at` is when nobody may have it any more."""

    records: int
    size: int
    state: str
    expires_at: datetime


class PersonExportRuns(Protocol):
    """What writes exports, keeps them and destroys them."""

    async def start(self, export: PersonExport) -> None:
        """Have it written. Asked twice, it is written once."""
        ...

    async def cancel(self, export: PersonExport) -> None:
        """Have what is left of it removed: nobody can read it any more. May be asked for at any time, and again."""
        ...


def export_starts(runs: PersonExportRuns) -> dict[str, Start]:
    """By the types of the events that tell of exports."""
    return {
        EventType.END_USER_EXPORT_REQUESTED: lambda event: runs.start(_told_of(event)),
        EventType.END_USER_EXPORT_CANCELLED: lambda event: runs.cancel(_told_of(event)),
    }


def _told_of(event: OutboxEvent) -> PersonExport:
    return PersonExport(event.org, str(event.data["export_id"]))


class EndUserExportActivities:
    """Each is safe to run twice, also at once."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._writing = EndUserExportWriting(storage.pool, storage.cipher, storage.clock)

    @activity.defn(name="gdpr.export_write")
    @surfaced
    async def write(self, export: PersonExport) -> PersonExported:
        """Write on where the last one stopped; a worker that stops hands on what is left."""

        def goes_on() -> bool:
            activity.heartbeat()
            return not activity.is_worker_shutdown()

        org = OrganizationId(export.org)
        async with beating():
            progress = await self._writing.write(org, export.id, goes_on=goes_on)
        expires_at = await self._expires_at(export)
        return PersonExported(progress.records, progress.bytes_written, progress.state, expires_at)

    @activity.defn(name="gdpr.export_give_up")
    @surfaced
    async def give_up(self, export: PersonExport) -> None:
        """Say that it could not be made."""
        await self._writing.fail(OrganizationId(export.org), export.id, UNREADABLE)

    @activity.defn(name="gdpr.export_destroy")
    @surfaced
    async def destroy(self, export: PersonExport) -> None:
        """Take its key and its parts away; one that was ready has expired."""
        async with beating():
            await destroy(self._storage.pool, OrganizationId(export.org), export.id, into=ExportState.EXPIRED)

    async def _expires_at(self, export: PersonExport) -> datetime:
        rows = await fetch(self._storage.pool, _EXPIRES, [export.id, export.org])
        if not rows:
            raise NotFoundError
        return rows[0][0]

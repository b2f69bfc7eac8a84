"""Requests for exports of an organisation's audit log."""

from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.audit.exports import KEPT, MOST_KEPT, AuditExport, ExportState, TooManyExportsError
from gateway.clock import Clock
from gateway.errors import NotFoundError
from gateway.ids import OrganizationId
from storage.tables import AuditExportRow


class AuditExportReader:
    def __init__(self, session: AsyncSession, org: OrganizationId) -> None:
        self._session = session
        self._org = org

    async def get(self, export_id: str) -> AuditExport:
        """Raises `NotFoundError`, also for another organisation's."""
        row = await self._session.scalar(
            select(AuditExportRow).where(AuditExportRow.org_id == self._org, AuditExportRow.id == export_id)
        )
        if row is None:
            raise NotFoundError
        return _export(row)


class AuditExportStore(AuditExportReader):
    def __init__(self, session: AsyncSession, org: OrganizationId, clock: Clock) -> None:
        super().__init__(session, org)
        self._clock = clock

    async def add(
        self, export_id: str, *, start: datetime, end: datetime, by: str | None, entry_id: str
    ) -> AuditExport:
        """`entry_id`: the request's own audit entry, with which the export ends at the latest.

        Raises `TooManyExportsError`.
        """
        # One request of an organisation at a time, or each would count without the others.
        await self._session.execute(text("select id from organizations where id = :org for update"), {"org": self._org})
        kept = await self._session.scalar(
            select(func.count()).where(AuditExportRow.org_id == self._org, AuditExportRow.state != ExportState.EXPIRED)
        )
        if kept is not None and kept >= MOST_KEPT:
            raise TooManyExportsError
        now = self._clock.now()
        row = AuditExportRow(
            id=export_id,
            org_id=self._org,
            state=ExportState.REQUESTED,
            range_from=start,
            range_to=end,
            requested_at=now,
            requested_by=by,
            audit_entry_id=entry_id,
            entries_written=0,
            expires_at=now + KEPT,
        )
        self._session.add(row)
        await self._session.flush()
        return _export(row)


def _export(row: AuditExportRow) -> AuditExport:
    return AuditExport(
        id=row.id,
        state=ExportState(row.state),
        start=row.range_from,
        end=row.range_to,
        requested_at=row.requested_at,
        requested_by=row.requested_by,
        entry_count=row.entry_count,
        entries_written=row.entries_written,
        sha256=row.sha256,
        reason=row.reason,
        finished_at=row.finished_at,
        expires_at=row.expires_at,
    )

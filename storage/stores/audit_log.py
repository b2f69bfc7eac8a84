"""Reading an organisation's audit log."""

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.errors import NotFoundError
from gateway.ids import OrganizationId
from gateway.inference.records import AuditFilter, AuditRecord
from gateway.paging import Page, cursor_after, read_cursor
from storage.tables import AuditEntryRow, AuditSealRow

_RECORDS = select(AuditEntryRow, AuditSealRow).join(
    AuditSealRow, AuditSealRow.entry_id == AuditEntryRow.id, isouter=True
)


class AuditLog:
    def __init__(self, session: AsyncSession, org: OrganizationId) -> None:
        self._session = session
        self._org = org

    async def get(self, entry_id: str) -> AuditRecord:
        """Raises `NotFoundError`, also for another organisation's entry."""
        query = _RECORDS.where(AuditEntryRow.org_id == self._org, AuditEntryRow.id == entry_id)
        row = (await self._session.execute(query)).first()
        if row is None:
            raise NotFoundError
        return _record(*row)

    async def page(self, wanted: AuditFilter, *, cursor: str | None, limit: int) -> Page[AuditRecord]:
        """Entries that match, newest first. Raises `ValidationFailedError` for a foreign cursor."""
        query = (
            _RECORDS.where(AuditEntryRow.org_id == self._org, *_matches(wanted))
            .order_by(AuditEntryRow.id.desc())
            .limit(limit + 1)
        )
        after = read_cursor(cursor)
        if after is not None:
            query = query.where(AuditEntryRow.id < after)
        rows = (await self._session.execute(query)).all()
        more = len(rows) > limit
        return Page(
            items=tuple(_record(*row) for row in rows[:limit]),
            next_cursor=cursor_after(rows[limit - 1][0].id) if more else None,
        )


def _matches(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    equal = {
        AuditEntryRow.action: wanted.action,
        AuditEntryRow.entity_type: wanted.entity_type,
        AuditEntryRow.entity_id: wanted.entity_id,
        AuditEntryRow.actor: wanted.actor,
    }
    conditions: list[ColumnElement[bool]] = [column == value for column, value in equal.items() if value is not None]
    if wanted.since is not None:
        conditions.append(AuditEntryRow.created_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(AuditEntryRow.created_at < wanted.until)
    return conditions


def _record(entry: AuditEntryRow, seal: AuditSealRow | None) -> AuditRecord:
    return AuditRecord(
        id=entry.id,
        action=entry.action,
        entity_type=entry.entity_type,
        entity_id=entry.entity_id,
        actor=entry.actor,
        ip_address=entry.ip_address,
        metadata=entry.entry_metadata,
        phi_disposition=entry.phi_disposition,
        subject_type=entry.subject_type,
        subject_id_hmac=entry.subject_id_hmac,
        created_at=entry.created_at,
        seq=seal.seq if seal else None,
        integrity_hash=seal.hash if seal else None,
        key_id=seal.key_id if seal else None,
        signature=seal.signature if seal else None,
    )

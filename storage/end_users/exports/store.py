"""Requests for exports of what is kept of a person."""

from datetime import datetime

from pydantic import TypeAdapter
from sqlalchemy import func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.audit.exports import TooManyExportsError
from gateway.clock import Clock
from gateway.end_users.exports import KEPT, MOST_KEPT, EndUserExport, ExportState
from gateway.errors import NotFoundError
from gateway.ids import EndUserId, OrganizationId, new_ulid
from gateway.paging import Page, cursor_after, read_cursor
from storage.encryption import ContentCipher
from storage.end_users.exports.sealing import fresh_key
from storage.tables import EndUserExportRow, EndUserRow

_COUNTS = TypeAdapter(dict[str, int])
_OPEN = (ExportState.REQUESTED, ExportState.RUNNING)
# As the index has it: with parameters it would not be known as the same.
_IS_OPEN = text("state in ('requested', 'running')")


class EndUserExportReader:
    def __init__(self, session: AsyncSession, org: OrganizationId, cipher: ContentCipher) -> None:
        self._session = session
        self._org = org
        self._cipher = cipher

    async def get(self, export_id: str) -> EndUserExport:
        """Raises `NotFoundError`, also for another organisation's."""
        row = await self._session.scalar(
            select(EndUserExportRow).where(EndUserExportRow.org_id == self._org, EndUserExportRow.id == export_id)
        )
        if row is None:
            raise NotFoundError
        return _export(row)

    async def page(self, *, cursor: str | None, limit: int, end_user: EndUserId | None = None) -> Page[EndUserExport]:
        """Newest first; of everybody when `end_user` is None. Raises `ValidationFailedError` for a foreign cursor."""
        query = select(EndUserExportRow).where(EndUserExportRow.org_id == self._org)
        if end_user is not None:
            query = query.where(EndUserExportRow.end_user_id == end_user)
        after = read_cursor(cursor)
        if after is not None:
            query = query.where(EndUserExportRow.id < after)
        rows = (await self._session.scalars(query.order_by(EndUserExportRow.id.desc()).limit(limit + 1))).all()
        more = len(rows) > limit
        return Page(
            items=tuple(_export(row) for row in rows[:limit]),
            next_cursor=cursor_after(rows[limit - 1].id) if more else None,
        )

    async def current(self, end_user: EndUserId, *, since: datetime) -> EndUserExport | None:
        """The newest that is being written, or is ready, of a moment not before `since`."""
        row = await self._session.scalar(
            select(EndUserExportRow)
            .where(
                EndUserExportRow.org_id == self._org,
                EndUserExportRow.end_user_id == end_user,
                EndUserExportRow.snapshot_at >= since,
                or_(_IS_OPEN, EndUserExportRow.state == ExportState.READY),
            )
            .order_by(EndUserExportRow.id.desc())
            .limit(1)
        )
        return None if row is None else _export(row)

    async def being_made(self, end_user: EndUserId) -> EndUserExport | None:
        """The one that is not whole yet, of whatever moment."""
        row = await self._session.scalar(
            select(EndUserExportRow).where(
                EndUserExportRow.org_id == self._org, EndUserExportRow.end_user_id == end_user, _IS_OPEN
            )
        )
        return None if row is None else _export(row)


class EndUserExportStore(EndUserExportReader):
    def __init__(self, session: AsyncSession, org: OrganizationId, cipher: ContentCipher, clock: Clock) -> None:
        super().__init__(session, org, cipher)
        self._clock = clock

    async def wait_for_turn(self, end_user: EndUserId) -> None:
        """Until the transaction is over nobody else begins one of theirs, or restricts them.

        Raises `NotFoundError` for whom nothing may be read any more.
        """
        active = select(EndUserRow.id).where(
            EndUserRow.org_id == self._org, EndUserRow.id == end_user, EndUserRow.state == "active"
        )
        if await self._session.scalar(active.with_for_update(key_share=True)) is None:
            raise NotFoundError

    async def open_export(self, end_user: EndUserId, *, by: str | None) -> EndUserExport | None:
        """One of what is kept now, with a key of its own. None: another of theirs is being written, also when it was
        asked for at once.

        Raises `NotFoundError` for whom nothing may be read any more, `TooManyExportsError`.
        """
        # Whoever restricts them waits until this is there, and so finds it.
        await self.wait_for_turn(end_user)
        kept = select(func.count()).where(
            EndUserExportRow.end_user_id == end_user, EndUserExportRow.state == ExportState.READY
        )
        if (await self._session.scalar(kept) or 0) >= MOST_KEPT:
            raise TooManyExportsError
        export_id, now = new_ulid(), self._clock.now()
        sealed_key = await fresh_key(self._cipher, self._org, end_user, export_id)
        if sealed_key is None:
            raise NotFoundError
        row = await self._session.scalar(
            insert(EndUserExportRow)
            .values(
                id=export_id,
                org_id=self._org,
                end_user_id=end_user,
                snapshot_at=now,
                requested_at=now,
                requested_by=by,
                sealed_key=sealed_key,
                expires_at=now + KEPT,
            )
            .on_conflict_do_nothing(index_elements=["end_user_id"], index_where=_IS_OPEN)
            .returning(EndUserExportRow)
        )
        return None if row is None else _export(row)

    async def destroy(self, export_id: str, into: ExportState) -> EndUserExport:
        """Make it unreadable for good; `into` is cancelled or expired. Safe to repeat: the first says what it is.

        Its parts are removed by `storage.end_users.exports.destroying`. Raises `NotFoundError`.
        """
        await self._session.execute(
            update(EndUserExportRow)
            .where(
                EndUserExportRow.org_id == self._org,
                EndUserExportRow.id == export_id,
                EndUserExportRow.state.in_((*_OPEN, ExportState.READY)),
            )
            .values(state=into, sealed_key=None)
        )
        return await self.get(export_id)

    async def destroy_all_of(self, end_user: EndUserId, into: ExportState) -> list[str]:
        """The same of every export of theirs that could be read; returns which."""
        destroyed = await self._session.scalars(
            update(EndUserExportRow)
            .where(
                EndUserExportRow.org_id == self._org,
                EndUserExportRow.end_user_id == end_user,
                EndUserExportRow.state.in_((*_OPEN, ExportState.READY)),
            )
            .values(state=into, sealed_key=None)
            .returning(EndUserExportRow.id)
        )
        return [*destroyed.all()]


def _export(row: EndUserExportRow) -> EndUserExport:
    return EndUserExport(
        id=row.id,
        end_user=EndUserId(row.end_user_id),
        state=ExportState(row.state),
        snapshot_at=row.snapshot_at,
        requested_at=row.requested_at,
        requested_by=row.requested_by,
        counts=_COUNTS.validate_python(row.counts),
        bytes_written=row.bytes_written,
        manifest_sha256=row.manifest_sha256,
        reason=row.reason,
        finished_at=row.finished_at,
        expires_at=row.expires_at,
    )

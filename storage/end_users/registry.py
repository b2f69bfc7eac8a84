"""The end users of one organisation, by their names or ids."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Select, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.clock import Clock
from gateway.end_users.end_user import LONGEST_NAME, EndUserEntry, EndUserState, Hold, HoldReason
from gateway.errors import NotFoundError, UnavailableError
from gateway.ids import EndUserId, OrganizationId, find_ulid
from gateway.paging import Page, cursor_after, read_cursor
from storage.encryption import ContentCipher, SealedValueError
from storage.end_users.binding import original_place
from storage.end_users.digests import digest_key_place, digest_under
from storage.tables import EndUserDigestKeyRow, EndUserRow, InferenceRow

_Found = tuple[EndUserRow, datetime | None]

_LOCK_ORGANIZATION = text("select 1 from organizations where id = :org for no key update")


class EndUserReader:
    def __init__(self, session: AsyncSession, org: OrganizationId, cipher: ContentCipher) -> None:
        self._session = session
        self._org = org
        self._cipher = cipher

    async def page(self, *, cursor: str | None, limit: int) -> Page[EndUserEntry]:
        """Newest first, without those who are erased. Raises `ValidationFailedError` for a foreign cursor."""
        query = self._known().order_by(EndUserRow.id.desc()).limit(limit + 1)
        after = read_cursor(cursor)
        if after is not None:
            query = query.where(EndUserRow.id < after)
        rows: list[_Found] = [(row, seen) for row, seen in (await self._session.execute(query)).all()]
        more = len(rows) > limit
        return Page(
            items=tuple(await self._entries(rows[:limit])),
            next_cursor=cursor_after(rows[limit - 1][0].id) if more else None,
        )

    async def find(self, named: str) -> EndUserEntry:
        """Whose id `named` is; where it is nobody's and never was, whom it names.

        Names are anybody's to give: one that is another's id takes nobody's place. Of those whom it named before, the
        one who is active, or else the last. Raises `NotFoundError`.
        """
        if (ulid := find_ulid(named)) is not None and await self.digest_of(EndUserId(ulid)) is not None:
            return await self.get(EndUserId(ulid))
        return await self._entry(await self._by_name(named) if named and len(named) <= LONGEST_NAME else None)

    async def get(self, end_user: EndUserId) -> EndUserEntry:
        """Raises `NotFoundError`, also for who is erased."""
        return await self._entry(await self._first(self._known().where(EndUserRow.id == end_user)))

    async def digest_of(self, end_user: EndUserId) -> str | None:
        """How the audit log names somebody, also one who is erased; None: there never was one."""
        query = select(EndUserRow.digest).where(EndUserRow.org_id == self._org, EndUserRow.id == end_user)
        return await self._session.scalar(query)

    async def digest(self, name: str) -> str | None:
        """By which the audit log names whoever is named `name`; None: the organisation has named nobody yet."""
        query = select(EndUserDigestKeyRow.sealed).where(EndUserDigestKeyRow.org_id == self._org)
        sealed = await self._session.scalar(query)
        if sealed is None:
            return None
        (key,) = await self._opened([(digest_key_place(self._org), bytes(sealed))])
        return None if key is None else digest_under(key, name)

    async def _by_name(self, name: str) -> _Found | None:
        if (digest := await self.digest(name)) is None:
            return None
        is_active = EndUserRow.state == EndUserState.ACTIVE
        return await self._first(
            self._known().where(EndUserRow.digest == digest).order_by(is_active.desc(), EndUserRow.id.desc()).limit(1)
        )

    def _known(self) -> Select[EndUserRow, datetime]:
        """Each with when their last call was made."""
        last = (
            select(InferenceRow.created_at)
            .where(InferenceRow.org_id == self._org, InferenceRow.end_user_id == EndUserRow.id)
            .order_by(InferenceRow.org_id.desc(), InferenceRow.end_user_id.desc(), InferenceRow.id.desc())
            .limit(1)
            .scalar_subquery()
        )
        return select(EndUserRow, last).where(EndUserRow.org_id == self._org, EndUserRow.erased_at.is_(None))

    async def _first(self, query: Select[EndUserRow, datetime]) -> _Found | None:
        found = (await self._session.execute(query.execution_options(populate_existing=True))).first()
        return None if found is None else (found[0], found[1])

    async def _entry(self, found: _Found | None) -> EndUserEntry:
        entries = await self._entries([found]) if found else []
        if not entries:
            raise NotFoundError
        return entries[0]

    async def _entries(self, found: Sequence[_Found]) -> list[EndUserEntry]:
        """Without those who were erased since their rows were read."""
        names = await self._opened([(original_place(row.id), bytes(row.original or b"")) for row, _ in found])
        return [_entry(row, name, seen) for (row, seen), name in zip(found, names, strict=True) if name is not None]

    async def _opened(self, values: Sequence[tuple[str, bytes]]) -> list[bytes | None]:
        """All keys are asked for at once; None: it was destroyed. Raises `UnavailableError` for what does not open."""
        try:
            return await self._cipher.open_all(self._org, values)
        except SealedValueError:
            raise UnavailableError("The stored name could not be opened.") from None


class EndUserStore(EndUserReader):
    def __init__(self, session: AsyncSession, org: OrganizationId, cipher: ContentCipher, clock: Clock) -> None:
        super().__init__(session, org, cipher)
        self._clock = clock

    async def hold(self, named: str, reason: HoldReason, *, by: str | None) -> tuple[EndUserEntry, bool]:
        """Have nothing of whom `named` names destroyed; and whether that is new. A reason may be changed.

        Who was named again while they are being erased is held as both. Raises `NotFoundError`.
        """
        # A purge looks at holds and destroys under the same lock (`storage.retention_sql`).
        await self._session.execute(_LOCK_ORGANIZATION, {"org": self._org})
        found = await self.find(named)
        reasons = await self._lock(found.digest)
        if all(held_for == reason for held_for in reasons):
            return await self.get(found.id), False
        since = func.coalesce(EndUserRow.held_at, self._clock.now())
        await self._set(found.digest, held_at=since, hold_reason=reason.value, held_by=by)
        return await self.get(found.id), True

    async def release(self, named: str) -> tuple[EndUserEntry, bool]:
        """No longer hold whom `named` names; and whether they were held. Raises `NotFoundError`."""
        found = await self.find(named)
        if not any(await self._lock(found.digest)):
            return await self.get(found.id), False
        await self._set(found.digest, held_at=None, hold_reason=None, held_by=None)
        return await self.get(found.id), True

    async def _lock(self, digest: str) -> Sequence[str | None]:
        """What each is held for who is so named and not erased. Whoever erases one of them has all of them locked."""
        query = select(EndUserRow.hold_reason).where(*self._so_named(digest)).order_by(EndUserRow.id).with_for_update()
        return (await self._session.scalars(query)).all()

    async def _set(self, digest: str, **values: object) -> None:
        changed = update(EndUserRow).where(*self._so_named(digest)).values(**values)
        await self._session.execute(changed.execution_options(synchronize_session=False))

    def _so_named(self, digest: str) -> tuple[ColumnElement[bool], ...]:
        return EndUserRow.org_id == self._org, EndUserRow.digest == digest, EndUserRow.erased_at.is_(None)


def _entry(row: EndUserRow, name: bytes, seen: datetime | None) -> EndUserEntry:
    hold = None if row.held_at is None else Hold(HoldReason(row.hold_reason), row.held_at, row.held_by)
    return EndUserEntry(
        id=EndUserId(row.id),
        name=name.decode("utf-8", "replace"),
        digest=row.digest,
        state=EndUserState(row.state),
        first_seen_at=row.created_at,
        last_seen_at=seen,
        hold=hold,
    )

"""Requests to erase a person: the rows, and what is done to the person's in the same transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from pydantic import JsonValue
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.clock import Clock
from gateway.end_users.classes import RecordClass
from gateway.end_users.erasure import Erasure, ErasureState, Reason, Scan, holds_on
from gateway.errors import NotFoundError
from gateway.ids import EndUserId, ErasureId, OrganizationId, day_of, new_ulid
from gateway.paging import Page, cursor_after, read_cursor
from gateway.retention import Retention
from storage.encryption import ContentCipher
from storage.end_users.erasure_rows import erasure_of
from storage.pool import Pool, fetch
from storage.stores.organizations import retention_of
from storage.tables import EndUserErasureRow, EndUserRow, OrganizationRow

_YOUNGEST = text(
    "select id from inferences where org_id = :org and end_user_id = :end_user"
    " and (request_content is not null or answer_content is not null or status = 'in_progress')"
    " order by org_id desc, end_user_id desc, id desc limit 1"
)
_LOCK_ORGANIZATION = text("select 1 from organizations where id = :org for no key update")
"""Whoever changes a policy or an agreement holds the same lock (`storage.retention_sql`)."""
_SHRED = (
    text(
        "update end_user_keys set sealed = null, destroyed_at = :at"
        " where org_id = :org and end_user_id = :end_user and destroyed_at is null"
    ),
    text(
        "update end_users set state = 'erased', original = null, erased_at = :at,"
        " restricted_at = coalesce(restricted_at, :at) where org_id = :org and id = :end_user and state <> 'erased'"
    ),
)
_LEFT = text(
    "select u.id from end_users u where u.org_id = :org and u.digest = :digest and u.state = 'restricted'"
    " and not exists (select from end_user_erasures e where e.end_user_id = u.id and e.state not in ('done', 'held'))"
    " order by u.id"
)
_LIFT = text(
    "update end_users u set state = 'active', restricted_at = null"
    " where u.org_id = :org and u.id = :end_user and u.state = 'restricted' and not exists ("
    "  select from end_users o where o.org_id = u.org_id and o.digest = u.digest and o.state = 'active')"
)


_UNFINISHED = """
select org_id, id from end_user_erasures where state not in ('done', 'held') and id > %(after)s
order by id limit %(limit)s
"""

PAGE: Final = 100
"""Erasures that `unfinished` finds at once."""


@dataclass(frozen=True, slots=True)
class Standing:
    """An erasure that the transaction has locked, with what may hold it."""

    erasure: Erasure
    retention: Retention
    is_subject_held: bool
    minimum_days: int

    def holds(self, now: datetime) -> tuple[Reason, ...]:
        return holds_on(self.retention, is_subject_held=self.is_subject_held, now=now)


@dataclass(frozen=True, slots=True)
class Certified:
    """A certificate as it was made: signed JSON, and a sealed PDF where there was a seal."""

    document: Mapping[str, JsonValue]
    pdf: bytes | None = None


class ErasureReader:
    def __init__(self, session: AsyncSession, org: OrganizationId, cipher: ContentCipher) -> None:
        self._session = session
        self._org = org
        self._cipher = cipher

    async def get(self, erasure: str) -> Erasure:
        """Raises `NotFoundError`, also for another organisation's."""
        return erasure_of(await self._row(erasure))

    async def page(self, *, cursor: str | None, limit: int) -> Page[Erasure]:
        """Newest first. Raises `ValidationFailedError` for a foreign cursor."""
        query = select(EndUserErasureRow).where(EndUserErasureRow.org_id == self._org)
        if (after := read_cursor(cursor)) is not None:
            query = query.where(EndUserErasureRow.id < after)
        rows = (await self._session.scalars(query.order_by(EndUserErasureRow.id.desc()).limit(limit + 1))).all()
        more = len(rows) > limit
        return Page(
            items=tuple(map(erasure_of, rows[:limit])), next_cursor=cursor_after(rows[limit - 1].id) if more else None
        )

    async def certificate(self, erasure: str) -> Certified | None:
        """None until it is done. Raises `NotFoundError`, `UnavailableError`."""
        row = await self._row(erasure)
        if row.certificate is None:
            return None
        sealed = row.certificate_pdf
        pdf = None if sealed is None else await self._cipher.open(self._org, _pdf_place(row.id), bytes(sealed))
        return Certified(row.certificate, pdf)

    async def _row(self, erasure: str) -> EndUserErasureRow:
        row = await self._session.scalar(
            select(EndUserErasureRow).where(EndUserErasureRow.org_id == self._org, EndUserErasureRow.id == erasure)
        )
        if row is None:
            raise NotFoundError
        return row


class ErasureStore(ErasureReader):
    def __init__(self, session: AsyncSession, org: OrganizationId, cipher: ContentCipher, clock: Clock) -> None:
        super().__init__(session, org, cipher)
        self._clock = clock

    async def add(self, end_user: EndUserId, *, reference: str | None, by: str | None) -> tuple[Erasure, bool]:
        """A request for `end_user`, and whether it is new: while one is under way it is that one.

        Raises `NotFoundError` for whom nobody knows, or who is erased.
        """
        person = (await self._lock_people(end_user)).get(end_user)
        if person is None or person.erased_at is not None:
            raise NotFoundError
        under_way = await self._session.scalar(
            select(EndUserErasureRow).where(
                EndUserErasureRow.end_user_id == end_user,
                EndUserErasureRow.state.not_in([state for state in ErasureState if state.is_over]),
            )
        )
        if under_way is not None:
            return erasure_of(under_way), False
        row = EndUserErasureRow(
            id=new_ulid(),
            org_id=self._org,
            end_user_id=end_user,
            digest=person.digest,
            state=ErasureState.REQUESTED,
            reasons=[],
            counts={},
            reference=reference,
            requested_at=self._clock.now(),
            requested_by=by,
        )
        self._session.add(row)
        await self._session.flush()
        return erasure_of(row), True

    async def left_restricted(self, erasure: Erasure) -> list[EndUserId]:
        """Who else is named as they are, of whom an erasure ended held when they were somebody new by then."""
        found = await self._session.scalars(_LEFT, {"org": self._org, "digest": erasure.digest})
        return [EndUserId(end_user) for end_user in found.all()]

    async def lock(self, erasure: ErasureId) -> Standing:
        """The erasure as it stands, with the person and the organisation's policy: none of them changes meanwhile.

        Raises `NotFoundError`.
        """
        end_user = EndUserId((await self._row(erasure)).end_user_id)
        await self._session.execute(_LOCK_ORGANIZATION, {"org": self._org})
        people = await self._lock_people(end_user)
        row = await self._session.scalar(
            select(EndUserErasureRow)
            .where(EndUserErasureRow.id == erasure)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        policy = await self._session.get(OrganizationRow, self._org, populate_existing=True)
        if row is None or policy is None:
            raise NotFoundError
        return Standing(
            erasure_of(row),
            retention=retention_of(policy),
            is_subject_held=any(
                person.held_at is not None and (person.id == end_user or person.erased_at is None)
                for person in people.values()
            ),
            minimum_days=policy.minimum_retention_days,
        )

    async def youngest_content(self, end_user: EndUserId) -> date | None:
        """The day of their last call that may have content."""
        found = await self._session.scalar(_YOUNGEST, {"org": self._org, "end_user": end_user})
        return None if found is None else day_of(found)

    async def restrict(self, erasure: Erasure, *, due_at: datetime | None, at: datetime) -> None:
        """From now on nothing of the person is read, until `due_at` if it is kept until then."""
        named = {"state": "restricted", "restricted_at": at}
        await self._session.execute(
            update(EndUserRow).where(EndUserRow.id == erasure.end_user, EndUserRow.state == "active").values(**named)
        )
        await self._set(
            erasure,
            state=ErasureState.RESTRICTED if due_at is None else ErasureState.WAITING,
            reasons=[] if due_at is None else [Reason.MINIMUM_RETENTION],
            due_at=due_at or erasure.due_at,
            restricted_at=erasure.restricted_at or at,
        )

    async def hold(self, erasure: Erasure, reasons: tuple[Reason, ...], *, at: datetime) -> None:
        """Nothing is erased. The restriction is lifted again, unless somebody was named as they are meanwhile."""
        await self._session.execute(_LIFT, {"org": self._org, "end_user": erasure.end_user})
        await self._set(erasure, state=ErasureState.HELD, reasons=[*reasons], finished_at=at)

    async def decide(self, erasure: Erasure) -> None:
        """From now on a hold comes too late."""
        await self._set(erasure, state=ErasureState.SHREDDING)

    async def shred(self, end_user: EndUserId, *, at: datetime) -> None:
        """Destroy a person's key and name. Safe to run twice.

        Processes that have unwrapped the key go on opening what is sealed under it for a minute at most.
        """
        for statement in _SHRED:
            await self._session.execute(statement, {"org": self._org, "end_user": end_user, "at": at})

    async def note_shredded(
        self, erasure: Erasure, *, counts: Mapping[RecordClass, int], keys_gone_on: date, at: datetime
    ) -> None:
        await self._set(
            erasure,
            state=ErasureState.SHREDDED,
            counts={**erasure.counts, **counts},
            keys_gone_on=keys_gone_on,
            shredded_at=at,
        )

    async def note_scan(
        self, erasure: Erasure, scan: Scan, counts: Mapping[RecordClass, int], reasons: tuple[Reason, ...]
    ) -> None:
        await self._set(
            erasure,
            scan={"at": scan.at.isoformat(), "examined": {**scan.examined}, "found": {**scan.found}},
            counts={**erasure.counts, **counts},
            reasons=[*reasons],
        )

    async def finish(self, erasure: Erasure, certified: Certified, *, at: datetime) -> None:
        pdf = certified.pdf
        await self._set(
            erasure,
            state=ErasureState.DONE,
            certificate={**certified.document},
            certificate_pdf=None if pdf is None else await self._cipher.seal(self._org, _pdf_place(erasure.id), pdf),
            finished_at=at,
        )

    async def _lock_people(self, end_user: EndUserId) -> Mapping[str, EndUserRow]:
        """By id: the person, and whoever is, or was, named as they are. A hold on one is a hold on all of them."""
        digest = select(EndUserRow.digest).where(EndUserRow.org_id == self._org, EndUserRow.id == end_user)
        people = await self._session.scalars(
            select(EndUserRow)
            .where(EndUserRow.org_id == self._org, EndUserRow.digest == digest.scalar_subquery())
            .order_by(EndUserRow.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        return {person.id: person for person in people.all()}

    async def _set(self, erasure: Erasure, **values: object) -> None:
        await self._session.execute(
            update(EndUserErasureRow).where(EndUserErasureRow.id == erasure.id).values(**values)
        )


async def unfinished(pool: Pool, *, after: str) -> list[tuple[OrganizationId, ErasureId]]:
    """The next `PAGE` behind the id `after` that are under way, of all organisations. Fewer are the last."""
    rows = await fetch(pool, _UNFINISHED, {"after": after, "limit": PAGE})
    return [(OrganizationId(org), ErasureId(erasure)) for org, erasure in rows]


def _pdf_place(erasure: str) -> str:
    return f"end_user_erasures.certificate_pdf/{erasure}"

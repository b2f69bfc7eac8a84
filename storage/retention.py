"""Content whose time is over is destroyed: its keys first, then its rows, each step a transaction of its own.

Every step looks anew at what is due, under a lock that policies and agreements are changed under, and counts what it
did in the same transaction. So whatever dies when, and however many purge at once, the counts are exact; and a hold
or a longer time that is set between two steps stops the next.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import orjson
from psycopg.types.json import Jsonb
from ulid import ULID

from gateway.audit import AuditAction
from gateway.events import EventType
from gateway.ids import OrganizationId, new_ulid
from gateway.retention import Due, PurgeReason, Retention, due, first_id_after
from storage import content_keys, retention_sql
from storage.pool import Connection, Pool, fetch, repeatable

_BATCH = 1_000
"""Records, or answers under idempotency keys, that one transaction removes: some tenths of a second."""

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Work:
    """A purge to begin or to go on with. `bound` is the last day that it may touch now: less than all of it when a
    longer time was chosen meanwhile.
    """

    purge: Due
    bound: date
    is_new: bool
    empties_terms: bool
    """Nothing of the organisation's is to be left that may name patients, its own lists of terms neither."""
    takes_names: bool
    """And no name of an end user."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What an organisation keeps that may be destroyed one day, and by which rules."""

    org: OrganizationId
    retention: Retention
    closed_from: datetime | None
    oldest_key: date | None
    oldest_record: str | None
    """Its id. Calls that run are none."""
    unfinished: Due | None
    """A purge that was begun."""
    has_terms: bool
    """Its own lists, which may name patients: content once an agreement was terminated, before that a choice."""
    has_names: bool
    """Of end users, none of whom is held: content in the same way."""
    first_held: str | None
    """The id of the first record of anybody who is held."""

    @property
    def oldest_day(self) -> date | None:
        """Of a key, or of a record that may be without content."""
        of_record = None if self.oldest_record is None else ULID.from_str(self.oldest_record).datetime.date()
        return min((day for day in (self.oldest_key, of_record) if day is not None), default=None)

    def work_at(self, now: datetime) -> "Work | None":
        """What a purge may do at `now`; None when nothing is to be done."""
        allowed = self.due_at(now)
        if allowed is None:
            return None
        purge = self._purge(allowed)
        is_new = purge != self.unfinished
        bound = min(purge.through, allowed.through)
        is_to_finish = not is_new and bound == purge.through
        is_closed = allowed.reason is PurgeReason.TERMINATION
        has_terms, has_names = is_closed and self.has_terms, is_closed and self.has_names
        if not (is_to_finish or has_terms or has_names or self._has_of(bound)):
            return None
        is_last = purge.reason is PurgeReason.TERMINATION
        return Work(purge, bound, is_new, empties_terms=has_terms and is_last, takes_names=has_names and is_last)

    def due_at(self, now: datetime) -> Due | None:
        """What may be destroyed at `now`, whether there is any or not."""
        held_from = None if self.first_held is None else ULID.from_str(self.first_held).datetime.date()
        return due(self.retention, closed_from=self.closed_from, now=now, held_from=held_from)

    def _purge(self, allowed: Due) -> Due:
        """The one that was begun, or a new one. What was begun for a termination that was taken back waits until
        retention has come as far: what is due before that has its own reason, and its own end.
        """
        begun = self.unfinished
        if begun is None:
            return allowed
        is_taken_back = begun.reason is PurgeReason.TERMINATION and allowed.reason is PurgeReason.RETENTION
        return allowed if is_taken_back and allowed.through < begun.through else begun

    def _has_of(self, through: date) -> bool:
        return (self.oldest_key is not None and self.oldest_key <= through) or (
            self.oldest_record is not None and self.oldest_record < first_id_after(through)
        )


@dataclass(frozen=True, slots=True)
class PurgeStep:
    """What one transaction did. All zero and not `finished`: nothing was to be done, or may be."""

    keys: int = 0
    records: int = 0
    answers: int = 0
    jobs: int = 0
    files: int = 0
    names: int = 0
    finished: bool = False

    @property
    def is_idle(self) -> bool:
        return self == PurgeStep()


@dataclass(frozen=True, slots=True)
class Purge:
    """As counted so far."""

    through: date
    reason: PurgeReason
    started_at: datetime
    finished_at: datetime | None
    keys: int
    records: int


async def kept_after(
    pool: Pool, place: str, *, now: datetime, limit: int, only: OrganizationId | None = None
) -> list[Kept]:
    """The next `limit` organisations behind the id `place`, in order; `only` one. Fewer than `limit` are the last."""
    return await repeatable(pool, lambda connection: _kept(connection, now, after=place, limit=limit, only=only))


async def purge_step(pool: Pool, org: OrganizationId, *, now: datetime, actor: str, batch: int = _BATCH) -> PurgeStep:
    """Do the next thing that is due in `org`: at most `batch` rows. Safe to repeat, and to run at once.

    Raises `UnavailableError` without a database.
    """

    async def step(connection: Connection) -> PurgeStep:
        async with connection.transaction():
            await connection.execute(retention_sql.LOCK, {"org": org})
            for kept in await _kept(connection, now, only=org):
                if (work := kept.work_at(now)) is not None:
                    return await _Purging(connection, org, work, now, actor, batch).step()
        return PurgeStep()

    return await repeatable(pool, step)


async def count_due(pool: Pool, kept: Kept, *, now: datetime) -> tuple[int, int]:
    """How many keys and records a purge at `now` would destroy."""
    allowed = kept.due_at(now)
    if allowed is None:
        return 0, 0
    named = {"org": kept.org, "through": allowed.through, "below": first_id_after(allowed.through)}
    ((keys, records),) = await fetch(pool, retention_sql.COUNT_DUE, named)
    return keys, records


async def last_purges(pool: Pool, org: OrganizationId, *, limit: int) -> list[Purge]:
    """Newest first."""
    rows = await fetch(pool, retention_sql.LAST_PURGES, {"org": org, "limit": limit})
    return [Purge(through, PurgeReason(reason), *rest) for through, reason, *rest in rows]


async def database_time(pool: Pool) -> datetime:
    """A second opinion on what time it is: a process whose clock runs ahead must not destroy what is not due."""
    ((now,),) = await fetch(pool, "select now()")
    return now


@dataclass(frozen=True, slots=True)
class _Purging:
    """One transaction of a purge, in which `org` is locked."""

    connection: Connection
    org: OrganizationId
    work: Work
    now: datetime
    actor: str
    batch: int

    async def step(self) -> PurgeStep:
        if self.work.is_new:
            await self.connection.execute(retention_sql.BEGIN, self._named())
        if days := await self._destroy_keys():
            await self._audit(
                AuditAction.RETENTION_KEYS_DESTROYED,
                {"from": days[0].isoformat(), "to": days[-1].isoformat(), "keys": len(days)},
            )
            return await self._counted(PurgeStep(keys=len(days)))
        if records := await self._remove_records():
            return await self._counted(PurgeStep(records=records))
        if answers := await self._remove_answers():
            return PurgeStep(answers=answers)
        if jobs := await self._remove_jobs():
            return PurgeStep(jobs=jobs)
        if files := await self._remove_files():
            return PurgeStep(files=files)
        if self.work.takes_names and (names := await self._take_names()):
            return PurgeStep(names=names)
        if self.work.bound < self.work.purge.through:
            return PurgeStep()
        return await self._finish()

    async def _destroy_keys(self) -> Sequence[date]:
        usable = await self.connection.execute(retention_sql.USABLE_KEYS, self._named(bound=self.work.bound))
        days = [day for (day,) in await usable.fetchall()]
        await content_keys.destroy(self.connection, self.org, days, at=self.now)
        return days

    async def _remove_records(self) -> int:
        named = self._named(below=first_id_after(self.work.bound), limit=self.batch)
        rows = await (await self.connection.execute(retention_sql.OLD_RECORDS, named)).fetchall()
        if not rows:
            return 0
        named = self._named(ids=[row[0] for row in rows])
        await self.connection.execute(retention_sql.GIVE_UP, named)
        return (await self.connection.execute(retention_sql.REMOVE_RECORDS, named)).rowcount

    async def _remove_answers(self) -> int:
        before = datetime.combine(self.work.bound, time(), UTC) + timedelta(days=1)
        named = self._named(before=before, limit=self.batch)
        return (await self.connection.execute(retention_sql.REMOVE_ANSWERS, named)).rowcount

    async def _remove_jobs(self) -> int:
        named = self._named(below=first_id_after(self.work.bound), limit=self.batch)
        removed = (await self.connection.execute(retention_sql.REMOVE_JOBS, named)).rowcount
        return removed + (await self.connection.execute(retention_sql.REMOVE_RUNS, named)).rowcount

    async def _remove_files(self) -> int:
        named = self._named(bound=self.work.bound, limit=self.batch)
        return (await self.connection.execute(retention_sql.REMOVE_FILES, named)).rowcount

    async def _take_names(self) -> int:
        """Of end users: their keys, and with them whatever else was sealed of them."""
        named = self._named(limit=self.batch, event=new_ulid())
        return (await self.connection.execute(retention_sql.TAKE_NAMES, named)).rowcount

    async def _finish(self) -> PurgeStep:
        ((keys, records),) = await (await self.connection.execute(retention_sql.FINISH, self._named())).fetchall()
        facts: Facts = {"through": self.work.purge.through.isoformat(), "keys": keys, "records": records}
        if self.work.empties_terms:
            await self.connection.execute(retention_sql.EMPTY_TERMS, self._named())
            facts["terms_emptied"] = True
        await self._audit(AuditAction.RETENTION_PURGED, facts)
        told = {"event": new_ulid(), "type": EventType.RETENTION_PURGED, "facts": self._facts(facts)}
        await self.connection.execute(retention_sql.TELL, self._named(**told))
        return PurgeStep(finished=True)

    async def _counted(self, step: PurgeStep) -> PurgeStep:
        await self.connection.execute(retention_sql.COUNT, self._named(keys=step.keys, records=step.records))
        return step

    async def _audit(self, action: AuditAction, facts: Facts) -> None:
        named = self._named(audit=new_ulid(), action=action, facts=self._facts(facts), actor=self.actor)
        await self.connection.execute(retention_sql.AUDIT, named)

    def _facts(self, facts: Facts) -> Jsonb:
        return Jsonb({"reason": self.work.purge.reason, **facts}, dumps=orjson.dumps)

    def _named(self, **more: object) -> dict[str, object]:
        purge = {"through": self.work.purge.through, "reason": self.work.purge.reason}
        return {"org": self.org, "now": self.now, **purge, **more}


async def _kept(
    connection: Connection, now: datetime, *, after: str = "", limit: int = 1, only: OrganizationId | None = None
) -> list[Kept]:
    named = {"now": now, "after": after, "limit": limit, "only": only}
    rows = await (await connection.execute(retention_sql.KEPT, named)).fetchall()
    return [
        Kept(
            org=OrganizationId(row[0]),
            retention=Retention(*row[1:6]),
            closed_from=row[6],
            oldest_key=row[7],
            oldest_record=row[8],
            unfinished=None if row[9] is None else Due(row[9], PurgeReason(row[10])),
            has_terms=row[11],
            has_names=row[12],
            first_held=row[13],
        )
        for row in rows
    ]

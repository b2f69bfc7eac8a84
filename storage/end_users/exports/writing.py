"""Writes exports of what is kept of a person, part by part.

A writer that dies leaves its parts, and the next goes on behind the last of them. Where a part ends follows from the
rows alone, so the parts are the same, byte for byte, however often somebody died.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from psycopg.types.json import Jsonb

from gateway.clock import Clock
from gateway.end_users.bag import manifest_sha256
from gateway.end_users.exports import SUBJECT_ERASED, ExportState
from gateway.errors import UnavailableError
from gateway.events import EventType
from gateway.ids import EndUserId, OrganizationId, new_ulid
from storage.encryption import ContentCipher
from storage.end_users.exports.composing import END, compose
from storage.end_users.exports.parts import Part, Position, append, read_files, read_position
from storage.end_users.exports.sealing import ExportKey, read_key
from storage.end_users.exports.subject import Source, Subject
from storage.pool import Pool, fetch

SETTLES_S = 0.5
"""What ended before the moment of the snapshot is committed so much later at most, unless the database was away."""

_ASKED = """
select x.state, x.counts, x.bytes_written, x.end_user_id, u.digest, case when u.state = 'active' then u.original end,
  u.created_at, x.snapshot_at
from end_user_exports x join end_users u on u.id = x.end_user_id where x.id = %s and x.org_id = %s
"""

# Few wait to be sealed: each is looked up, and not those of the person.
_UNSEALED = """
select 1 from audit_pending p cross join lateral (
  select org_id, subject_id_hmac, created_at from audit_entries where id = p.entry_id offset 0) e
where e.org_id = %(org)s and e.subject_id_hmac = %(digest)s and e.created_at <= %(until)s limit 1
"""

_BEGIN = "update end_user_exports set state = 'running' where id = %s and state = 'requested'"

_FINISH = """
with done as (
  update end_user_exports set state = %(state)s, manifest_sha256 = %(sha256)s, reason = %(reason)s,
    finished_at = %(at)s, sealed_key = case when %(state)s = 'failed' then null else sealed_key end
  where id = %(id)s and org_id = %(org)s and state in ('requested', 'running')
    and (%(state)s = 'failed' or bytes_written = %(size)s)
  returning org_id)
insert into outbox (id, org_id, type, data, created_at)
select %(event_id)s, org_id, %(event)s, %(data)s, %(at)s from done
"""


@dataclass(frozen=True, slots=True)
class Progress:
    """How much is written, and whether there is anything left to do."""

    records: int
    bytes_written: int
    state: ExportState

    @property
    def is_over(self) -> bool:
        return not self.state.is_open


_GONE = Progress(0, 0, ExportState.EXPIRED)


class EndUserExportWriting:
    """One per process. Whoever finishes an export tells of it: `export.ready` or `export.failed`, once."""

    def __init__(self, pool: Pool, cipher: ContentCipher, clock: Clock) -> None:
        self._pool = pool
        self._cipher = cipher
        self._clock = clock

    async def write(self, org: OrganizationId, export_id: str, *, goes_on: Callable[[], bool]) -> Progress:
        """Write until the export is whole, or until `goes_on`, asked at every query, says no.

        Safe to run twice, also at once. An export that was destroyed meanwhile is over; it fails when whom it is of
        is being erased. Raises `UnavailableError` until the audit entries up to its moment are sealed.
        """
        asked = await fetch(self._pool, _ASKED, [export_id, org])
        if not asked:
            return _GONE
        state, counts, size, end_user, digest, original, created_at, until = asked[0]
        if not ExportState(state).is_open:
            return _progress(state, counts, size)
        key = await read_key(self._pool, self._cipher, org, export_id)
        if key is None or original is None:
            return await self.fail(org, export_id, SUBJECT_ERASED)
        subject = Subject(org, EndUserId(end_user), digest, bytes(original), created_at, until)
        await self._begin(subject, export_id, state)
        whole = await _append_all(Source(self._pool, self._cipher, subject), key, goes_on)
        if whole is not None:
            await self._finish(org, export_id, whole)
        return await self._progress(org, export_id)

    async def fail(self, org: OrganizationId, export_id: str, reason: str) -> Progress:
        """Give up on an export that is not over, for good; `reason` is a word. Safe to repeat."""
        await self._end(org, export_id, ExportState.FAILED, event=EventType.EXPORT_FAILED, reason=reason)
        return await self._progress(org, export_id)

    async def _begin(self, subject: Subject, export_id: str, state: str) -> None:
        if state == ExportState.REQUESTED:
            await asyncio.sleep(SETTLES_S)
        named = {"org": subject.org, "digest": subject.digest, "until": subject.until}
        if await fetch(self._pool, _UNSEALED, named):
            raise UnavailableError(retry_after_s=1)
        await fetch(self._pool, _BEGIN, [export_id])

    async def _finish(self, org: OrganizationId, export_id: str, position: Position) -> None:
        sha256 = manifest_sha256(stored.file for stored in await read_files(self._pool, export_id))
        await self._end(
            org, export_id, ExportState.READY, event=EventType.EXPORT_READY, sha256=sha256, size=position.size
        )

    async def _end(
        self,
        org: OrganizationId,
        export_id: str,
        state: ExportState,
        *,
        event: EventType,
        reason: str | None = None,
        sha256: str | None = None,
        size: int | None = None,
    ) -> None:
        named = {
            "id": export_id,
            "org": org,
            "state": state.value,
            "sha256": sha256,
            "reason": reason,
            "size": size,
            "at": self._clock.now(),
            "event_id": new_ulid(),
            "event": event.value,
            "data": Jsonb({"export_id": export_id}),
        }
        await fetch(self._pool, _FINISH, named)

    async def _progress(self, org: OrganizationId, export_id: str) -> Progress:
        rows = await fetch(self._pool, _ASKED, [export_id, org])
        return _progress(*rows[0][:3]) if rows else _GONE


async def _append_all(source: Source, key: ExportKey, goes_on: Callable[[], bool]) -> Position | None:
    """Where it ended, if everything is written."""
    position = await read_position(source.pool, key)
    while position is not None and position.state is ExportState.RUNNING:
        if position.is_whole:
            return position
        dataset, is_schema = position.next
        if is_schema:
            part = Part.of_schema(position, dataset)
        elif (lines := await compose(source, dataset, position.cursor, goes_on)) is None:
            return None
        elif lines.records == 0:
            position = replace(position, cursor=END)
            continue
        else:
            part = Part.of_records(position, dataset, lines)
        position = await append(source.pool, key, position, part) or await read_position(source.pool, key)
    return None


def _progress(state: str, counts: Mapping[str, int], size: int) -> Progress:
    return Progress(sum(counts.values()), size, ExportState(state))

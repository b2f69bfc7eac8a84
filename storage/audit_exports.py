"""Writes exports of the audit log into sealed rows, page by page, and reads them back.

A writer that dies leaves its pages; the next one makes the same text again, byte for byte, and goes on storing
where the last one stopped. If the plan has changed meanwhile (a key was retired), it begins anew.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from gateway.audit import Seal
from gateway.audit.envelope import EnvelopeWriter, Extract, SealedEntry
from gateway.audit.exports import ExportState
from gateway.audit.signing import KeyStatus, SigningKey
from gateway.clock import Clock
from gateway.errors import UnavailableError
from gateway.events import EventType
from gateway.ids import OrganizationId, new_ulid
from storage.audit_extract import read_extract
from storage.audit_keys import KeyNotActiveError
from storage.chain import SEALED, entry_of
from storage.encryption import ContentCipher, SealedValueError
from storage.pool import Pool, durable, fetch

PAGE = 1000
"""Entries of one row."""

_STATE = "select state, entries_written from audit_exports where id = %s and org_id = %s"

_BEGIN = """
update audit_exports set state = 'running', plan = %(plan)s, entry_count = %(count)s, entries_written = 0
where id = %(id)s and state in ('requested', 'running') and plan is distinct from %(plan)s returning id
"""

_STORED = "select count(*) from audit_export_pages where export_id = %s"

_STORE = """
with mine as (
  update audit_exports set entries_written = least(entry_count, %(written)s)
  where id = %(id)s and state = 'running' and plan = %(plan)s returning id, org_id)
insert into audit_export_pages (export_id, number, org_id, content)
select id, %(number)s, org_id, %(content)s from mine on conflict do nothing
"""

_FINISH = """
with done as (
  update audit_exports set state = %(state)s, sha256 = %(sha256)s, reason = %(reason)s, finished_at = %(at)s
  where id = %(id)s and state in ('requested', 'running') and (plan = %(plan)s or %(plan)s::text is null)
  returning org_id)
insert into outbox (id, org_id, type, data, created_at)
select %(event_id)s, org_id, %(event)s, %(data)s, %(at)s from done
"""

_PAGE = "select content from audit_export_pages where export_id = %s and number = %s"

_FORGET = """
with over as (
  update audit_exports set state = 'expired' where id in (
    select id from audit_exports where state <> 'expired' and expires_at <= %s
    order by expires_at limit %s for update skip locked) returning id)
delete from audit_export_pages p using over where p.export_id = over.id
"""

_AT_ONCE = 10
_END = "}\n"
"""No entry's page ends so."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How many entries are written, and whether there is anything left to do."""

    entries: int
    state: ExportState

    @property
    def is_over(self) -> bool:
        return self.state not in (ExportState.REQUESTED, ExportState.RUNNING)


class ExportWriting:
    """Writes what was asked for. `base_url` is the installation's, for links."""

    def __init__(self, pool: Pool, cipher: ContentCipher, clock: Clock, key: SigningKey, base_url: str) -> None:
        self._pool = pool
        self._cipher = cipher
        self._clock = clock
        self._key = key
        self._base_url = base_url

    async def write(self, org: OrganizationId, export_id: str, *, goes_on: Callable[[], bool]) -> Progress:
        """Write until the export is whole, or until `goes_on` says no after a page. Safe to run twice, also at once.

        Raises `UnavailableError` until the entries are sealed, `KeyNotActiveError`.
        """
        begun = await self._progress(org, export_id)
        if begun.is_over:
            return begun
        extract = await read_extract(self._pool, org, export_id, base_url=self._base_url)
        self._require_active(extract)
        try:
            is_whole = await self._write(extract, export_id, goes_on)
        except ValueError:
            # An entry is missing, or the log was changed: an export of it would accuse whoever shows it.
            await self._finish(export_id, ExportState.FAILED, reason="chain_broken")
            return await self._progress(org, export_id)
        return await self._progress(org, export_id) if is_whole else Progress(0, ExportState.RUNNING)

    async def _write(self, extract: Extract, export_id: str, goes_on: Callable[[], bool]) -> bool:
        writer = EnvelopeWriter(extract, self._key)
        head = writer.head()
        plan = hashlib.sha256(f"{PAGE}\n{head}".encode()).hexdigest()
        stored = await self._begin(export_id, plan, extract.entry_count)
        digest, number, written = hashlib.sha256(), 0, 0
        async for text, count in self._texts(extract, writer, head):
            digest.update(text.encode())
            written += count
            if number >= stored:
                if not goes_on():
                    return False
                await self._store(extract.org, export_id, plan, number, text, written)
            number += 1
        await self._finish(export_id, ExportState.READY, plan=plan, sha256=digest.hexdigest())
        return True

    async def _texts(self, extract: Extract, writer: EnvelopeWriter, head: str) -> AsyncIterator[tuple[str, int]]:
        """The export in pieces, each with the number of entries in it."""
        yield head, 0
        seq, last = extract.first_seq - 1, extract.first_seq + extract.entry_count - 1
        while seq < last:
            rows = await fetch(self._pool, SEALED, [extract.org, seq, min(PAGE, last - seq)])
            if not rows:
                raise ValueError("the chain ends early")
            yield await asyncio.to_thread(_page, writer, rows), len(rows)
            seq = rows[-1][0]
        yield writer.tail(), 0

    async def _begin(self, export_id: str, plan: str, count: int) -> int:
        """How many pages of this plan there are already."""
        named = {"id": export_id, "plan": plan, "count": count}
        async with durable(self._pool) as connection, connection.transaction():
            if await (await connection.execute(_BEGIN, named)).fetchone():
                await connection.execute("delete from audit_export_pages where export_id = %s", [export_id])
            row = await (await connection.execute(_STORED, [export_id])).fetchone()
            return row[0] if row else 0

    async def _store(
        self, org: OrganizationId, export_id: str, plan: str, number: int, text: str, written: int
    ) -> None:
        content = await self._cipher.seal(org, _place(export_id, number), text.encode())
        named = {"id": export_id, "plan": plan, "number": number, "content": content, "written": written}
        await fetch(self._pool, _STORE, named)

    async def _finish(
        self,
        export_id: str,
        state: ExportState,
        *,
        plan: str | None = None,
        sha256: str | None = None,
        reason: str | None = None,
    ) -> None:
        named = {
            "id": export_id,
            "state": state.value,
            "plan": plan,
            "sha256": sha256,
            "reason": reason,
            "at": self._clock.now(),
            "event_id": new_ulid(),
            "event": EventType.AUDIT_EXPORT_READY.value,
            "data": Jsonb({"export_id": export_id, "state": state.value}),
        }
        await fetch(self._pool, _FINISH, named)

    async def _progress(self, org: OrganizationId, export_id: str) -> Progress:
        rows = await fetch(self._pool, _STATE, [export_id, org])
        return Progress(rows[0][1], ExportState(rows[0][0])) if rows else Progress(0, ExportState.EXPIRED)

    def _require_active(self, extract: Extract) -> None:
        statuses = {known.key_id: known.status for known in extract.keys}
        if statuses.get(self._key.key_id) is not KeyStatus.ACTIVE:
            raise KeyNotActiveError


async def read_pages(pool: Pool, cipher: ContentCipher, org: OrganizationId, export_id: str) -> AsyncGenerator[str]:
    """The text of a ready export, page by page: its head, entries, its tail.

    Raises `UnavailableError` for a page that does not open, or when the export expires meanwhile.
    """
    number, text = 0, ""
    while rows := await fetch(pool, _PAGE, [export_id, number]):
        try:
            content = await cipher.open(org, _place(export_id, number), bytes(rows[0][0]))
        except SealedValueError:
            raise UnavailableError("The stored export could not be opened.") from None
        yield (text := content.decode())
        number += 1
    if not text.endswith(_END):
        raise UnavailableError("The stored export is gone.")


async def forget_expired(pool: Pool, *, now: datetime) -> None:
    """Delete the pages of some exports whose time is over. Safe to repeat."""
    await fetch(pool, _FORGET, [now, _AT_ONCE])


def _page(writer: EnvelopeWriter, rows: list[tuple[Any, ...]]) -> str:
    """Raises `ValueError` for an entry that is gone or stands elsewhere."""
    return "".join(writer.entry(_sealed_entry(*row)) for row in rows)


def _sealed_entry(
    seq: int,
    prev_hash: str,
    sealed: str,
    _: str,
    key_id: str | None,
    signature: str | None,
    at: datetime,
    *entry: Any,  # noqa: ANN401 - columns of a row
) -> SealedEntry:
    if entry[0] is None or key_id is None or signature is None:
        raise ValueError("the entry is gone, or was never signed")
    return SealedEntry(entry_of(entry), Seal(seq, prev_hash, sealed), at, key_id, signature)


def _place(export_id: str, number: int) -> str:
    return f"audit_export_pages.content/{export_id}/{number}"

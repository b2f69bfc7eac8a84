"""Reading the audit chain back, and walking it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from gateway.audit import AuditEntry, ChainWalk, Flaw, Seal
from gateway.ids import AuditEntryId, OrganizationId
from storage.audit_keys import SealingKey, sealing_keys
from storage.pool import Pool, durable, fetch

COLUMNS: LiteralString = (
    "e.id, e.org_id, e.action, e.entity_type, e.entity_id, e.actor, e.ip_address, e.metadata, e.phi_disposition, "
    "e.subject_type, e.subject_id_hmac, e.created_at"
)
_PAGE = 2000

_CHAINS = "select id from organizations order by id"

# Seals lead: an entry whose row is gone must show as a gap, not as nothing.
SEALED: LiteralString = (
    "select s.seq, s.prev_hash, s.hash, s.entry_id, s.key_id, s.signature,"  # noqa: S608 - joins two constants
    " coalesce(s.signed_at, s.sealed_at), "
    + COLUMNS
    + " from audit_seals s left join audit_entries e on e.id = s.entry_id"
    " where s.org_id = %s and s.seq > %s order by s.seq limit %s"
)

_HASH = "select hash from audit_seals where org_id = %s and seq = %s"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One organisation's chain. `entry_id` names the first bad entry, None when all is well."""

    org: OrganizationId
    length: int
    head: str
    flaw: Flaw | None = None
    entry_id: str | None = None


async def organizations(pool: Pool) -> list[OrganizationId]:
    """Every organisation that may have a chain, the platform's own first."""
    async with durable(pool) as connection:
        return [OrganizationId(row[0]) for row in await (await connection.execute(_CHAINS)).fetchall()]


async def walk_behind(pool: Pool, org: OrganizationId, seq: int) -> ChainWalk | None:
    """A walk that begins behind entry `seq`, None if there is no such entry."""
    if seq == 0:
        return ChainWalk()
    rows = await fetch(pool, _HASH, [org, seq])
    return ChainWalk(seq, rows[0][0]) if rows else None


async def follow(pool: Pool, org: OrganizationId, walk: ChainWalk, *, most: int | None) -> Verdict:
    """Go on with `walk` for `most` entries, or to the chain's end."""
    keys = await sealing_keys(pool)
    end = None if most is None else walk.length + most
    while rows := await fetch(pool, SEALED, [org, walk.length, _page(walk, end)]):
        flawed = await asyncio.to_thread(_first_flaw, org, walk, rows, keys)
        if flawed is not None:
            return Verdict(org, walk.length, walk.head, *flawed)
    return Verdict(org, walk.length, walk.head)


def _page(walk: ChainWalk, end: int | None) -> int:
    return _PAGE if end is None else min(_PAGE, end - walk.length)


def _first_flaw(
    org: OrganizationId, walk: ChainWalk, rows: Sequence[Sequence[Any]], keys: Mapping[str, SealingKey]
) -> tuple[Flaw, str | None] | None:
    for row in rows:
        if flaw := _flaw(org, walk, row, keys):
            return flaw, row[3]
    return None


def _flaw(org: OrganizationId, walk: ChainWalk, row: Sequence[Any], keys: Mapping[str, SealingKey]) -> Flaw | None:
    seq, prev_hash, sealed, _, key_id, signature, at, *columns = row
    if columns[0] is None:
        return Flaw.MISSING
    entry, seal, key = entry_of(columns), Seal(seq, prev_hash, sealed), keys.get(key_id)
    if flaw := walk.objection(entry, seal, at):
        return flaw
    if entry.org != org:
        return Flaw.FOREIGN
    if key is None or not key.has_signed(sealed, signature, at):
        return Flaw.MISSIGNED
    walk.advance(seal, at)
    return None


def entry_of(row: Sequence[Any]) -> AuditEntry:
    """A row of `COLUMNS`."""
    entry_id, org, action, entity_type, entity_id, actor, ip_address, metadata, phi, subject_type, subject, at = row
    return AuditEntry(
        id=AuditEntryId(entry_id),
        org=OrganizationId(org),
        action=action,
        at=at,
        entity_type=entity_type,
        entity_id=entity_id,
        actor=actor,
        ip_address=ip_address,
        metadata=metadata,
        phi=phi,
        subject_type=subject_type,
        subject_id_hmac=subject,
    )

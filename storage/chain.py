"""Reading the audit chain back, and checking it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from gateway.audit import AuditEntry, ChainWalk, Flaw, Seal
from gateway.audit.signing import is_signed, raw_public_key
from gateway.ids import AuditEntryId, OrganizationId
from storage.audit_keys import audit_keys
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

# Every entry is either sealed or waiting; one that is neither lost its seal.
_LOOSE = """
select e.id from audit_entries e
where e.org_id = %s
  and not exists (select from audit_seals s where s.entry_id = e.id)
  and not exists (select from audit_pending p where p.entry_id = e.id)
order by e.id limit 1
"""


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


async def verify(pool: Pool, org: OrganizationId) -> Verdict:
    """Walk `org`'s chain from its first entry. Reads in pages: memory does not grow with the log."""
    verdict = await follow(pool, org, ChainWalk(), most=None)
    if verdict.flaw is None and (loose := await fetch(pool, _LOOSE, [org])):
        return Verdict(org, verdict.length, verdict.head, Flaw.UNLINKED, loose[0][0])
    return verdict


async def walk_behind(pool: Pool, org: OrganizationId, seq: int) -> ChainWalk | None:
    """A walk that begins behind entry `seq`, None if there is no such entry."""
    if seq == 0:
        return ChainWalk()
    rows = await fetch(pool, _HASH, [org, seq])
    return ChainWalk(seq, rows[0][0]) if rows else None


async def follow(pool: Pool, org: OrganizationId, walk: ChainWalk, *, most: int | None) -> Verdict:
    """Go on with `walk` for `most` entries, or to the chain's end. Signatures by a key that was since revoked count:
    whether to trust it is for whoever reads an export.
    """
    keys = {each.key.key_id: raw_public_key(each.key.public_key_pem) for each in await audit_keys(pool)}
    end = None if most is None else walk.length + most
    while rows := await fetch(pool, SEALED, [org, walk.length, _page(walk, end)]):
        flawed = await asyncio.to_thread(_first_flaw, walk, rows, keys)
        if flawed is not None:
            return Verdict(org, walk.length, walk.head, *flawed)
    return Verdict(org, walk.length, walk.head)


def _page(walk: ChainWalk, end: int | None) -> int:
    return _PAGE if end is None else min(_PAGE, end - walk.length)


def _first_flaw(
    walk: ChainWalk, rows: Sequence[Sequence[Any]], keys: Mapping[str, bytes]
) -> tuple[Flaw, str | None] | None:
    for seq, prev_hash, sealed, entry_id, key_id, signature, _, *entry in rows:
        flaw = walk.step(entry_of(entry), Seal(seq, prev_hash, sealed)) if entry[0] else Flaw.MISSING
        if flaw is None and not (key_id in keys and is_signed(sealed, signature, keys[key_id])):
            flaw = Flaw.MISSIGNED
        if flaw is not None:
            return flaw, entry_id
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

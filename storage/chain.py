"""Reading the audit chain back, and checking it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from gateway.audit import AuditEntry, ChainWalk, Flaw, Seal
from gateway.ids import AuditEntryId, OrganizationId
from storage.pool import Pool, durable

COLUMNS: LiteralString = (
    "e.id, e.org_id, e.action, e.entity_type, e.entity_id, e.actor, e.ip_address, e.metadata, e.phi_disposition, "
    "e.subject_type, e.subject_id_hmac, e.created_at"
)
_PAGE = 2000

_CHAINS = "select id from organizations order by id"

# Seals lead: an entry whose row is gone must show as a gap, not as nothing.
_SEALED = (
    "select s.seq, s.prev_hash, s.hash, s.entry_id, "  # noqa: S608 - joins two constants
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
    walk = ChainWalk()
    async with durable(pool) as connection:
        while rows := await (await connection.execute(_SEALED, [org, walk.length, _PAGE])).fetchall():
            for seq, prev_hash, sealed, entry_id, *entry in rows:
                flaw = walk.step(entry_of(entry), Seal(seq, prev_hash, sealed)) if entry[0] else Flaw.MISSING
                if flaw is not None:
                    return Verdict(org, walk.length, walk.head, flaw, entry_id)
        loose = await (await connection.execute(_LOOSE, [org])).fetchone()
    if loose is not None:
        return Verdict(org, walk.length, walk.head, Flaw.UNLINKED, loose[0])
    return Verdict(org, walk.length, walk.head)


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

"""One organisation's whole audit log, held to itself and to all that was ever said about it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import LiteralString

from gateway.audit import ChainWalk, Flaw
from gateway.audit.checkpoints import Checkpoint
from gateway.ids import OrganizationId
from storage import audit_checkpoints
from storage.audit_keys import SealingKey, sealing_keys
from storage.chain import Verdict, follow
from storage.pool import Pool, fetch

_PAGE = 1000

# Every entry is either sealed or waiting; one that is neither lost its seal.
_LOOSE = """
select e.id from audit_entries e
where e.org_id = %s
  and not exists (select from audit_seals s where s.entry_id = e.id)
  and not exists (select from audit_pending p where p.entry_id = e.id)
order by e.id limit 1
"""

_KEPT: LiteralString = """
select c.seq, c.hash, c.at, c.key_id, c.signature, s.hash from audit_checkpoints c
left join audit_seals s on s.org_id = c.org_id and s.seq = c.seq
where c.org_id = %s and c.seq > %s order by c.seq limit %s
"""

_HEADS = "select seq, hash from audit_seals where org_id = %s and seq = any(%s::bigint[])"


async def verify(pool: Pool, org: OrganizationId, held: Sequence[Checkpoint] = ()) -> Verdict:
    """Walk `org`'s chain from its first entry, and compare it with every checkpoint of it: those kept here, and those
    `held` by somebody else, which nobody here can have rewritten. Reads in pages: memory does not grow with the log.
    """
    verdict = await follow(pool, org, ChainWalk(), most=None)
    if verdict.flaw is not None:
        return verdict
    if loose := await fetch(pool, _LOOSE, [org]):
        return Verdict(org, verdict.length, verdict.head, Flaw.UNLINKED, loose[0][0])
    if bad := await _bad_kept(pool, org) or await _bad_held(pool, org, held):
        flaw, seq = bad
        return Verdict(org, min(verdict.length, seq - 1), verdict.head, flaw)
    return verdict


async def _bad_kept(pool: Pool, org: OrganizationId) -> tuple[Flaw, int] | None:
    keys, seq = await sealing_keys(pool), 0
    while rows := await fetch(pool, _KEPT, [org, seq, _PAGE]):
        if bad := _first_bad(((Checkpoint(org, *row[:5]), row[5]) for row in rows), keys):
            return bad
        seq = rows[-1][0]
    return None


async def _bad_held(pool: Pool, org: OrganizationId, held: Sequence[Checkpoint]) -> tuple[Flaw, int] | None:
    heads: dict[int, str] = dict(await fetch(pool, _HEADS, [org, [each.seq for each in held]]))
    return _first_bad(((each, heads.get(each.seq)) for each in held), await sealing_keys(pool))


def _first_bad(
    found: Iterable[tuple[Checkpoint, str | None]], keys: Mapping[str, SealingKey]
) -> tuple[Flaw, int] | None:
    """What is wrong with the first one that is not what the chain has in its place, and which place that is."""
    for checkpoint, head in found:
        if flaw := audit_checkpoints.compare(checkpoint, head, keys):
            return flaw, checkpoint.seq
    return None

"""Checkpoints of audit chains: what was verified is signed, told to the customer, and time-stamped by others."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from psycopg.types.json import Jsonb
from ulid import ULID

from gateway.audit import AuditAction, ChainWalk, Flaw, PhiDisposition, canonical_time
from gateway.audit.checkpoints import Anchor, Checkpoint, checkpoint_digest, sign_checkpoint
from gateway.audit.signing import SigningKey
from gateway.clock import Clock
from gateway.events import EventType
from gateway.ids import PLATFORM, OrganizationId, new_ulid
from storage.audit_keys import SEALING, SealingKey, active_key, sealing_keys
from storage.chain import Verdict, follow, walk_behind
from storage.pool import Pool, durable, fetch

STRETCH = 50_000
"""Entries between two checkpoints at most: what is verified at a time, and lost with a worker that dies over it."""

_COLUMNS: LiteralString = "c.seq, c.hash, c.at, c.key_id, c.signature"

# A chain that is shorter than its last checkpoint is due, too.
_DUE = """
select o.id from organizations o
left join lateral (select seq from audit_seals where org_id = o.id order by seq desc limit 1) as head on true
left join lateral (select seq from audit_checkpoints where org_id = o.id order by seq desc limit 1) as c on true
where o.id > %s and head.seq is distinct from c.seq
order by o.id limit %s
"""

_LATEST = (
    "select "  # noqa: S608 - joins two constants
    + _COLUMNS
    + ", a.at from audit_checkpoints c left join audit_anchors a on a.org_id = c.org_id and a.seq = c.seq"
    " where c.org_id = %s order by c.seq desc limit 1"
)

_MOST_CHECKPOINTS = 50_000
_MOST_STAMP_BYTES = 24 * 2**20
"""What an export shows of both leaves it a header that verifiers read: the last ones, and others evenly spread."""

_BETWEEN = (
    "select * from (select "  # noqa: S608 - joins two constants
    + _COLUMNS
    + ", row_number() over (order by c.seq desc) - 1 as place, count(*) over () as count from audit_checkpoints c"
    " where c.org_id = %(org)s and c.seq between %(first)s and %(last)s and c.at <= %(until)s) as kept"
    " where place %% ceil(count::numeric / %(most)s) = 0 order by seq"
)

# An authority's responses are about alike in size.
_ANCHORS = """
with kept as (
  select seq, row_number() over (order by seq desc) - 1 as place, sum(octet_length(response)) over () as size
  from audit_anchors
  where org_id = %(org)s and seq between %(first)s and %(last)s and at <= %(until)s
)
select a.seq, c.hash, a.response, a.at, a.tsa_url, a.tsa_cacert_url
from kept k join audit_anchors a on a.org_id = %(org)s and a.seq = k.seq
join audit_checkpoints c on c.org_id = a.org_id and c.seq = a.seq
where k.place %% ceil(k.size::numeric / %(most)s) = 0 order by a.seq
"""

_SEALED_AT = "select coalesce(signed_at, sealed_at) from audit_seals where org_id = %s and seq = %s"

_KEEP = """
with kept as (
  insert into audit_checkpoints (org_id, seq, hash, at, key_id, signature)
  values (%(org)s, %(seq)s, %(hash)s, %(at)s, %(key_id)s, %(signature)s) on conflict do nothing returning org_id)
insert into outbox (id, org_id, type, data, created_at)
select %(event_id)s, org_id, %(event)s, %(data)s, %(at)s from kept
"""

_UNSTAMPED = """
select o.id, c.seq, c.hash from organizations o
cross join lateral (select seq, hash from audit_checkpoints where org_id = o.id order by seq desc limit 1) as c
where o.id > %s and not exists (select from audit_anchors a where a.org_id = o.id and a.seq = c.seq)
order by o.id limit %s
"""

_ANCHOR = """
insert into audit_anchors (org_id, seq, response, at, tsa_url, tsa_cacert_url)
values (%s, %s, %s, %s, %s, %s) on conflict do nothing
"""

_ALARM = """
with audited as (
  insert into audit_entries (id, org_id, action, entity_type, entity_id, actor, metadata, phi_disposition, created_at)
  values (%(entry_id)s, %(platform)s, %(action)s, 'organization', %(org)s, 'system:audit_checkpoint', %(data)s,
    %(phi)s, %(at)s) on conflict (id) do nothing returning id),
told as (
  insert into outbox (id, org_id, type, data, created_at)
  select %(event_id)s, %(platform)s, %(event)s, %(data)s, %(at)s from audited)
insert into audit_pending (entry_id) select id from audited returning entry_id
"""


@dataclass(frozen=True, slots=True)
class Latest:
    """An organisation's last checkpoint, and when it was time-stamped if it was."""

    checkpoint: Checkpoint
    stamped_at: datetime | None


@dataclass(frozen=True, slots=True)
class Unstamped:
    """A checkpoint that no authority has stamped yet."""

    org: OrganizationId
    seq: int
    hash: str


async def due(pool: Pool, *, after: str, limit: int) -> list[OrganizationId]:
    """The next organisations whose chain goes on behind their last checkpoint, in order of id."""
    return [OrganizationId(row[0]) for row in await fetch(pool, _DUE, [after, limit])]


async def latest(pool: Pool, org: OrganizationId) -> Latest | None:
    rows = await fetch(pool, _LATEST, [org])
    return Latest(Checkpoint(org, *rows[0][:5]), rows[0][5]) if rows else None


async def between(
    pool: Pool, org: OrganizationId, first: int, last: int, *, until: datetime
) -> tuple[Sequence[Checkpoint], Sequence[Anchor]]:
    """Checkpoints and time-stamps of the entries `first` to `last`, in order, as an export of `until` shows them.

    Each covers all before it: where there are too many for one header, some are left out.
    """
    named = {"org": org, "first": first, "last": last, "until": until}
    checkpoints = await fetch(pool, _BETWEEN, {**named, "most": _MOST_CHECKPOINTS})
    anchors = await fetch(pool, _ANCHORS, {**named, "most": _MOST_STAMP_BYTES})
    return [Checkpoint(org, *row[:5]) for row in checkpoints], [Anchor(*row) for row in anchors]


async def advance(pool: Pool, org: OrganizationId, key: SigningKey, clock: Clock) -> tuple[Verdict, int]:
    """Verify up to `STRETCH` entries behind the last checkpoint, and sign the next one if they hold.

    Returns what was found, and of how many entries; of none no checkpoint is made. Safe to run twice, also at once.
    Raises `KeyNotActiveError`.
    """
    last = await latest(pool, org)
    begun = last.checkpoint.seq if last else 0
    verdict = await verify_behind(pool, org, last.checkpoint if last else None, most=STRETCH)
    if verdict.flaw is None and verdict.length > begun:
        await _keep(pool, verdict, key, clock, since=last.checkpoint.at if last else None)
    return verdict, verdict.length - begun


async def verify_behind(pool: Pool, org: OrganizationId, last: Checkpoint | None, *, most: int) -> Verdict:
    """Whether the chain still is what `last` says of it, and up to `most` entries behind that, or from the first on."""
    if last is None:
        return await follow(pool, org, ChainWalk(), most=most)
    walk = await walk_behind(pool, org, last.seq)
    flaw = compare(last, walk.head if walk else None, await sealing_keys(pool))
    if flaw is not None:
        return Verdict(org, last.seq - 1, last.hash, flaw)
    return await follow(pool, org, ChainWalk(last.seq, last.hash), most=most)


def compare(checkpoint: Checkpoint, head: str | None, keys: Mapping[str, SealingKey]) -> Flaw | None:
    """What is wrong if the chain has the hash `head` in the checkpoint's place now, None for no entry."""
    if head is None:
        return Flaw.TRUNCATED
    if head != checkpoint.hash:
        return Flaw.FORKED
    digest = checkpoint_digest(checkpoint.org, seq=checkpoint.seq, head=checkpoint.hash, at=checkpoint.at)
    key = keys.get(checkpoint.key_id)
    return None if key and key.has_signed(digest, checkpoint.signature, checkpoint.at) else Flaw.MISSIGNED


async def unstamped(pool: Pool, *, after: str, limit: int) -> list[Unstamped]:
    """The last checkpoint of each of the next organisations, where it is not stamped: it covers those before it."""
    return [Unstamped(OrganizationId(org), *rest) for org, *rest in await fetch(pool, _UNSTAMPED, [after, limit])]


async def keep_anchor(pool: Pool, org: OrganizationId, anchor: Anchor) -> None:
    """Of two time-stamps of one checkpoint the first stays."""
    values = [org, anchor.seq, anchor.response, anchor.at, anchor.tsa_url, anchor.tsa_cacert_url]
    await fetch(pool, _ANCHOR, values)


async def raise_alarm(pool: Pool, broken: Verdict, *, at: datetime) -> bool:
    """Write to the platform's log that a chain does not hold, and tell its outbox; False when that was done."""
    data = {"organization_id": broken.org, "flaw": broken.flaw, "after_seq": broken.length, "entry_id": broken.entry_id}
    named = {
        "entry_id": _alarm_id("audit", broken),
        "event_id": _alarm_id("event", broken),
        "platform": PLATFORM,
        "org": broken.org,
        "action": AuditAction.AUDIT_CHAIN_BROKEN.value,
        "event": EventType.AUDIT_CHAIN_BROKEN.value,
        "phi": PhiDisposition.NOT_PRESENT.value,
        "data": Jsonb(data),
        "at": at,
    }
    return bool(await fetch(pool, _ALARM, named))


async def _keep(pool: Pool, verdict: Verdict, key: SigningKey, clock: Clock, *, since: datetime | None) -> None:
    async with durable(pool) as connection, connection.transaction():
        # Not while a key is being retired: what it signed comes before that.
        await connection.execute("select pg_advisory_xact_lock(%s)", [SEALING])
        published = await active_key(connection, key, clock)
        ((sealed_at,),) = await (await connection.execute(_SEALED_AT, [verdict.org, verdict.length])).fetchall()
        # A clock that was set back does not show.
        at = max(clock.now(), published.published_at, sealed_at, since or sealed_at)
        made = sign_checkpoint(key, verdict.org, seq=verdict.length, head=verdict.head, at=at)
        named = {
            "org": made.org,
            "seq": made.seq,
            "hash": made.hash,
            "at": made.at,
            "key_id": made.key_id,
            "signature": made.signature,
            "event_id": new_ulid(),
            "event": EventType.AUDIT_CHECKPOINT.value,
            "data": Jsonb(described(made)),
        }
        await connection.execute(_KEEP, named)


def described(checkpoint: Checkpoint) -> dict[str, object]:
    """As customers are shown it: enough to check the signature, and to hold the log to it later."""
    return {
        "organization_id": checkpoint.org,
        "seq": checkpoint.seq,
        "entry_count": checkpoint.seq,
        "hash": checkpoint.hash,
        "at": canonical_time(checkpoint.at),
        "key_id": checkpoint.key_id,
        "signature": checkpoint.signature,
    }


def _alarm_id(kind: str, broken: Verdict) -> str:
    """The same ULID for the same flaw, whoever finds it and however often."""
    digest = hashlib.sha256(f"{kind}:{broken.org}:{broken.flaw}:{broken.length}:{broken.entry_id}".encode()).digest()
    return str(ULID.from_bytes(bytes(6) + digest[:10]))

"""Cascades carried out: what was denied when they began is marked, waited for, and looked for once more.

Each statement is safe to run twice, also at once. None waits for a lock of somebody's call or issue: what is held is
passed over, and found by the next sweep.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString

from gateway.agents.cascade import PARENT_REVOKED, CascadeState
from gateway.audit import AuditAction, PhiDisposition
from gateway.events import EventType
from gateway.ids import CascadeId, CredentialId, OrganizationId, new_ulid
from storage.pool import Pool, fetch

UNANSWERED: Final = timedelta(seconds=60)
"""Calls that were to end at once and run so much later are in a process that cannot hear of it."""
RECHECKED_AFTER: Final = timedelta(hours=24)
LEFT_ALONE: Final = timedelta(minutes=2)
"""A cascade that runs for so long is given its workflow again, should it have none."""
PAGE: Final = 200

# An event's id is made of what it tells: told again it is the same one.
_MARK: LiteralString = """
with page as (
  select c.id, c.revoked_at, k.id as cascade_id, k.credential_id as root, k.created_at as since
  from agent_cascades k join agent_cascade_items i on i.cascade_id = k.id
  join agent_credentials c on c.id = i.credential_id
  where k.id = %(cascade)s and i.state <> 'done' and i.credential_id > %(after)s and i.credential_id <= %(upto)s
  order by c.id for no key update of c skip locked),
marked as (
  update agent_credentials c set revoked_at = p.since, revocation_reason = %(parent_revoked)s, cuts_calls = true
  from page p where c.id = p.id and p.revoked_at is null),
told as (
insert into outbox (id, org_id, type, data, created_at)
select left(p.cascade_id, 10) || upper(left(encode(sha256(convert_to(p.cascade_id || c.id, 'UTF8')), 'hex'), 16)),
  c.org_id, %(type)s, jsonb_build_object('agent_id', c.agent_id, 'credential_id', c.id, 'cascade_id', p.cascade_id,
    'reason', coalesce(c.revocation_reason, %(parent_revoked)s)), %(now)s
from page p join agent_credentials c on c.id = p.id
where c.id is distinct from p.root and not exists (
  select from agent_cascade_items before where before.credential_id = c.id and before.cascade_id < p.cascade_id)
on conflict (id) do nothing)
select id from page
"""

_SETTLE: LiteralString = """
with seen as (
  select i.credential_id, case
      when not exists (
        select from agent_invocations r where r.credential_id = c.id and r.expires_at > %(now)s) then 'done'
      when c.cuts_calls and k.created_at <= %(unanswered)s then 'irrevocable'
      else 'pending' end as state
  from agent_cascades k join agent_cascade_items i on i.cascade_id = k.id
  join agent_credentials c on c.id = i.credential_id
  where k.id = %(cascade)s and i.state <> 'done' and i.credential_id = any(%(marked)s))
update agent_cascade_items i
set state = s.state, settled_at = case when s.state = 'done' then %(now)s end
from seen s where i.cascade_id = %(cascade)s and i.credential_id = s.credential_id and i.state <> s.state
"""

_UPTO: LiteralString = """
select max(p.credential_id), count(*) from (
  select credential_id from agent_cascade_items
  where cascade_id = %(cascade)s and state <> 'done' and credential_id > %(after)s
  order by credential_id limit %(limit)s) p
"""

_TAKEN: LiteralString = """
select credential_id from agent_cascade_items
where cascade_id = %(cascade)s and credential_id > %(after)s order by credential_id limit %(limit)s
"""

_UNSETTLED: LiteralString = """
select k.state, k.finished_at, k.rechecked_at is not null,
  exists (select from agent_cascade_items i where i.cascade_id = k.id and i.state = 'irrevocable'),
  exists (select from agent_cascade_items i where i.cascade_id = k.id and i.state <> 'done')
from agent_cascades k where k.id = %(cascade)s
"""

_FINISH: LiteralString = """
with finished as (
  update agent_cascades k set state = 'done', finished_at = %(now)s
  where k.id = %(cascade)s and k.state = 'running' and not exists (
    select from agent_cascade_items i where i.cascade_id = k.id and i.state <> 'done')
  returning k.id, k.org_id, k.agent_id),
audited as (
  insert into audit_entries (id, org_id, action, entity_type, entity_id, actor, metadata, phi_disposition, created_at)
  select %(entry)s, f.org_id, %(action)s, 'agent_cascade', f.id, 'system:credential_cascade',
    jsonb_build_object('agent_id', f.agent_id, 'credentials', (
      select count(*) from agent_cascade_items i where i.cascade_id = f.id)), %(phi)s, %(now)s
  from finished f returning id)
insert into audit_pending (entry_id) select id from audited
"""

# By parents, not by paths, and not by what was planned: whatever mistake there was in those is not made here again.
_FIND_LEFT: LiteralString = """
with recursive line as (
  select c.id, c.replaces from agent_cascades k join agent_credentials c on c.id = k.credential_id
  where k.id = %(cascade)s
  union
  select c.id, c.replaces from line join agent_credentials c on c.id = line.replaces),
below as (
  select id from line
  union
  select c.id from agent_cascades k join agent_credentials c on c.org_id = k.org_id and c.agent_id = k.agent_id
  where k.id = %(cascade)s and k.root = 'agent' and c.created_at < k.created_at
  union
  select c.id from below join agent_credentials c on c.parent_id = below.id)
select c.id from below join agent_credentials c on c.id = below.id
where c.revoked_at is null and c.expires_at > %(now)s
order by c.id
"""

_RECHECK: LiteralString = """
with remembered as (
  update agent_cascades set rechecked_at = %(now)s,
    state = case when cardinality(%(left)s::text[]) > 0 then 'running' else state end,
    finished_at = case when cardinality(%(left)s::text[]) > 0 then null else finished_at end
  where id = %(cascade)s and rechecked_at is null
  returning id, org_id, agent_id),
planned as (
  insert into agent_cascade_items (cascade_id, credential_id, org_id, agent_id, depth)
  select r.id, c.id, c.org_id, c.agent_id, cardinality(c.path)
  from remembered r cross join agent_credentials c where c.id = any(%(left)s)
  on conflict (cascade_id, credential_id) do update set state = 'pending', settled_at = null),
audited as (
  insert into audit_entries (id, org_id, action, entity_type, entity_id, actor, metadata, phi_disposition, created_at)
  select %(entry)s, r.org_id, %(action)s, 'agent_cascade', r.id, 'system:credential_cascade',
    jsonb_build_object('agent_id', r.agent_id, 'left', cardinality(%(left)s::text[])), %(phi)s, %(now)s
  from remembered r returning id)
insert into audit_pending (entry_id) select id from audited
"""

_RUNNING: LiteralString = """
select id, org_id from agent_cascades
where state = 'running' and created_at <= %(before)s and id > %(after)s
order by id limit %(limit)s
"""


@dataclass(frozen=True, slots=True)
class SweptPage:
    """Credentials of a cascade, `after` one id and up to another."""

    cascade: CascadeId
    after: str
    upto: str
    is_full: bool
    """More may follow."""


@dataclass(frozen=True, slots=True)
class Progress:
    state: CascadeState
    finished_at: datetime | None
    is_rechecked: bool
    is_irrevocable: bool
    """In part, for now."""
    is_pending: bool


@dataclass(frozen=True, slots=True)
class Running:
    id: CascadeId
    org: OrganizationId


async def next_page(pool: Pool, cascade: CascadeId, *, after: str) -> SweptPage | None:
    """Of what is not done behind `after`; None when there is nothing."""
    rows = await fetch(pool, _UPTO, {"cascade": cascade, "after": after, "limit": PAGE})
    upto, found = rows[0]
    return SweptPage(cascade, after, upto, is_full=found == PAGE) if found else None


async def mark(pool: Pool, page: SweptPage, *, now: datetime) -> list[CredentialId]:
    """Mark a page as revoked and tell of it; those that were, all but what somebody's transaction holds just now."""
    told = {"parent_revoked": PARENT_REVOKED, "type": EventType.AGENT_CREDENTIAL_REVOKED}
    return [CredentialId(row[0]) for row in await fetch(pool, _MARK, _named(page, now) | told)]


async def taken(pool: Pool, cascade: CascadeId, *, after: str) -> list[CredentialId]:
    """A page of all that a cascade takes along, by id."""
    rows = await fetch(pool, _TAKEN, {"cascade": cascade, "after": after, "limit": PAGE})
    return [CredentialId(row[0]) for row in rows]


async def settle(pool: Pool, cascade: CascadeId, marked: Sequence[CredentialId], *, now: datetime) -> None:
    """Note which of those that were marked are done: no call with them runs any more.

    Those only: what another cascade marked in passing has not been told of by this one.
    """
    named = {"cascade": cascade, "marked": [*marked], "now": now, "unanswered": now - UNANSWERED}
    await fetch(pool, _SETTLE, named)


async def progress(pool: Pool, cascade: CascadeId) -> Progress | None:
    """None for one that is unknown."""
    rows = await fetch(pool, _UNSETTLED, {"cascade": cascade})
    if not rows:
        return None
    state, finished_at, is_rechecked, is_irrevocable, is_pending = rows[0]
    return Progress(CascadeState(state), finished_at, is_rechecked, is_irrevocable, is_pending)


async def finish(pool: Pool, cascade: CascadeId, *, now: datetime) -> None:
    """Note that a cascade is done, unless something of it is not."""
    await fetch(pool, _FINISH, {"cascade": cascade, "now": now} | _entry(AuditAction.AGENT_CASCADE_COMPLETED))


async def find_left(pool: Pool, cascade: CascadeId, *, now: datetime) -> list[CredentialId]:
    """Credentials that a cascade should have taken along and that are not revoked."""
    rows = await fetch(pool, _FIND_LEFT, {"cascade": cascade, "now": now})
    return [CredentialId(row[0]) for row in rows]


async def recheck(pool: Pool, cascade: CascadeId, *, now: datetime) -> int:
    """Look once whether anything is left, and plan that; how much it was."""
    found = await find_left(pool, cascade, now=now)
    named = {"cascade": cascade, "now": now, "left": [*found]}
    await fetch(pool, _RECHECK, named | _entry(AuditAction.AGENT_CASCADE_RECHECKED))
    return len(found)


async def running(pool: Pool, *, now: datetime, after: str) -> list[Running]:
    """Cascades that have run for a while. A page, by id."""
    rows = await fetch(pool, _RUNNING, {"before": now - LEFT_ALONE, "after": after, "limit": PAGE})
    return [Running(CascadeId(id_), OrganizationId(org)) for id_, org in rows]


def _named(page: SweptPage, now: datetime) -> dict[str, Any]:
    return {"cascade": page.cascade, "after": page.after, "upto": page.upto, "now": now}


def _entry(action: AuditAction) -> dict[str, str]:
    return {"entry": new_ulid(), "action": action, "phi": PhiDisposition.NOT_PRESENT}

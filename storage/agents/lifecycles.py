"""Lives of credentials, of whatever organisation: when something is due, and that it is told or noted once.

Each statement is safe to run twice, also at once. Nothing here decides who is let in: that goes by the row's own ends.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, LiteralString

from gateway.audit import AuditAction, PhiDisposition
from gateway.events import EventType
from gateway.ids import AgentId, CredentialId, OrganizationId, new_ulid
from storage.pool import Pool, fetch

PAGE: Final = 200
LEFT_ALONE: Final = timedelta(minutes=2)
"""What is due for so long, and has not happened, has no workflow that would see to it."""

# Late in its life, but a day ahead at most.
_WARNED_AT: LiteralString = "greatest(created_at + 0.9 * (expires_at - created_at), expires_at - interval '24 hours')"

_STANDING: LiteralString = f"""
select least(expires_at, retires_at), revoked_at is not null, ended_at is not null,
  case when reminded_at is null and retires_at is null then {_WARNED_AT} end
from agent_credentials where id = %(credential)s
"""  # noqa: S608 - joins constants

_REMIND: LiteralString = """
with reminded as (
  update agent_credentials set reminded_at = %(now)s
  where id = %(credential)s and reminded_at is null and revoked_at is null and retires_at is null
    and expires_at > %(now)s
  returning id, org_id, agent_id, expires_at)
insert into outbox (id, org_id, type, data, created_at)
select %(event)s, org_id, %(type)s, jsonb_build_object(
  'agent_id', agent_id, 'credential_id', id, 'expires_at', %(expires_at)s::text), %(now)s
from reminded
"""

_END: LiteralString = """
with ended as (
  update agent_credentials set ended_at = %(now)s
  where id = %(credential)s and ended_at is null and revoked_at is null and least(expires_at, retires_at) <= %(now)s
  returning id, org_id, agent_id, retires_at is not null and retires_at < expires_at as is_retired),
audited as (
  insert into audit_entries (id, org_id, action, entity_type, entity_id, actor, metadata, phi_disposition, created_at)
  select %(entry)s, org_id, %(action)s, 'agent_credential', id, 'system:credential_lifecycle',
    jsonb_build_object('agent_id', agent_id, 'reason', case when is_retired then 'retired' else 'expired' end),
    %(phi)s, %(now)s
  from ended returning id)
insert into audit_pending (entry_id) select id from audited
"""

_LEFT: LiteralString = """
select id, org_id, agent_id from agent_credentials
where revoked_at is null and ended_at is null and least(expires_at, retires_at) <= %(before)s and id > %(after)s
order by id limit %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Standing:
    ends_at: datetime
    is_revoked: bool
    is_noted: bool
    """Its end, in the audit log."""
    warned_at: datetime | None
    """When to tell that it ends; None: that was told, or it has a successor."""


@dataclass(frozen=True, slots=True)
class Left:
    id: CredentialId
    org: OrganizationId
    agent: AgentId


async def standing(pool: Pool, credential: CredentialId) -> Standing | None:
    """None for one that is unknown."""
    rows = await fetch(pool, _STANDING, {"credential": credential})
    if not rows:
        return None
    ends_at, is_revoked, is_noted, warned_at = rows[0]
    return Standing(ends_at, is_revoked, is_noted, warned_at)


async def remind(pool: Pool, credential: CredentialId, *, ends_at: datetime, now: datetime) -> None:
    """Tell that it ends at `ends_at`, unless that was told, it is over, or it has a successor."""
    named = {
        "credential": credential,
        "now": now,
        "event": new_ulid(),
        "type": EventType.AGENT_CREDENTIAL_EXPIRING,
        "expires_at": ends_at.isoformat(),
    }
    await fetch(pool, _REMIND, named)


async def end(pool: Pool, credential: CredentialId, *, now: datetime) -> None:
    """Note in the audit log that its end has come, unless it has not, or that is noted."""
    named = {
        "credential": credential,
        "now": now,
        "entry": new_ulid(),
        "action": AuditAction.AGENT_CREDENTIAL_EXPIRED,
        "phi": PhiDisposition.NOT_PRESENT,
    }
    await fetch(pool, _END, named)


async def left(pool: Pool, *, now: datetime, after: str) -> list[Left]:
    """Credentials whose end has come a while ago, and nobody noted it. A page, by id."""
    rows = await fetch(pool, _LEFT, {"before": now - LEFT_ALONE, "after": after, "limit": PAGE})
    return [Left(CredentialId(id_), OrganizationId(org), AgentId(agent)) for id_, org, agent in rows]

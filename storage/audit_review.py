"""What went on in an organisation, summed up for whoever examines it (164.312(b)): reads the log, shows no content."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from ulid import ULID

from gateway.audit import AuditAction
from gateway.ids import OrganizationId
from storage.pool import Pool, durable

MOST = 100
"""Lines of each kind: those that there are most of."""

_CLOCKS = timedelta(hours=1)
"""An id may be made earlier than its entry's time says, by as much as clocks differ."""

_REFUSALS = (
    AuditAction.ACCESS_REFUSED,
    AuditAction.ACCESS_REFUSED_REPEATED,
    AuditAction.AI_REQUEST_REFUSED,
    AuditAction.AI_REQUEST_REFUSED_REPEATED,
)
_READS = (
    AuditAction.AI_MESSAGE_RETRIEVED,
    AuditAction.ANSWER_SHOWN_AGAIN,
    AuditAction.API_KEY_LISTED,
    AuditAction.API_KEY_SHOWN_AGAIN,
    AuditAction.AUDIT_EXPORT_DOWNLOADED,
    AuditAction.AUDIT_READ,
    AuditAction.BAA_DOCUMENT_RETRIEVED,
    AuditAction.BAA_RETRIEVED,
    AuditAction.PHI_SCANNED,
    AuditAction.POLICY_RETRIEVED,
    AuditAction.RETENTION_READ,
)

_REVIEW = """
with entries as (
  select action, actor, ip_address, metadata, created_at,
    case when action = any(%(refusals)s) then coalesce((metadata ->> 'count')::bigint, 1) else 1 end as times
  from audit_entries where org_id = %(org)s and id >= %(from_id)s and created_at >= %(since)s
),
told as (
  select 'action' as kind, action as what, null as who, null as address, times, created_at from entries
  union all
  select 'refusal', concat_ws(' ', metadata ->> 'gate', metadata ->> 'error_code'), actor,
    coalesce(metadata ->> 'network', ip_address), times, created_at
  from entries where action = any(%(refusals)s)
  union all
  select 'read', action, actor, ip_address, times, created_at from entries where action = any(%(reads)s)
  union all
  select 'command', coalesce(metadata ->> 'command', action), actor, null, times, created_at
  from entries where actor like 'operator:%%'
),
summed as (
  select kind, what, who, address, sum(times)::bigint as times, min(created_at) as first_at, max(created_at) as last_at,
    row_number() over (partition by kind order by sum(times) desc, what, who, address) as place
  from told group by kind, what, who, address
)
select kind, what, who, address, times, first_at, last_at from summed where place <= %(most)s order by kind, place
"""


class Kind(StrEnum):
    """An entry may be of several: every one is an action."""

    ACTION = "action"
    COMMAND = "command"
    READ = "read"
    REFUSAL = "refusal"


@dataclass(frozen=True, slots=True)
class Reviewed:
    """Acts that are alike."""

    kind: Kind
    what: str
    """The action; of a refusal its gate and error code; of an operator's act the command."""
    actor: str | None
    address: str | None
    """An IP address; of refusals that were only counted, the network."""
    times: int
    first_at: datetime
    last_at: datetime


async def review(pool: Pool, org: OrganizationId, *, since: datetime) -> list[Reviewed]:
    """`org`'s entries from `since` on, by kind, the most frequent first. Refusals that were only counted count in full.

    Takes as long as reading them does. Raises `UnavailableError`.
    """
    asked = {
        "org": org,
        "since": since,
        "from_id": str(ULID.from_datetime(since - _CLOCKS))[:10],
        "refusals": [*_REFUSALS],
        "reads": [*_READS],
        "most": MOST,
    }
    async with durable(pool) as connection, connection.transaction():
        await connection.execute("set local statement_timeout = '10min'")
        rows = await (await connection.execute(_REVIEW, asked)).fetchall()
    return [Reviewed(Kind(kind), *rest) for kind, *rest in rows]

"""Keys that end: each notice leaves as an event, once, however often and by however many it is looked for."""

from datetime import datetime
from typing import Any

import orjson
from psycopg.types.json import Jsonb

from gateway.audit import AuditAction, PhiDisposition
from gateway.clock import Clock
from gateway.events import EventType
from gateway.ids import new_ulid
from gateway.keys.notices import AHEAD, NoticeKind
from storage.pool import Pool, durable

_LARGEST = 200

_DUE = """
select n.key_id, n.ends_at, n.kind, k.mode, exists (
    select 1 from key_notices later
    where later.key_id = n.key_id and later.ends_at = n.ends_at and later.due_at > n.due_at and later.due_at <= %(now)s)
from key_notices n join api_keys k on k.id = n.key_id
where n.closed_at is null and n.due_at <= %(now)s
order by n.due_at, n.key_id limit %(limit)s for update of n skip locked
"""

_TELL = """
with due as (
  select * from jsonb_to_recordset(%(rows)s) as d(
    key_id text, ends_at timestamptz, kind text, event jsonb, audit jsonb)
),
closed as (
  update key_notices n set closed_at = %(now)s from due d
  where n.key_id = d.key_id and n.ends_at = d.ends_at and n.kind = d.kind
  returning n.org_id, d.*
),
told as (
  insert into outbox (id, org_id, type, data, created_at)
  select e.id, c.org_id, e.type, e.data, %(now)s
  from closed c cross join lateral jsonb_to_record(c.event) as e(id text, type text, data jsonb)
  where c.event is not null
),
audited as (
  insert into audit_entries (id, org_id, action, entity_type, entity_id, actor, metadata, phi_disposition, created_at)
  select a.id, c.org_id, a.action, 'api_key', c.key_id, 'system:key_notices', a.metadata, a.phi_disposition, %(now)s
  from closed c cross join lateral jsonb_to_record(c.audit) as a(
    id text, action text, metadata jsonb, phi_disposition text)
  where c.audit is not null
  returning id
)
insert into audit_pending (entry_id) select id from audited
"""


async def tell_due(pool: Pool, clock: Clock) -> int:
    """Close one page of notices that are due, in one transaction; returns how many. Safe to run twice, also at once."""
    now = clock.now()
    async with durable(pool) as connection, connection.transaction():
        due = await (await connection.execute(_DUE, {"now": now, "limit": _LARGEST})).fetchall()
        if due:
            rows = [_row(*notice) for notice in due]
            await connection.execute(_TELL, {"rows": Jsonb(rows, dumps=orjson.dumps), "now": now})
    return len(due)


def _row(key: str, ends_at: datetime, kind: str, mode: str, overtaken: bool) -> dict[str, Any]:
    """After an outage only the latest is told of those that have become due."""
    notice = NoticeKind(kind)
    about = {"key_id": key, "mode": mode, "ends_at": ends_at.isoformat()}
    event: dict[str, Any] | None = None
    audit: dict[str, Any] | None = None
    if notice in AHEAD and not overtaken:
        event = {"type": EventType.API_KEY_EXPIRING, "data": about | {"days": AHEAD[notice].days}}
    elif notice not in AHEAD:
        reason = {"reason": "grace_over" if notice is NoticeKind.RETIRED else "expired"}
        event = {"type": EventType.API_KEY_EXPIRED, "data": about | reason}
        audit = {
            "id": new_ulid(),
            "action": AuditAction.API_KEY_EXPIRED,
            "metadata": reason | {"ends_at": about["ends_at"]},
            "phi_disposition": PhiDisposition.NOT_PRESENT,
        }
    return {
        "key_id": key,
        "ends_at": ends_at,
        "kind": kind,
        "event": event and {"id": new_ulid(), **event},
        "audit": audit,
    }

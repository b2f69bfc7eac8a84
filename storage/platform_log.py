"""The platform's audit log, for acts that concern every organisation and for processes that have but a connection."""

from collections.abc import Mapping
from datetime import datetime

from psycopg.types.json import Jsonb
from pydantic import JsonValue

from gateway.audit import AuditAction, PhiDisposition
from gateway.ids import PLATFORM, new_ulid
from storage.pool import Connection

WRITE = """
with written as (
  insert into audit_entries (id, org_id, action, entity_type, entity_id, actor, metadata, phi_disposition, created_at)
  values (%s, %s, %s, %s, %s, %s, %s, %s, %s) returning id)
insert into audit_pending (entry_id) select id from written
"""


async def write_entry(
    connection: Connection,
    action: AuditAction,
    *,
    entity_type: str,
    entity_id: str,
    by: str,
    at: datetime,
    metadata: Mapping[str, JsonValue] | None = None,
) -> None:
    """Audit an act of `by`, in the transaction of `connection`. `metadata` is ids, numbers and enums only."""
    await connection.execute(WRITE, values(action, entity_type, entity_id, by, at, metadata or {}))


def values(
    action: AuditAction, entity_type: str, entity_id: str, by: str, at: datetime, metadata: Mapping[str, JsonValue]
) -> list[object]:
    """Of one entry, as `WRITE` takes them."""
    facts, phi = Jsonb(dict(metadata)), PhiDisposition.NOT_PRESENT.value
    return [new_ulid(), PLATFORM, action.value, entity_type, entity_id, by, facts, phi, at]

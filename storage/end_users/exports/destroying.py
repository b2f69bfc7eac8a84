"""Destroys an export: its key at once, then its parts, some at a time. Safe to repeat, also at once."""

from gateway.end_users.exports import ExportState
from gateway.ids import OrganizationId
from storage.pool import Pool, fetch

_DESTROY = """
update end_user_exports set sealed_key = null, state = case when state in ('requested', 'running', 'ready')
  then %(into)s else state end
where id = %(id)s and org_id = %(org)s and (sealed_key is not null or state in ('requested', 'running', 'ready'))
"""

_REMOVE = """
with few as (
  select number from end_user_export_parts where export_id = %(id)s and org_id = %(org)s order by number
  limit %(limit)s for update skip locked)
delete from end_user_export_parts p using few where p.export_id = %(id)s and p.number = few.number returning 1
"""

_AT_ONCE = 20
"""Of some megabytes each."""


async def destroy(pool: Pool, org: OrganizationId, export_id: str, *, into: ExportState) -> None:
    """`into` is cancelled or expired; what is so, or has failed, stays what it is and loses its parts."""
    await fetch(pool, _DESTROY, {"id": export_id, "org": org, "into": into.value})
    while await fetch(pool, _REMOVE, {"id": export_id, "org": org, "limit": _AT_ONCE}):
        pass

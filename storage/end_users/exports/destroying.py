"""Destroys exports: the key at once, then the parts, some at a time. Safe to repeat, also at once."""

from datetime import datetime, timedelta

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

_EXPIRE = """
update end_user_exports set sealed_key = null, state = 'expired'
where id = any(array(
  select id from end_user_exports where state in ('requested', 'running', 'ready') and expires_at < %(before)s
  order by id limit %(limit)s for update skip locked))
"""

_REMOVE_LEFT = """
with few as (
  select p.export_id, p.number from end_user_exports x join end_user_export_parts p on p.export_id = x.id
  where x.sealed_key is null limit %(limit)s for update of p skip locked)
delete from end_user_export_parts p using few where p.export_id = few.export_id and p.number = few.number returning 1
"""

_AT_ONCE = 20
"""Of some megabytes each."""

_MOST_EXPORTS, _MOST_ROUNDS = 1000, 50

_LATE = timedelta(hours=1)
"""So much later nobody else destroys it any more."""


async def destroy(pool: Pool, org: OrganizationId, export_id: str, *, into: ExportState) -> None:
    """`into` is cancelled or expired; what is so, or has failed, stays what it is and loses its parts."""
    await fetch(pool, _DESTROY, {"id": export_id, "org": org, "into": into.value})
    while await fetch(pool, _REMOVE, {"id": export_id, "org": org, "limit": _AT_ONCE}):
        pass


async def destroy_left_behind(pool: Pool, *, now: datetime) -> None:
    """The same of exports that are past their time, and whose workflow was lost; a bounded number at a time."""
    await fetch(pool, _EXPIRE, {"before": now - _LATE, "limit": _MOST_EXPORTS})
    for _ in range(_MOST_ROUNDS):
        if not await fetch(pool, _REMOVE_LEFT, {"limit": _AT_ONCE}):
            return

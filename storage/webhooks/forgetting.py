"""What is over of webhooks is deleted, a bounded page at a time. Each of these is safe to run twice, also at once."""

from datetime import datetime

from ulid import ULID

from storage.pool import Pool, durable

# What waits for somewhere that is there is never forgotten; what it was replayed for learns that it is gone.
_DELIVERIES = """
with old as (
  select d.id from webhook_deliveries d join webhook_endpoints w on w.id = d.endpoint_id
  where d.id < %(newest)s and d.created_at < %(before)s and (d.state in ('delivered', 'failed', 'skipped')
    or d.state = 'pending' and w.state in ('paused', 'deleted'))
  order by d.id limit %(limit)s for update of d skip locked
),
lapsed as (
  update webhook_replay_items i set state = 'skipped' from old, webhook_replays r
  where r.finished_at is null and i.replay_id = r.id and i.delivery_id = old.id and i.state in ('planned', 'queued')
)
delete from webhook_deliveries d using old where d.id = old.id
"""

_REPLAY = """
with over as (
  select id from webhook_replays where finished_at < %(before)s order by id limit 1 for update skip locked
),
items as (delete from webhook_replay_items i using over where i.replay_id = over.id)
delete from webhook_replays r using over where r.id = over.id
"""


async def forget_deliveries(pool: Pool, *, before: datetime, limit: int) -> int:
    """Delete some of the deliveries of events from before then, with their attempts, oldest first.

    Those that are done, and those that wait for a webhook that is paused or deleted. Returns how many, `limit` when
    there may be more.
    """
    # Their ids begin with the time of their event: the primary key finds them.
    named = {"before": before, "newest": str(ULID.from_datetime(before)), "limit": limit}
    async with durable(pool) as connection:
        return (await connection.execute(_DELIVERIES, named)).rowcount


async def forget_replay(pool: Pool, *, before: datetime) -> bool:
    """Delete one replay that ended before then, with its items; False when there is none."""
    async with durable(pool) as connection:
        return (await connection.execute(_REPLAY, {"before": before})).rowcount > 0


async def destroy_retired_secrets(pool: Pool, *, now: datetime) -> None:
    """Delete the secrets whose overlap is over: nothing is signed with them any more."""
    async with durable(pool) as connection:
        await connection.execute("delete from webhook_secrets where retires_at <= %s", [now])

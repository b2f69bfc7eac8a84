"""Replays carried out, page by page: queued behind the live traffic, or taken back from there.

Each statement is safe to run twice, also at once. Queueing holds the replay's row while it looks at its state: once a
pause or a cancellation is committed nothing more is queued, so what is taken back after it is all there is.
"""

from dataclasses import dataclass

from gateway.ids import ReplayId
from gateway.webhooks.replays import ReplayState
from storage.pool import Pool, fetch

# With a rate a page is ten seconds' worth, so that they come evenly.
_NEXT = """
select r.state, r.rate_per_minute, page.upto, page.items,
  exists (select from webhook_replay_items i where i.replay_id = r.id and i.state = 'queued')
from webhook_replays r cross join lateral (
  select max(p.delivery_id) as upto, count(*) as items from (
    select i.delivery_id from webhook_replay_items i
    where i.replay_id = r.id and i.state = 'planned' and i.delivery_id > %(after)s
    order by i.delivery_id
    limit least(%(limit)s, greatest(1, coalesce(r.rate_per_minute / 6, %(limit)s)))) p) page
where r.id = %(replay)s
"""

# What is on its way already, or was delivered since it was planned, or has nowhere to go, or is gone: is skipped.
_QUEUE = """
with r as (
  select id, created_at from webhook_replays where id = %(replay)s and state = 'running' for share),
planned as (
  select i.delivery_id from webhook_replay_items i join r on r.id = i.replay_id
  where i.state = 'planned' and i.delivery_id > %(after)s and i.delivery_id <= %(upto)s
  order by i.delivery_id for update of i),
known as (
  select d.id, d.state, d.state in ('delivered', 'failed', 'skipped')
      and not (d.state = 'delivered' and d.finished_at > r.created_at)
      and e.state in ('active', 'paused') as is_sendable
  from planned p join webhook_deliveries d on d.id = p.delivery_id join webhook_endpoints e on e.id = d.endpoint_id, r
  order by d.id for update of d),
queued as (
  update webhook_deliveries d set state = 'pending', priority = 1, replay_id = %(replay)s,
    attempts_before = d.attempts, claimed_until = null, next_attempt_at = null
  from known k where d.id = k.id and k.is_sendable returning d.id),
told as (select pg_notify('hasp_webhooks', '') where exists (select from queued))
update webhook_replay_items i
set state = case when k.is_sendable then 'queued' else 'skipped' end,
  state_before = case when k.is_sendable then k.state end
from planned p left join known k on k.id = p.delivery_id left join told on true
where i.replay_id = %(replay)s and i.delivery_id = p.delivery_id
"""

_UNTRIED = """
select count(*) from webhook_replays r
join webhook_replay_items i on i.replay_id = r.id and i.state = 'queued'
join webhook_deliveries d on d.id = i.delivery_id and d.state = 'pending' and d.attempts = d.attempts_before
where r.id = %(replay)s and r.state = 'running' and i.delivery_id > %(after)s and i.delivery_id <= %(upto)s
"""

# A claim that lapsed may still be on its way, and what was tried may wait for a webhook that is paused: neither is
# taken back.
_TAKE_BACK = """
with r as (select id from webhook_replays where id = %(replay)s and state in ('paused', 'cancelled') for share),
waiting as (
  select i.delivery_id, i.state_before from webhook_replay_items i join r on r.id = i.replay_id
  join webhook_deliveries d on d.id = i.delivery_id
  where i.state = 'queued' and d.replay_id = %(replay)s and d.state = 'pending' and d.claimed_until is null
    and d.attempts = d.attempts_before
  order by d.id limit %(limit)s for update of d),
taken as (
  update webhook_deliveries d set state = w.state_before, priority = 0, replay_id = null
  from waiting w where d.id = w.delivery_id returning d.id)
update webhook_replay_items i set state = 'planned', state_before = null
from taken t where i.replay_id = %(replay)s and i.delivery_id = t.id returning i.delivery_id
"""


@dataclass(frozen=True, slots=True)
class Span:
    """Deliveries of a replay, `after` one id and up to another."""

    replay: ReplayId
    after: str
    upto: str


@dataclass(frozen=True, slots=True)
class NextPage:
    """How a replay stands, and its next page. `upto` is None when nothing is planned behind the one before."""

    state: ReplayState
    upto: str | None
    items: int
    wait_s: float
    """After this page, to keep to the replay's rate."""
    is_waiting: bool
    """Whether something that was queued is not settled yet."""


async def next_page(pool: Pool, replay: ReplayId, *, after: str, limit: int) -> NextPage | None:
    """None for a replay that is unknown."""
    rows = await fetch(pool, _NEXT, {"replay": replay, "after": after, "limit": limit})
    if not rows:
        return None
    state, rate, upto, items, is_waiting = rows[0]
    return NextPage(ReplayState(state), upto, items, items * 60 / rate if rate else 0, is_waiting)


async def queue(pool: Pool, span: Span) -> None:
    """Queue what is planned there, unless the replay does not run."""
    await fetch(pool, _QUEUE, _named(span))


async def untried(pool: Pool, span: Span) -> int:
    """How many of what was queued there wait for their first try; none when the replay does not run."""
    rows = await fetch(pool, _UNTRIED, _named(span))
    return rows[0][0]


async def take_back(pool: Pool, replay: ReplayId, *, limit: int) -> int:
    """Make some deliveries what they were before they were queued, unless the replay runs; how many."""
    return len(await fetch(pool, _TAKE_BACK, {"replay": replay, "limit": limit}))


def _named(span: Span) -> dict[str, str]:
    return {"replay": span.replay, "after": span.after, "upto": span.upto}

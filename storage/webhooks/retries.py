"""Deliveries whose first try failed, as their workflows find them, and what else waits and is not to be tried."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.ids import DeliveryId, EndpointId, EventId, OrganizationId
from gateway.webhooks.deliveries import DeliveryState
from gateway.webhooks.endpoints import EndpointState
from storage.encryption import ContentCipher
from storage.pool import Pool, durable, fetch
from storage.webhooks.claims import Due, due, live_secrets

_OVERDUE = timedelta(seconds=60)
"""By then its workflow has tried it, unless it has none."""
_LOOKED_AFTER = timedelta(minutes=5)
_PAGE = 500

_FIND = """
select d.id, d.org_id, d.endpoint_id, d.event_id, d.event_type, d.attempts, d.attempts_before, d.replay_id,
  o.type, o.data, o.created_at, d.state, w.state, w.url, w.rate_per_minute, h.rests_until
from webhook_deliveries d join webhook_endpoints w on w.id = d.endpoint_id join outbox o on o.id = d.event_id
left join webhook_health h on h.endpoint_id = d.endpoint_id
where d.id = %(delivery)s and d.org_id = %(org)s
"""

_PACE = """
insert into webhook_health as h (endpoint_id, org_id, paced_until)
values (%(endpoint)s, %(org)s, %(now)s + %(pace)s)
on conflict (endpoint_id) do update set paced_until = greatest(h.paced_until, %(now)s) + %(pace)s
returning h.paced_until - %(pace)s
"""

_LEAVE = """
update webhook_deliveries set state = %(state)s, next_attempt_at = null, claimed_until = null,
  finished_at = case when %(state)s <> 'pending' then %(now)s end
where id = %(delivery)s and state = 'retrying'
"""

_SKIP = """
update webhook_deliveries set state = 'skipped', next_attempt_at = null, claimed_until = null, finished_at = %(now)s
where id in (
  select d.id from webhook_deliveries d join webhook_endpoints w on w.id = d.endpoint_id
  where d.endpoint_id = any(%(endpoints)s) and w.state in ('disabled', 'deleted')
    and d.state in ('pending', 'retrying') and (d.claimed_until is null or d.claimed_until <= %(now)s)
  order by d.id limit %(limit)s for update of d skip locked)
"""

_CLAIM_OVERDUE = """
update webhook_deliveries set claimed_until = %(until)s where id in (
  select id from webhook_deliveries
  where state = 'retrying' and next_attempt_at < %(before)s and (claimed_until is null or claimed_until <= %(now)s)
  order by next_attempt_at limit %(limit)s for update skip locked)
returning id, org_id, endpoint_id, event_id, attempts, attempts_before, next_attempt_at
"""


@dataclass(frozen=True, slots=True)
class Found:
    """A delivery as it is. `attempts` counts tries; `due` is the next one, None while it cannot be signed."""

    state: DeliveryState
    attempts: int
    before: int
    endpoint_state: EndpointState
    rate_per_minute: int | None
    rests_until: datetime | None
    due: Due | None


@dataclass(frozen=True, slots=True)
class Overdue:
    id: DeliveryId
    org: OrganizationId
    endpoint_id: EndpointId
    event_id: EventId
    attempts: int
    before: int
    next_at: datetime


async def find(
    pool: Pool, cipher: ContentCipher, org: OrganizationId, delivery: DeliveryId, *, now: datetime
) -> Found | None:
    """None for one that was deleted since."""
    rows = await fetch(pool, _FIND, {"delivery": delivery, "org": org})
    if not rows:
        return None
    row = rows[0]
    state, endpoint_state, url, rate, rests_until = row[11:]
    secrets = await live_secrets(pool, cipher, [EndpointId(row[2])], now=now)
    signed = secrets.get(EndpointId(row[2]))
    return Found(
        DeliveryState(state),
        attempts=row[5],
        before=row[6],
        endpoint_state=EndpointState(endpoint_state),
        rate_per_minute=rate,
        rests_until=rests_until,
        due=due(row[:11], url, signed) if signed else None,
    )


async def reserve(pool: Pool, org: OrganizationId, endpoint: EndpointId, rate: int, *, now: datetime) -> datetime:
    """When an endpoint of so many tries a minute may be tried next; that moment is taken."""
    parameters = {"endpoint": endpoint, "org": org, "now": now, "pace": timedelta(minutes=1) / rate}
    ((at,),) = await fetch(pool, _PACE, parameters)
    return at


async def postpone(pool: Pool, delivery: DeliveryId, until: datetime) -> None:
    """Say that a delivery is tried again no sooner than `until`. Safe to repeat."""
    statement = "update webhook_deliveries set next_attempt_at = %s where id = %s and state = 'retrying'"
    await fetch(pool, statement, [until, delivery])


async def leave(pool: Pool, delivery: DeliveryId, state: DeliveryState, *, now: datetime) -> None:
    """What was to be tried again is not: it is `skipped`, or `pending` until its endpoint takes deliveries again."""
    await fetch(pool, _LEAVE, {"delivery": delivery, "state": state.value, "now": now})


async def skip(pool: Pool, endpoints: Sequence[EndpointId], *, now: datetime) -> bool:
    """Skip a page of what waits for those of `endpoints` that are disabled or deleted; whether there may be more."""
    async with durable(pool) as connection:
        parameters = {"endpoints": list(endpoints), "now": now, "limit": _PAGE}
        return (await connection.execute(_SKIP, parameters)).rowcount == _PAGE


async def overdue(pool: Pool, *, now: datetime) -> list[Overdue]:
    """Deliveries whose next try is late, for which nobody else looks meanwhile: a page of the latest."""
    parameters = {"now": now, "before": now - _OVERDUE, "until": now + _LOOKED_AFTER, "limit": _PAGE}
    rows = await fetch(pool, _CLAIM_OVERDUE, parameters)
    return [Overdue(*row) for row in rows]

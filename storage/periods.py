"""Periods are closed: what nobody used lapses or is handed on, once, in order, when no call of theirs still runs.

Nothing waits for it. A period's account opens with its first call and refuses by its own balance; closing late
only hands on late, and closing twice finds nothing open.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from psycopg.types.json import Jsonb

from gateway.audit import AuditAction
from gateway.credits.period import Period
from gateway.events import EventType
from gateway.ids import OrganizationId, new_ulid
from storage.accounts import open_accounts, period_entry
from storage.pool import Connection, Pool, durable

GRACE = timedelta(minutes=15)
"""How long a period stays open after its end: a call belongs to the moment it came, and may be scanned for a while."""

_LOOK_AGAIN = timedelta(minutes=1)
"""While calls of an ended period still run, or wait to be swept."""

_OLDEST = """
select period_start, period_end from credit_accounts
where org_id = %(org)s and holder = 'organization' and closed_at is null and period_end <= %(now)s
order by period_start limit 1
"""

# In the order in which calls lock them.
_LOCK = """
select holder, closed_at from credit_accounts
where org_id = %(org)s and (period_start = %(start)s or (period_start = %(next)s and holder = 'organization'))
order by org_id, period_start, holder desc for update
"""

_RUNNING = """
select exists (select 1 from credit_holds
  where org_id = %(org)s and period_start = %(start)s and state = 'open')
"""

# Carries no more than is wanted now: the limit is the promise of the day.
_CLOSE = """
with closing as (
  select a.allotment, a.carried as carried_in, a.posted as used,
    greatest(a.allotment + a.carried - a.posted, 0) as unused, o.rollover_limit
  from credit_accounts a join organizations o on o.id = a.org_id
  where a.org_id = %(org)s and a.period_start = %(start)s and a.holder = 'organization'
),
split as (select c.*, least(c.unused, c.rollover_limit) as carried from closing c),
closed as (
  update credit_accounts set closed_at = %(now)s
  where org_id = %(org)s and period_start = %(start)s and closed_at is null
),
handed_on as (
  update credit_accounts a set carried = a.carried + s.carried from split s
  where a.org_id = %(org)s and a.period_start = %(next)s and a.holder = 'organization' and s.carried > 0
),
entered as (
  insert into credit_entries (id, phase, org_id, period_start, debit, credit, amount, created_at)
  select e.id, e.phase, %(org)s, e.period_start, e.debit, e.credit, e.amount, %(now)s
  from split s cross join lateral (values
    (%(entry)s, 'lapse', %(start)s::timestamptz, 'available', 'lapsed', s.unused - s.carried),
    (%(entry)s, 'carry_out', %(start)s, 'available', 'carried', s.carried),
    (%(next_entry)s, 'carry_in', %(next)s, 'carried', 'available', s.carried)
  ) as e(id, phase, period_start, debit, credit, amount)
  where e.amount > 0
)
select allotment, carried_in, used, unused - carried, carried from split
"""

# An opening is told of once, whoever opened the account.
_TELL_OPENED = """
with told as (
  insert into budget_alerts (org_id, period_start, kind, created_at) values (%(org)s, %(start)s, 'opened', %(now)s)
  on conflict do nothing returning org_id, period_start
)
insert into outbox (id, org_id, type, data, created_at)
select %(event)s, org_id, %(type)s,
  jsonb_build_object('period_start', a.period_start, 'period_end', a.period_end, 'allotment', a.allotment,
    'carried', a.carried), %(now)s
from told join credit_accounts a using (org_id, period_start) where a.holder = 'organization'
"""

_TELL_CLOSED = """
with audited as (
  insert into audit_entries (id, org_id, action, entity_type, entity_id, actor, metadata, phi_disposition, created_at)
  values (%(audit)s, %(org)s, %(action)s, 'organization', %(org)s, 'system:budget_reset', %(facts)s, 'not_present',
    %(now)s)
  returning id
),
to_seal as (insert into audit_pending (entry_id) select id from audited)
insert into outbox (id, org_id, type, data, created_at) values (%(event)s, %(org)s, %(type)s, %(facts)s, %(now)s)
"""


@dataclass(frozen=True, slots=True)
class PeriodStep:
    """What became of the oldest period that has ended: closed now, or not to be for another `wait`; else none is."""

    closed: bool = False
    wait: timedelta | None = None


async def close_oldest(pool: Pool, org: OrganizationId, now: datetime) -> PeriodStep:
    """Close the oldest ended period of `org`, if it can be; with none left, see that the one of `now` is open.

    One transaction a period. Safe to repeat and to run at once: whoever comes second finds it closed.
    """
    async with durable(pool) as connection:
        ended = await (await connection.execute(_OLDEST, {"org": org, "now": now})).fetchone()
        if ended is None:
            async with connection.transaction():
                await _tell_opened(connection, org, await open_accounts(connection, org, now), now)
            return PeriodStep()
        period = Period(*ended)
        if now < period.end + GRACE:
            return PeriodStep(wait=period.end + GRACE - now)
        async with connection.transaction():
            return await _close(connection, org, period, now)


async def _close(connection: Connection, org: OrganizationId, period: Period, now: datetime) -> PeriodStep:
    following = await open_accounts(connection, org, period.end)
    named: dict[str, Any] = {"org": org, "start": period.start, "next": following.start, "now": now}
    locked = await (await connection.execute(_LOCK, named)).fetchall()
    if any(holder == "organization" and closed_at is not None for holder, closed_at in locked):
        return PeriodStep(closed=True)
    # From here on no call can take a hold of it; one that settles meanwhile is looked at again.
    ((running,),) = await (await connection.execute(_RUNNING, named)).fetchall()
    if running:
        return PeriodStep(wait=_LOOK_AGAIN)
    entries = {"entry": period_entry(org, period.start), "next_entry": period_entry(org, following.start)}
    ((allotment, carried_in, used, lapsed, carried),) = await (
        await connection.execute(_CLOSE, named | entries)
    ).fetchall()
    facts = {
        "period_start": period.start.isoformat(),
        "period_end": period.end.isoformat(),
        "allotment": allotment,
        "carried_in": carried_in,
        "used": used,
        "lapsed": lapsed,
        "carried": carried,
    }
    await _tell_closed(connection, org, facts, now)
    await _tell_opened(connection, org, following, now)
    return PeriodStep(closed=True)


async def _tell_closed(connection: Connection, org: OrganizationId, facts: dict[str, Any], now: datetime) -> None:
    await connection.execute(
        _TELL_CLOSED,
        {
            "org": org,
            "now": now,
            "audit": new_ulid(),
            "action": AuditAction.BUDGET_PERIOD_CLOSED,
            "event": new_ulid(),
            "type": EventType.BUDGET_PERIOD_CLOSED,
            "facts": Jsonb(facts, dumps=orjson.dumps),
        },
    )


async def _tell_opened(connection: Connection, org: OrganizationId, period: Period, now: datetime) -> None:
    await connection.execute(
        _TELL_OPENED,
        {
            "org": org,
            "start": period.start,
            "now": now,
            "event": new_ulid(),
            "type": EventType.BUDGET_PERIOD_OPENED,
        },
    )

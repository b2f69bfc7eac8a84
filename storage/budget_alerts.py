"""What a budget that was changed is at already: told in the change's own transaction, once a period.

A call that settles tells what it brings its account to (`journal_sql.CLOSE`), by the same rows.
"""

from datetime import datetime
from typing import LiteralString

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.events import Event, EventType
from gateway.ids import OrganizationId

REACHED: LiteralString = """
select 'threshold:' || t as kind, t as threshold from unnest(a.alert_thresholds) t where a.posted * 100 >= t * a.room
union all
select case a.holder when 'organization' then 'exhausted' else 'exhausted:' || a.holder end, null
where a.posted >= a.room
"""
"""What an account `a` has reached that its organisation is told of, as `kind` and `threshold`."""

# The account is locked first: a call that settles meanwhile is waited for, and counts.
_NEWLY_REACHED = text(f"""
with locked as (
  select org_id, period_start, period_end, holder, posted, alert_thresholds, spend_cap < allotment + carried as capped,
    least(allotment + carried, spend_cap) as room
  from credit_accounts
  where org_id = :org and holder = 'organization' and period_end > :now and closed_at is null and posted > 0
  order by period_start for update
),
reached as (
  select a.*, k.kind, k.threshold from locked a cross join lateral ({REACHED}) k
),
alerted as (
  insert into budget_alerts (org_id, period_start, kind, created_at)
  select org_id, period_start, kind, :now from reached order by period_start, kind
  on conflict do nothing returning period_start, kind
)
select r.threshold, r.posted, r.room, r.period_start, r.period_end, r.capped
from reached r join alerted using (period_start, kind) order by r.period_start, r.threshold nulls last
""")  # noqa: S608 - a constant of ours


async def newly_reached(session: AsyncSession, org: OrganizationId, *, now: datetime) -> list[Event]:
    """Events of what the periods that have not ended are at, each kind that was not told of before. Marks them told."""
    found = await session.execute(_NEWLY_REACHED, {"org": org, "now": now})
    return [
        _threshold_reached(threshold, used, limit, start, end)
        if threshold is not None
        else _exhausted(used, limit, start, end, reason="spend_cap" if capped else "allotment")
        for threshold, used, limit, start, end, capped in found
    ]


def _threshold_reached(threshold: int, used: int, limit: int, start: datetime, end: datetime) -> Event:
    return Event(EventType.BUDGET_THRESHOLD_REACHED, {"threshold": threshold, **_about(used, limit, start, end)})


def _exhausted(used: int, limit: int, start: datetime, end: datetime, *, reason: str) -> Event:
    return Event(EventType.CREDITS_EXHAUSTED, {"reason": reason, **_about(used, limit, start, end)})


def _about(used: int, limit: int, start: datetime, end: datetime) -> dict[str, int | str]:
    return {"used": used, "limit": limit, "period_start": start.isoformat(), "period_end": end.isoformat()}

"""Which organisations' schedules of budget resets are not yet what their billing cycles ask for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
from psycopg.types.json import Jsonb

from gateway.credits.period import Cycle
from gateway.ids import PLATFORM, OrganizationId
from storage.pool import Pool, fetch

_PAGE = 20

_UNSCHEDULED = """
select o.id, o.time_zone, o.anchor_day, o.scheduled_cycle,
  (select max(a.period_end) from credit_accounts a
    where a.org_id = o.id and a.holder = 'organization' and a.closed_at is null)
from organizations o
where o.id > %(after)s and o.id <> %(platform)s
  and (o.scheduled_cycle is distinct from o.time_zone || ' ' || o.anchor_day or o.id in (
    select a.org_id from credit_accounts a
    where a.holder = 'organization' and a.closed_at is null and a.period_end < %(overdue)s))
order by o.id limit %(limit)s
"""

_OVERDUE = timedelta(days=1)
"""How long after its end an open period says that nobody comes to close it: its schedule may be gone."""

# Whoever finds that somebody else was here meanwhile cannot know whose schedule stands: it is brought up again.
_MARK = """
with made as (
  select * from jsonb_to_recordset(%(made)s) as m(id text, before text, cycle text)
),
locked as (select id from organizations where id = any(array(select id from made)) order by id for no key update)
update organizations o
set scheduled_cycle = case when o.scheduled_cycle is not distinct from m.before then m.cycle end
from made m join locked using (id) where o.id = m.id
"""


@dataclass(frozen=True, slots=True)
class Unscheduled:
    """An organisation whose schedule is to be brought to `cycle`; `before` is what it was last brought to."""

    org: OrganizationId
    cycle: Cycle
    before: str | None
    open_until: datetime | None
    """Where its open period ends, which an earlier cycle may have set."""


async def unscheduled(pool: Pool, now: datetime, *, after: str = "") -> list[Unscheduled]:
    """One page in the order of ids, from beyond `after`. Empty when there are no more.

    Those too with a period that should have been closed long ago: Temporal may have lost what it was told.
    """
    overdue = now - _OVERDUE
    rows = await fetch(pool, _UNSCHEDULED, {"after": after, "platform": PLATFORM, "overdue": overdue, "limit": _PAGE})
    return [Unscheduled(OrganizationId(org), Cycle(zone, day), *rest) for org, zone, day, *rest in rows]


async def mark_scheduled(pool: Pool, made: Sequence[Unscheduled]) -> None:
    """Note that the schedules are as these say. Safe to repeat."""
    rows = [
        {"id": each.org, "before": each.before, "cycle": f"{each.cycle.zone} {each.cycle.anchor_day}"} for each in made
    ]
    await fetch(pool, _MARK, {"made": Jsonb(rows, dumps=orjson.dumps)})

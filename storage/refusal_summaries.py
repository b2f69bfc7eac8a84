"""One entry for all the refusals of a minute that were only counted, once the minute is over."""

from datetime import datetime, timedelta
from typing import Any

import orjson
from psycopg.types.json import Jsonb

from gateway.audit import PhiDisposition, canonical_time
from gateway.clock import Clock
from gateway.ids import new_ulid
from storage.pool import Pool, durable

_LARGEST = 500
_SETTLED = timedelta(minutes=2)
"""From a minute's begin: by then whoever counted in it and was not heard has sent its count again, or given up."""

_TAKE = """
with page as (
  select distinct minute, digest from refusal_counts where minute <= %(until)s order by minute, digest limit %(limit)s
),
taken as (
  delete from refusal_counts c using page p where c.minute = p.minute and c.digest = p.digest returning c.*
)
select org_id, facts, sum(count)::bigint, min(first_at), max(last_at) from taken
group by org_id, minute, digest, facts order by minute, org_id
"""

_TELL = """
with audited as (
  insert into audit_entries (id, org_id, action, entity_type, actor, metadata, phi_disposition, created_at)
  select id, org_id, action, 'request', actor, metadata, %(phi)s, %(at)s
  from jsonb_to_recordset(%(rows)s) as s(id text, org_id text, action text, actor text, metadata jsonb)
  returning id
)
insert into audit_pending (entry_id) select id from audited
"""


async def sum_up(pool: Pool, clock: Clock) -> int:
    """Turn one page of counts into entries, in one transaction; returns how many. Safe to run twice, also at once."""
    now = clock.now()
    async with durable(pool) as connection, connection.transaction():
        page = await connection.execute(_TAKE, {"until": now - _SETTLED, "limit": _LARGEST})
        rows = [_row(*group) for group in await page.fetchall()]
        if rows:
            told = {"rows": Jsonb(rows, dumps=orjson.dumps), "phi": PhiDisposition.NOT_PRESENT.value, "at": now}
            await connection.execute(_TELL, told)
    return len(rows)


def _row(org: str, facts: dict[str, Any], count: int, first_at: datetime, last_at: datetime) -> dict[str, Any]:
    times = {"first_at": canonical_time(first_at), "last_at": canonical_time(last_at)}
    metadata = {**facts["metadata"], "count": count, **times}
    return {"id": new_ulid(), "org_id": org, **facts, "metadata": metadata}

"""Which acceptances, of whatever organisation, something has to be done about."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.baa.acceptance import REMINDERS
from gateway.ids import AcceptanceId, OrganizationId
from storage.pool import Pool, fetch

PAGE = 100

_AWAITING = """
select id, org_id from baa_acceptances
where (awaits_document or status = 'pending') and id > %(after)s order by id limit %(limit)s
"""

# `passed` is what `gateway.baa.acceptance.passed_reminder` says.
_DUE = """
select id, org_id from (
  select id, org_id, least(expires_at, ends_at) as until, reminded_days,
    (select min(days) from unnest(%(reminders)s::integer[]) as days
     where least(expires_at, ends_at) <= %(now)s + make_interval(days => days)) as passed
  from baa_acceptances where status = 'active') as a
where (until <= %(now)s or passed < coalesce(reminded_days, passed + 1)) and id > %(after)s
order by id limit %(limit)s
"""

_OUTDATED = """
select id, org_id from baa_acceptances
where status = 'active' and template_sha256 = any(%(older)s)
  and coalesce(least(expires_at, ends_at) > %(end)s, true) and id > %(after)s
order by id limit %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Queued:
    id: AcceptanceId
    org: OrganizationId


async def awaiting_document(pool: Pool, *, after: str) -> list[Queued]:
    """Accepted, and not done with: their workflow has to run. A page, by id."""
    return _queued(await fetch(pool, _AWAITING, {"after": after, "limit": PAGE}))


async def due(pool: Pool, *, now: datetime, after: str) -> list[Queued]:
    """In force on paper, and ended by now or about to be told of. A page, by id."""
    parameters = {"now": now, "after": after, "limit": PAGE, "reminders": [*REMINDERS]}
    return _queued(await fetch(pool, _DUE, parameters))


async def outdated(pool: Pool, *, older: Collection[str], now: datetime, within: timedelta, after: str) -> list[Queued]:
    """In force, of one of the texts `older` (SHA-256), and without an end `within` that time. A page, by id."""
    parameters = {"older": [*older], "end": now + within, "after": after, "limit": PAGE}
    return _queued(await fetch(pool, _OUTDATED, parameters))


def _queued(rows: list[tuple[str, str]]) -> list[Queued]:
    return [Queued(AcceptanceId(acceptance), OrganizationId(org)) for acceptance, org in rows]

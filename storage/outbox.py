"""The outbox: events claimed with a lease, relayed, marked done. A claim that nobody finishes lapses."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import JsonValue
from ulid import ULID

from gateway.ids import EventId, OrganizationId
from storage.pool import Pool, durable

_CLAIM = """
update outbox set claimed_until = %(now)s + %(lease)s, attempts = attempts + 1
where id in (
  select id from outbox
  where relayed_at is null and (claimed_until is null or claimed_until < %(now)s)
  order by id limit %(limit)s for update skip locked)
returning id, org_id, type, data, created_at, attempts
"""

_FORGET = """
delete from outbox where id in (
  select id from outbox o where id < %(newest)s and relayed_at < %(before)s
    and not exists (select from webhook_deliveries d where d.event_id = o.id)
  order by id limit %(limit)s for update skip locked)
"""


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """An event to relay. `attempts` counts this one; above 1 a receiver may have it already."""

    id: EventId
    org: OrganizationId
    type: str
    data: dict[str, JsonValue]
    created_at: datetime
    attempts: int


async def claim(pool: Pool, *, now: datetime, lease: timedelta, limit: int) -> list[OutboxEvent]:
    """The oldest waiting events, reserved to the caller until `now + lease`."""
    parameters = {"now": now, "lease": lease, "limit": limit}
    async with durable(pool) as connection:
        rows = await (await connection.execute(_CLAIM, parameters)).fetchall()
    return sorted(
        (OutboxEvent(EventId(row[0]), OrganizationId(row[1]), *row[2:]) for row in rows), key=lambda event: event.id
    )


async def mark_relayed(pool: Pool, events: Sequence[EventId], *, now: datetime) -> None:
    """Safe to repeat."""
    async with durable(pool) as connection:
        await connection.execute(
            "update outbox set relayed_at = %s where id = any(%s) and relayed_at is null", [now, list(events)]
        )


async def forget_relayed(pool: Pool, *, before: datetime, limit: int) -> int:
    """Delete some of what was relayed before then and has no deliveries, oldest first.

    Returns how many, `limit` when there may be more.
    """
    # What was relayed by then was made by then, and ids sort by time: the primary key finds it, no index needed.
    parameters = {"before": before, "newest": str(ULID.from_datetime(before)), "limit": limit}
    async with durable(pool) as connection:
        return (await connection.execute(_FORGET, parameters)).rowcount

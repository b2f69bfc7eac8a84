"""First tries: deliveries that wait are claimed with a lease, fairly among endpoints. What nobody settles lapses.

Of each endpoint only the first few that wait may be under way, whoever claimed them: so one that is slow holds
nothing of the others up, however many dispatchers there are.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from typing import Final

import structlog
from psycopg.rows import TupleRow

from gateway.errors import UnavailableError
from gateway.events import EventType
from gateway.ids import DeliveryId, EndpointId, EventId, OrganizationId
from gateway.webhooks.attempts import Outgoing
from gateway.webhooks.endpoints import EndpointState
from gateway.webhooks.events import body
from gateway.webhooks.signing import SecretKind, SigningSecret
from storage.encryption import ContentCipher, SealedValueError
from storage.pool import Connection, Pool, fetch, repeatable
from storage.webhooks.secrets import place

log = structlog.get_logger()

LEASE: Final = timedelta(seconds=60)
"""Longer than any try lasts, of the longest `HASP_WEBHOOK_TIMEOUT_S`."""

_PAGE = 64

_WAITING = """
select w.id, w.state, w.url, w.is_ordered, w.rate_per_minute, coalesce(h.rests, 0),
  greatest(h.rests_until, h.paced_until)
from hasp_webhooks_waiting(%(after)s, %(limit)s) as open(endpoint_id)
join webhook_endpoints w on w.id = open.endpoint_id left join webhook_health h on h.endpoint_id = w.id
order by w.id
"""

_CLAIM = """
with wanted as (
  select * from unnest(%(endpoints)s::text[], %(rooms)s::integer[], %(ordered)s::boolean[])
    as w(endpoint_id, room, is_ordered)
),
chosen as materialized (
  select head.id from wanted w cross join lateral (
    select d.id, d.priority, d.claimed_until from webhook_deliveries d
    where d.endpoint_id = w.endpoint_id and d.state = 'pending' order by d.priority, d.id limit w.room) as head
  where (head.claimed_until is null or head.claimed_until <= %(now)s)
    and (not w.is_ordered or not exists (
      select from webhook_deliveries b
      where b.endpoint_id = w.endpoint_id and b.state in ('pending', 'retrying')
        and (b.priority, b.id) < (head.priority, head.id)))
),
locked as (
  select d.id from webhook_deliveries d join chosen using (id)
  where d.state = 'pending' and (d.claimed_until is null or d.claimed_until <= %(now)s)
  for update of d skip locked
),
claimed as (
  update webhook_deliveries d set claimed_until = %(until)s from locked where d.id = locked.id
  returning d.*
)
select c.id, c.org_id, c.endpoint_id, c.event_id, c.event_type, c.attempts, c.attempts_before, c.replay_id,
  o.type, o.data, o.created_at
from claimed c join outbox o on o.id = c.event_id order by c.priority, c.id
"""

# A circuit that is half open lets one through, and nobody else until that one's lease is over or it is settled.
_NOTE = """
insert into webhook_health as h (endpoint_id, org_id, paced_until)
select n.endpoint_id, n.org_id, case when n.paced_s > 0 then %(now)s + make_interval(secs => n.paced_s) end
from unnest(%(endpoints)s::text[], %(orgs)s::text[], %(paced_s)s::double precision[])
  as n(endpoint_id, org_id, paced_s) order by n.endpoint_id
on conflict (endpoint_id) do update set
  paced_until = greatest(h.paced_until, %(now)s) + (excluded.paced_until - %(now)s),
  rests_until = case when h.rests > 0 then greatest(h.rests_until, %(until)s) else h.rests_until end
"""

_SECRETS = """
select endpoint_id, org_id, id, kind, secret from webhook_secrets
where endpoint_id = any(%(endpoints)s) and (retires_at is null or retires_at > %(now)s)
order by created_at desc, id desc
"""


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery to try now. `number` is that of the try, counted from 1; `before` of these were of earlier chains."""

    id: DeliveryId
    org: OrganizationId
    endpoint_id: EndpointId
    event_id: EventId
    event_type: str
    number: int
    before: int
    outgoing: Outgoing


@dataclass(frozen=True, slots=True)
class Waiting:
    """An endpoint with open deliveries. `until` is when the next first try may be made, if that is known."""

    id: EndpointId
    state: EndpointState
    url: str = field(repr=False)
    is_ordered: bool
    rate_per_minute: int | None
    rests: int
    until: datetime | None

    @property
    def is_over(self) -> bool:
        return self.state in (EndpointState.DISABLED, EndpointState.DELETED)

    def is_ready(self, now: datetime) -> bool:
        return self.state is EndpointState.ACTIVE and (self.until is None or self.until <= now)

    def room(self, share: int) -> int:
        """How many may be under way when each endpoint's share is so many; a rate is given out a second at a time."""
        if self.is_ordered or self.rests:
            return 1
        return share if self.rate_per_minute is None else min(share, ceil(self.rate_per_minute / 60))

    def pace_s(self, count: int) -> float:
        """How long its rate allows nothing more after `count` tries."""
        return 0.0 if self.rate_per_minute is None else 60.0 * count / self.rate_per_minute


async def waiting(pool: Pool, *, after: str, limit: int = _PAGE) -> list[Waiting]:
    """Endpoints with open deliveries, of any state, by their ids: a page, fewer than `limit` on the last one."""
    rows = await fetch(pool, _WAITING, {"after": after, "limit": limit})
    return [Waiting(EndpointId(row[0]), EndpointState(row[1]), *row[2:]) for row in rows]


async def claim(
    pool: Pool, cipher: ContentCipher, endpoints: Sequence[tuple[Waiting, int]], *, now: datetime
) -> list[Due]:
    """What waits first of each endpoint, as far as its room goes, reserved for `LEASE`.

    What is under way already takes room; of an ordered endpoint nothing passes what is open before it. What cannot
    be signed is left where it is. Raises `UnavailableError`; what was claimed then lapses.
    """
    secrets = await live_secrets(pool, cipher, [endpoint.id for endpoint, _ in endpoints], now=now)
    signed = [(endpoint, room) for endpoint, room in endpoints if endpoint.id in secrets]
    if not signed:
        return []
    known = {endpoint.id: endpoint for endpoint, _ in signed}
    rows = await repeatable(pool, lambda connection: _claim(connection, signed, known, now))
    return [due(row, known[row[2]].url, secrets[row[2]]) for row in rows]


async def live_secrets(
    pool: Pool, cipher: ContentCipher, endpoints: Collection[EndpointId], *, now: datetime
) -> Mapping[EndpointId, tuple[SigningSecret, ...]]:
    """What deliveries are signed with, the newest first. Without those of whom a secret does not open.

    Raises `UnavailableError`.
    """
    rows = await fetch(pool, _SECRETS, {"endpoints": list(endpoints), "now": now})
    secrets: dict[EndpointId, tuple[SigningSecret, ...]] = {}
    shut: set[EndpointId] = set()
    for endpoint, org, secret_id, kind, sealed in rows:
        try:
            key = await cipher.open(OrganizationId(org), place(secret_id), sealed)
        except (SealedValueError, UnavailableError):
            # One organisation's keys that cannot be had must hold up nobody else's deliveries.
            log.warning("webhook_secret_not_opened", org_id=org, endpoint_id=endpoint)
            shut.add(endpoint)
        else:
            secrets[endpoint] = (*secrets.get(endpoint, ()), SigningSecret(SecretKind(kind), key))
    return {endpoint: keys for endpoint, keys in secrets.items() if endpoint not in shut}


def due(row: TupleRow, url: str, secrets: tuple[SigningSecret, ...]) -> Due:
    """From what `_CLAIM` selects."""
    delivery, org, endpoint, event, event_type, attempts, before, replay, told_as, data, at = row
    sent = body(event, event_type, org=org, at=at, data=data, is_test=told_as == EventType.WEBHOOK_ENDPOINT_TEST)
    outgoing = Outgoing(delivery, url, sent, secrets, replay)
    return Due(delivery, org, endpoint, event, event_type, attempts + 1, before, outgoing)


async def _claim(
    connection: Connection,
    endpoints: Sequence[tuple[Waiting, int]],
    known: Mapping[EndpointId, Waiting],
    now: datetime,
) -> list[TupleRow]:
    parameters = {
        "endpoints": [endpoint.id for endpoint, _ in endpoints],
        "rooms": [room for _, room in endpoints],
        "ordered": [endpoint.is_ordered for endpoint, _ in endpoints],
        "now": now,
        "until": now + LEASE,
    }
    async with connection.transaction():
        rows = await (await connection.execute(_CLAIM, parameters)).fetchall()
        counts: dict[tuple[EndpointId, str], int] = {}
        for row in rows:
            if known[row[2]].rests or known[row[2]].rate_per_minute is not None:
                counts[row[2], row[1]] = counts.get((row[2], row[1]), 0) + 1
        if counts:
            noted = {
                "endpoints": [endpoint for endpoint, _ in counts],
                "orgs": [org for _, org in counts],
                "paced_s": [known[endpoint].pace_s(count) for (endpoint, _), count in counts.items()],
                "now": now,
                "until": now + LEASE,
            }
            await connection.execute(_NOTE, noted)
    return rows

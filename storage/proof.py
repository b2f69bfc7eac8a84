"""The proof of the books: entries, balances, holds and usage of a period are laid beside each other anew.

Each period is read by one statement under one snapshot, without a lock: calls that go on meanwhile are in it whole or
not at all, since each is opened and closed by one statement.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import LiteralString

import orjson
from psycopg.errors import QueryCanceled
from psycopg.types.json import Jsonb
from ulid import ULID

from gateway.audit import AuditAction, PhiDisposition
from gateway.events import EventType
from gateway.ids import PLATFORM, OrganizationId
from gateway.retention import first_id_after
from storage.accounts import period_entry
from storage.pool import Connection, Pool, durable, fetch, repeatable
from storage.proof_sql import PERIODS, PROVE, PURGED_THROUGH

_OVERDUE = timedelta(minutes=10)
"""How long after its lease an open hold is a discrepancy: many sweeps have been by then."""

# For analysis of a whole period; the pool's own settings are for looking up single rows.
_SNAPSHOT: LiteralString = """
set transaction isolation level repeatable read read only;
set local statement_timeout = '10min';
set local enable_seqscan = on;
set local jit = off
"""

_RAISE = """
with found as (
  select * from jsonb_to_recordset(%(rows)s) as f(
    entry_id text, event_id text, org_id text, entity_id text, facts jsonb)
),
audited as (
  insert into audit_entries (id, org_id, action, entity_type, entity_id, actor, metadata, phi_disposition, created_at)
  select entry_id, org_id, %(action)s, 'credit_period', entity_id, 'system:books_proof', facts, %(phi)s, %(at)s
  from found on conflict (id) do nothing returning id
),
told as (
  insert into outbox (id, org_id, type, data, created_at)
  select f.event_id, %(platform)s, %(event)s, f.facts, %(at)s from found f join audited a on a.id = f.entry_id
)
insert into audit_pending (entry_id) select id from audited returning entry_id
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a walk over all periods has come to: behind this one. As text, so that it travels."""

    org: str = ""
    start: str = "-infinity"


@dataclass(frozen=True, slots=True)
class BooksPeriod:
    """A period of an organisation. `is_recent`: open, or ended not long ago."""

    org: OrganizationId
    start: datetime
    is_recent: bool

    @property
    def place(self) -> Place:
        return Place(self.org, self.start.isoformat())


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """What does not agree in a period: which check, in whose account or in how many calls, and the sums if it has any.

    `example` is the first call's id. Ids and amounts only.
    """

    org: OrganizationId
    period_start: datetime
    check: str
    holder: str | None
    count: int
    example: str | None
    recorded: int | None
    proven: int | None


async def periods_after(
    pool: Pool, place: Place, *, since: datetime, limit: int, only: OrganizationId | None = None
) -> list[BooksPeriod]:
    """The next `limit` periods that any account, entry or usage is of, in order; `only` one organisation's.

    Fewer than `limit` are the last. One that ended before `since` is not recent.
    """
    named = {"org": place.org, "start": place.start, "since": since, "limit": limit, "only": only}
    return [BooksPeriod(OrganizationId(org), *rest) for org, *rest in await fetch(pool, PERIODS, named)]


def first_place(only: OrganizationId | None) -> Place:
    """Before all periods, or all of one organisation."""
    return Place(only or "")


async def prove(pool: Pool, period: BooksPeriod, *, at: datetime) -> list[Discrepancy]:
    """What does not agree in `period`; nothing when all does. One that takes ten minutes counts as not proven."""
    named: dict[str, object] = {"org": period.org, "start": period.start, "overdue": at - _OVERDUE}

    async def look(connection: Connection) -> list[Discrepancy]:
        try:
            async with connection.transaction():
                await connection.execute(_SNAPSHOT)
                ((purged,),) = await (await connection.execute(PURGED_THROUGH, named)).fetchall()
                named["kept_from"] = first_id_after(purged) if purged else ""
                rows = await (await connection.execute(PROVE, named)).fetchall()
        except QueryCanceled:
            return [Discrepancy(period.org, period.start, "not_proven_in_time", None, 1, None, None, None)]
        return [Discrepancy(period.org, period.start, *row) for row in rows]

    return await repeatable(pool, look)


async def raise_alarm(pool: Pool, found: Sequence[Discrepancy], *, at: datetime) -> list[Discrepancy]:
    """Audit each of `found` in its organisation's log and tell the platform's outbox of it, once a day (of UTC).

    Returns those that nobody had raised on that day.

    Whoever runs the installation can mend the books; their tenant cannot, and finds the entry in its log.
    """
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    alarms = {_business_id("audit", each, day): each for each in found}
    rows = [_alarm(entry_id, each, day) for entry_id, each in alarms.items()]
    named = {
        "rows": Jsonb(rows, dumps=orjson.dumps),
        "action": AuditAction.BOOKS_DISCREPANCY.value,
        "phi": PhiDisposition.NOT_PRESENT.value,
        "platform": PLATFORM,
        "event": EventType.BOOKS_DISCREPANCY.value,
        "at": at,
    }
    async with durable(pool) as connection:
        raised = await (await connection.execute(_RAISE, named)).fetchall()
    return [alarms[entry_id] for (entry_id,) in raised]


def _alarm(entry_id: str, found: Discrepancy, day: datetime) -> dict[str, object]:
    return {
        "entry_id": entry_id,
        "event_id": _business_id("event", found, day),
        "org_id": found.org,
        "entity_id": period_entry(found.org, found.period_start),
        "facts": {
            "organization_id": found.org,
            "period_start": found.period_start.isoformat(),
            "check": found.check,
            "holder": found.holder,
            "count": found.count,
            "example": found.example,
            "recorded": found.recorded,
            "proven": found.proven,
        },
    }


def _business_id(kind: str, found: Discrepancy, day: datetime) -> str:
    """The same ULID for the same finding of the same day, whoever raises it and however often."""
    named = f"{kind}:{found.org}:{found.period_start.isoformat()}:{found.check}:{found.holder}"
    digest = hashlib.sha256(named.encode()).digest()
    return str(ULID.from_bytes(int(day.timestamp() * 1000).to_bytes(6, "big") + digest[:10]))

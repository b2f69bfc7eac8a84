"""Endpoints' health as kept: judged by what is tried, told of, and in the end acted on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb
from pydantic import JsonValue

from gateway.audit import AuditAction, PhiDisposition
from gateway.events import EventType
from gateway.ids import EndpointId, new_ulid
from gateway.webhooks.endpoints import DisabledBecause
from gateway.webhooks.health import Health, Tried, after
from storage.pool import Connection

log = structlog.get_logger()

_ACTOR = "system:webhooks"

# Endpoints before their health, as whoever changes one does: the other way round the two would wait for each other.
_LOCK = "select id from webhook_endpoints where id = any(%(ids)s) order by id for no key update"

_MAKE = """
insert into webhook_health (endpoint_id, org_id)
select id, org_id from webhook_endpoints where id = any(%(ids)s) order by id on conflict do nothing
"""

_READ = """
select w.id, w.org_id, w.state in ('active', 'paused'),
  h.failures, h.failing_since, h.noticed_percent, h.rests, h.opened_at, h.rests_until
from webhook_health h join webhook_endpoints w on w.id = h.endpoint_id
where h.endpoint_id = any(%(ids)s) order by h.endpoint_id for update of h
"""

_WRITE = """
update webhook_health h set failures = n.failures, failing_since = n.failing_since,
  noticed_percent = n.noticed_percent, rests = n.rests, opened_at = n.opened_at, rests_until = n.rests_until
from unnest(%(ids)s::text[], %(failures)s::integer[], %(failing_since)s::timestamptz[], %(noticed_percent)s::integer[],
  %(rests)s::integer[], %(opened_at)s::timestamptz[], %(rests_until)s::timestamptz[])
  as n(endpoint_id, failures, failing_since, noticed_percent, rests, opened_at, rests_until)
where h.endpoint_id = n.endpoint_id
"""

_DISABLE = """
update webhook_endpoints w set state = 'disabled', disabled_because = d.because, version = w.version + 1,
  updated_at = %(now)s
from unnest(%(ids)s::text[], %(because)s::text[]) as d(id, because)
where w.id = d.id and w.state in ('active', 'paused')
"""

# After an endpoint is disabled: what tells of that is skipped by itself, and goes to the others.
_TELL = """
with told as (
  select * from jsonb_to_recordset(%(rows)s)
    as t(id text, entry_id text, org_id text, type text, action text, endpoint_id text, data jsonb)
),
events as (
  insert into outbox (id, org_id, type, data, created_at) select id, org_id, type, data, %(now)s from told
),
audited as (
  insert into audit_entries (id, org_id, action, entity_type, entity_id, actor, metadata, phi_disposition, created_at)
  select entry_id, org_id, action, 'webhook_endpoint', endpoint_id, %(actor)s, data - 'endpoint_id', %(phi)s, %(now)s
  from told returning id
)
insert into audit_pending (entry_id) select id from audited
"""


@dataclass(frozen=True, slots=True)
class _Judged:
    """An endpoint after its tries, and what is to be told of it: the event's type and data."""

    id: EndpointId
    org: str
    health: Health
    because: DisabledBecause | None
    told: tuple[tuple[EventType, Mapping[str, JsonValue]], ...]


async def judge(
    connection: Connection, tries: Mapping[EndpointId, Sequence[tuple[Tried, bool]]], *, now: datetime
) -> None:
    """Reckon tries, in the order in which they ended, into their endpoints' health; True says that it is gone.

    Within a transaction that settles them. Tells the organisation, the audit log and this process's log of an
    endpoint that nears its end or comes to it.
    """
    named = {"ids": sorted(tries)}
    for statement in (_LOCK, _MAKE):
        await connection.execute(statement, named)
    rows = await (await connection.execute(_READ, named)).fetchall()
    judged = [_judged(row, tries[row[0]]) for row in rows]
    await connection.execute(_WRITE, _columns(judged))
    if ended := [each for each in judged if each.because]:
        parameters = {"ids": [each.id for each in ended], "because": [each.because for each in ended], "now": now}
        await connection.execute(_DISABLE, parameters)
    if told := [_row(each, kind, data) for each in judged for kind, data in each.told]:
        rows = Jsonb(told)
        audited = {"rows": rows, "actor": _ACTOR, "phi": PhiDisposition.NOT_PRESENT.value, "now": now}
        await connection.execute(_TELL, audited)
        for each in judged:
            _log(each)


def _judged(row: TupleRow, tries: Sequence[tuple[Tried, bool]]) -> _Judged:
    endpoint, org, is_open = EndpointId(row[0]), row[1], row[2]
    health = Health(*row[3:])
    told: list[tuple[EventType, Mapping[str, JsonValue]]] = []
    because: DisabledBecause | None = None
    for tried, is_gone in tries:
        verdict = after(health, tried)
        health = verdict.health
        if verdict.notice is not None and is_open:
            told.append((EventType.WEBHOOK_ENDPOINT_FAILING, _failing(endpoint, health, verdict.notice)))
        if is_gone or verdict.disables:
            because = because or (DisabledBecause.GONE if is_gone else DisabledBecause.FAILURES)
    if because and is_open:
        told.append((EventType.WEBHOOK_ENDPOINT_DISABLED, {"endpoint_id": endpoint, "reason": because.value}))
    return _Judged(endpoint, org, health, because if is_open else None, tuple(told))


def _failing(endpoint: EndpointId, health: Health, percent: int) -> Mapping[str, JsonValue]:
    times = {"failing_since": health.failing_since, "disabled_at": health.disabled_at}
    return {
        "endpoint_id": endpoint,
        "percent": percent,
        **{name: at.isoformat(timespec="seconds") for name, at in times.items() if at is not None},
    }


def _log(judged: _Judged) -> None:
    for kind, data in judged.told:
        if kind is EventType.WEBHOOK_ENDPOINT_FAILING:
            log.warning("webhook_endpoint_failing", org_id=judged.org, endpoint_id=judged.id, percent=data["percent"])
        else:
            log.warning("webhook_endpoint_disabled", org_id=judged.org, endpoint_id=judged.id, reason=data["reason"])


def _row(judged: _Judged, kind: EventType, data: Mapping[str, JsonValue]) -> dict[str, Any]:
    action = _ACTIONS[kind]
    return {
        "id": new_ulid(),
        "entry_id": new_ulid(),
        "org_id": judged.org,
        "type": kind.value,
        "action": action.value,
        "endpoint_id": judged.id,
        "data": dict(data),
    }


_ACTIONS = {
    EventType.WEBHOOK_ENDPOINT_FAILING: AuditAction.WEBHOOK_ENDPOINT_FAILING,
    EventType.WEBHOOK_ENDPOINT_DISABLED: AuditAction.WEBHOOK_ENDPOINT_DISABLED,
}


def _columns(judged: Sequence[_Judged]) -> dict[str, object]:
    healths = [each.health for each in judged]
    return {
        "ids": [each.id for each in judged],
        "failures": [health.failures for health in healths],
        "failing_since": [health.failing_since for health in healths],
        "noticed_percent": [health.noticed_percent for health in healths],
        "rests": [health.rests for health in healths],
        "opened_at": [health.opened_at for health in healths],
        "rests_until": [health.rests_until for health in healths],
    }

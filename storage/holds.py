"""The sweep: holds whose process died give their credits back, and their calls are recorded as lost."""

from datetime import datetime, timedelta

import orjson
import structlog
from psycopg import IntegrityError
from psycopg.types.json import Jsonb

from gateway.audit import AuditAction, PhiDisposition
from gateway.audit.compliance import ComplianceEvent
from gateway.clock import Clock
from gateway.events import EventType
from gateway.ids import new_ulid, request_id
from gateway.inference.call import Status
from storage import journal_sql
from storage.journal_rows import Json
from storage.pool import Pool, durable, fetch

log = structlog.get_logger()

_LARGEST = 200
_GRACE = timedelta(seconds=5)
"""Clocks of processes differ a little; a holder gets this much longer than its lease says."""

_EVENTS = [ComplianceEvent.CREDITS_RESERVED, ComplianceEvent.CREDITS_RETURNED]

_LAPSED = """
select h.id, i.model, i.surface, i.key_id, i.agent_id, i.credential_id, u.digest
from credit_holds h join inferences i on i.id = h.id left join end_users u on u.id = i.end_user_id
where h.state = 'open' and h.expires_at < %(before)s and (%(only)s::text is null or h.id = %(only)s)
order by h.id limit %(most)s for update of h skip locked
"""


async def expire_lapsed(pool: Pool, clock: Clock) -> int:
    """Expire one batch of lapsed holds in one transaction; returns how many. Safe to run twice, also at once.

    Where somebody has left an account that cannot give back what a hold says, its hold stays and the others go.
    """
    now = clock.now()
    try:
        return await _expire(pool, now)
    except IntegrityError:
        lapsed = await fetch(pool, _LAPSED, _which(now))
    return sum([await _expire_alone(pool, now, hold) for hold, *_ in lapsed])


async def _expire_alone(pool: Pool, now: datetime, hold: str) -> int:
    try:
        return await _expire(pool, now, only=hold)
    except IntegrityError as failure:
        # Without the failure's own text: it shows the row.
        log.error(  # noqa: TRY400
            "hold_not_expired", request_id=request_id(hold), error_type=type(failure).__name__
        )
        return 0


async def _expire(pool: Pool, now: datetime, *, only: str | None = None) -> int:
    async with durable(pool) as connection, connection.transaction():
        lapsed = await (await connection.execute(_LAPSED, _which(now, only))).fetchall()
        if lapsed:
            rows = [_row(place, *hold) | {"at": now} for place, hold in enumerate(lapsed, start=1)]
            nothing = [None] * len(rows)
            await connection.execute(
                journal_sql.CLOSE,
                {"rows": Jsonb(rows, dumps=orjson.dumps), "requests": nothing, "answers": nothing},
            )
    return len(lapsed)


def _which(now: datetime, only: str | None = None) -> dict[str, object]:
    return {"before": now - _GRACE, "only": only, "most": _LARGEST}


def _row(
    place: int,
    inference: str,
    model: str,
    surface: str,
    key: str | None,
    agent: str | None,
    credential: str | None,
    subject: str | None,
) -> Json:
    about = {"request_id": request_id(inference), "model": model, "surface": surface, "status": Status.LOST}
    if agent is not None:
        about |= {"agent_id": agent, "credential_id": credential}
    told = {**about, "key_id": key, "error_code": None}
    return {
        "place": place,
        "id": inference,
        "hold_state": "expired",
        "charge": 0,
        "status": Status.LOST,
        "model": model,
        "phi_action": "none",
        "entity_types": [],
        "redaction_count": 0,
        "findings": [],
        "events": [{"id": new_ulid(), "type": EventType.AI_REQUEST_FAILED, "data": told}],
        "audit": {
            "id": new_ulid(),
            "action": AuditAction.AI_REQUEST_LOST,
            "actor": "system:hold_sweep",
            "metadata": {**about, "compliance_events": _EVENTS},
            "phi_disposition": PhiDisposition.NOT_PRESENT,
            "subject": subject,
        },
    }

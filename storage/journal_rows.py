"""Inferences as the rows that the journal's statements take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from gateway.audit import AuditAction, PhiDisposition
from gateway.catalog import Model
from gateway.completion import Completion
from gateway.credits.period import period_of
from gateway.errors import CreditsExhaustedError
from gateway.events import Event
from gateway.ids import new_ulid
from gateway.inference import trail
from gateway.inference.call import Call, Outcome
from gateway.inference.ports import Refusal
from gateway.inference.seals import seals_of

Json = dict[str, Any]


def opening_row(call: Call, model: Model, *, amount: int, lease: timedelta) -> Json:
    principal = call.access.principal
    return {
        "id": call.id,
        "org_id": principal.org,
        "period_start": period_of(call.received_at).start,
        "amount": amount,
        "expires_at": call.received_at + lease,
        "key_id": principal.key,
        "surface": call.surface,
        "model": model.id,
        "mode": principal.mode,
        "streamed": call.stream,
        "stored": call.keeps_content,
        "conversation_id": call.thread,
        "created_at": call.received_at,
    }


def closing_row(outcome: Outcome) -> Json:
    call, report, completion = outcome.call, outcome.report, outcome.completion
    return {
        "id": call.id,
        "hold_state": "settled" if completion else "voided",
        "charge": outcome.charge,
        "at": outcome.at,
        "status": outcome.status,
        "model": outcome.model.id,
        "stop_reason": completion.stop_reason if completion else None,
        "error_code": outcome.error.code if outcome.error else None,
        "phi_mode": report.mode if report else None,
        "phi_action": report.action if report else "none",
        "entity_types": list(report.entity_types) if report else [],
        "redaction_count": report.redaction_count if report else 0,
        "seals": seals_of(completion.blocks) or None if completion and _keeps_numbers(outcome) else None,
        "usage": _usage(outcome, completion) if completion else None,
        # orjson writes dataclasses as they are
        "findings": (*report.findings, *(report.answer_findings or ())) if report else (),
        "events": _events(trail.events(outcome)),
        "audit": {
            "id": new_ulid(),
            "action": trail.action(outcome),
            "actor": trail.actor(call.access.principal.key),
            "ip_address": call.ip_address,
            "metadata": trail.audit_metadata(outcome),
            "phi_disposition": trail.disposition(outcome),
        },
    }


def _keeps_numbers(outcome: Outcome) -> bool:
    return outcome.call.keeps_content and bool(outcome.placeholders)


def _usage(outcome: Outcome, completion: Completion) -> Json:
    usage = completion.usage
    principal = outcome.call.access.principal
    return {
        "key_id": principal.key,
        "model": outcome.model.id,
        "mode": principal.mode,
        "input_tokens": usage.input,
        "output_tokens": usage.output,
        "cache_read_tokens": usage.cache_read,
        "cache_write_5m_tokens": usage.cache_write_5m,
        "cache_write_1h_tokens": usage.cache_write_1h,
        "reasoning_tokens": usage.reasoning,
        "service_tier": usage.service_tier,
        "estimated": usage.estimated,
        "cost_micro_usd": trail.cost_micro_usd(outcome),
    }


def _events(events: Sequence[Event]) -> list[Json]:
    return [{"id": new_ulid(), "type": event.type, "data": event.data} for event in events]


def refusal_row(refusal: Refusal) -> Json:
    return {
        "id": new_ulid(),
        "org_id": refusal.org,
        "action": AuditAction.AI_REQUEST_REFUSED if refusal.surface else AuditAction.ACCESS_REFUSED,
        "entity_type": "request",
        "entity_id": refusal.id,
        "actor": refusal.actor,
        "ip_address": refusal.ip_address,
        "metadata": trail.refusal_metadata(refusal),
        "phi_disposition": PhiDisposition.NOT_PRESENT,
        "created_at": refusal.at,
        "events": _events(trail.refusal_events(refusal)),
    }


@dataclass(frozen=True, slots=True)
class Room:
    """Credits left to an organisation in a period; `capped` when its own cap sets them."""

    left: int
    capped: bool


def fitting(rows: Sequence[Json], rooms: Mapping[str, Room]) -> list[Json]:
    """The rows, first come first served, whose amounts fit into what is left to their organisations."""
    left = {org: room.left for org, room in rooms.items()}
    chosen: list[Json] = []
    for row in rows:
        if row["amount"] <= left.get(row["org_id"], 0):
            left[row["org_id"]] -= row["amount"]
            chosen.append(row)
    return chosen


def exhausted(row: Json, room: Room | None) -> CreditsExhaustedError:
    """Why `row` was not admitted (spec D8)."""
    return CreditsExhaustedError(
        details={
            "cycle_reset_at": period_of(row["created_at"]).end.isoformat(),
            "reason": "spend_cap" if room is not None and room.capped else "allotment",
        }
    )

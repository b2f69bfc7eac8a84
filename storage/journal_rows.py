"""Inferences as the rows that the journal's statements take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gateway.agents.scope import tool_uses
from gateway.catalog import Model
from gateway.completion import Completion
from gateway.credits.period import Period
from gateway.errors import CreditsExhaustedError, GatewayError, UnavailableError
from gateway.events import Event
from gateway.ids import EndUserId, new_ulid
from gateway.inference import trail
from gateway.inference.call import Call, Outcome
from gateway.inference.seals import seals_of
from storage.accounts import ORGANIZATION, holders, owner_of

Json = dict[str, Any]


def opening_row(
    call: Call, model: Model, period: Period, *, amount: int, lease: timedelta, end_user: EndUserId | None
) -> Json:
    principal = call.access.principal
    row: Json = {
        "id": call.id,
        "org_id": principal.org,
        "period_start": period.start,
        "holders": holders(principal),
        "amount": amount,
        "expires_at": call.received_at + lease,
        "key_id": principal.key,
        "surface": call.surface,
        "model": model.id,
        "mode": principal.mode,
        "streamed": call.stream,
        "stored": call.keeps_content,
        "conversation_id": call.thread,
        "end_user_id": end_user,
        "created_at": call.received_at,
    }
    if delegation := principal.delegation:
        row |= {
            "agent_id": delegation.agent,
            "credential_id": delegation.credential,
            "delegation_path": delegation.path,
            "delegating_user": delegation.user,
        }
    return row


def closing_row(outcome: Outcome, *, subject: str | None) -> Json:
    """`subject` is the digest of whom the call named."""
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
            "actor": call.access.principal.actor,
            "ip_address": call.ip_address,
            "metadata": trail.audit_metadata(outcome),
            "phi_disposition": trail.disposition(outcome),
            "subject": subject,
        },
    }


def is_recorded(row: Json, state: str | None) -> bool:
    """Whether the closing `row` is what its hold's `state` came to.

    An answer is not, when its process slept beyond its lease and somebody asked again under its idempotency key
    meanwhile: that gives up the hold, so that one key never has two answers.
    """
    return row["hold_state"] != "settled" or state == "settled"


def _keeps_numbers(outcome: Outcome) -> bool:
    return outcome.call.keeps_content and bool(outcome.placeholders)


def _usage(outcome: Outcome, completion: Completion) -> Json:
    usage = completion.usage
    principal = outcome.call.access.principal
    told: Json = {
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
    if delegation := principal.delegation:
        told |= {"agent_id": delegation.agent, "chain": delegation.chain, "tools": tool_uses(completion, delegation)}
    return told


def _events(events: Sequence[Event]) -> list[Json]:
    return [{"id": new_ulid(), "type": event.type, "data": event.data} for event in events]


@dataclass(frozen=True, slots=True)
class Room:
    """Credits left on a holder's account in a period; `capped` when a cap of the holder's own sets them."""

    holder: str
    period: Period
    closed: bool
    left: int | None
    """None: as many as the organisation has."""
    capped: bool

    @property
    def reason(self) -> str:
        if self.holder != ORGANIZATION:
            return f"{owner_of(self.holder)[0]}_cap"
        return "spend_cap" if self.capped else "allotment"


class AccountExhaustedError(CreditsExhaustedError):
    """Why a call was not admitted (spec D8): `room` is on the account that was too small for it."""

    def __init__(self, room: Room) -> None:
        super().__init__(details={"cycle_reset_at": room.period.end.isoformat(), "reason": room.reason})
        self._room = room

    def alert(self) -> Json:
        """What the organisation is told, the first time in the period."""
        room = self._room
        about: Json = {"reason": room.reason, "period_start": room.period.start, "period_end": room.period.end}
        if room.holder != ORGANIZATION:
            kind, owner = owner_of(room.holder)
            about[f"{kind}_id"] = owner
        return {
            "event_id": new_ulid(),
            "kind": "exhausted" if room.holder == ORGANIZATION else f"exhausted:{room.holder}",
            "period_start": room.period.start,
            "data": about,
        }


Rooms = Mapping[tuple[str, datetime, str], Room]
"""By organisation, period and holder."""


def accounts_of(row: Json) -> list[tuple[str, datetime, str]]:
    return [(row["org_id"], row["period_start"], holder) for holder in row["holders"]]


def fitting(rows: Sequence[Json], rooms: Rooms) -> list[Json]:
    """The rows, first come first served, whose amounts fit into what is left on all their accounts."""
    left = {account: room.left for account, room in rooms.items() if not room.closed}
    chosen: list[Json] = []
    for row in rows:
        accounts = accounts_of(row)
        if all(account in left for account in accounts) and all(
            (has := left[account]) is None or row["amount"] <= has for account in accounts
        ):
            for account in accounts:
                has = left[account]
                left[account] = None if has is None else has - row["amount"]
            chosen.append(row)
    return chosen


def why_refused(row: Json, rooms: Rooms) -> GatewayError:
    """Why `row` was not admitted. An account that is not there, or closed by now, is nothing a caller has to know."""
    found = [rooms.get(account) for account in accounts_of(row)]
    known = [room for room in found if room is not None and not room.closed]
    if len(known) < len(found):
        return UnavailableError()
    return AccountExhaustedError(min(known, key=lambda room: float("inf") if room.left is None else room.left))

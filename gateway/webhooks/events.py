"""The events that webhooks can ask for, and the body that tells of one: ids, counts and enums, never content."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson
from pydantic import JsonValue

from gateway.events import EventType
from gateway.ids import EventId, OrganizationId

VERSION: Final = "2026-04-01"
"""Of the bodies: fields may be added to one, none is taken away or changes what it means."""

_ULID = "01K0B6W4M7RT2V9YQ3X5ZC8D1E"
_AT = "2026-04-01T00:00:00+00:00"
_LATER = "2026-05-01T00:00:00+00:00"
_CALL: Mapping[str, JsonValue] = {
    "request_id": f"req_{_ULID}",
    "model": "claude-sonnet-4-6",
    "surface": "native",
    "key_id": _ULID,
    "agent_id": _ULID,
    "credential_id": _ULID,
}
_OF_AGENTS = frozenset({"agent_id", "credential_id"})
"""Of a call that an agent made, whose `key_id` is null."""
_GUARDED: Mapping[str, JsonValue] = {**_CALL, "entity_types": ["PERSON", "US_SSN"], "count": 2}
_PERIOD: Mapping[str, JsonValue] = {"period_start": _AT, "period_end": _LATER}
_KEY: Mapping[str, JsonValue] = {"key_id": _ULID, "mode": "live"}
_ENDING: Mapping[str, JsonValue] = {"acceptance_id": _ULID, "ends_at": _LATER}
_AGENT: Mapping[str, JsonValue] = {"agent_id": _ULID}
_CREDENTIAL: Mapping[str, JsonValue] = {**_AGENT, "credential_id": _ULID}
_RECORD: Mapping[str, JsonValue] = {"app_id": _ULID, "entity_key": "appointment", "record_id": _ULID}
_EXPORT: Mapping[str, JsonValue] = {"export_id": _ULID}
_ERASURE: Mapping[str, JsonValue] = {"erasure_id": _ULID, "end_user_id": _ULID}


@dataclass(frozen=True, slots=True)
class Subject:
    """What a type of event tells. `example` is its `data`; `sometimes` names fields that are not always there."""

    summary: str
    example: Mapping[str, JsonValue]
    sometimes: frozenset[str] = field(default=frozenset())
    is_told: bool = True
    """False: nothing in this version makes it happen yet. Webhooks may ask for it already."""


CATALOGUE: Final[Mapping[str, Subject]] = {
    EventType.AI_REQUEST_COMPLETED: Subject(
        "A call was answered; `status` is `completed`, or `cancelled` by its client.",
        {**_CALL, "status": "completed", "input_tokens": 18, "output_tokens": 74, "credits": 92},
        sometimes=_OF_AGENTS,
    ),
    EventType.AI_REQUEST_FAILED: Subject(
        "A call was not answered; `status` is `failed`, `blocked`, `cancelled`, or `lost` when its process died.",
        {**_CALL, "status": "failed", "error_code": "INFERENCE_UPSTREAM_FAILURE"},
        sometimes=_OF_AGENTS,
    ),
    EventType.PHI_REDACTED: Subject("Identifiers were masked in a prompt.", _GUARDED, _OF_AGENTS),
    EventType.PHI_BLOCKED: Subject(
        "A call was stopped for its identifiers, or its answer withheld.", _GUARDED, _OF_AGENTS
    ),
    EventType.BUDGET_THRESHOLD_REACHED: Subject(
        "A billing period came to one of the organization's `alert_thresholds`, in percent.",
        {"threshold": 80, "used": 400_000, "limit": 500_000, **_PERIOD},
    ),
    EventType.BUDGET_PERIOD_OPENED: Subject(
        "A billing period began.", {**_PERIOD, "allotment": 1_000_000, "carried": 50_000}
    ),
    EventType.BUDGET_PERIOD_CLOSED: Subject(
        "A billing period is done: what was used, what lapses, what the next one is given.",
        {
            **_PERIOD,
            "allotment": 1_000_000,
            "carried_in": 0,
            "used": 900_000,
            "lapsed": 50_000,
            "carried": 50_000,
        },
    ),
    EventType.CREDITS_EXHAUSTED: Subject(
        "Nothing is left, or too little for a call that was refused: of the `allotment`, the `spend_cap`, a key's"
        " (`key_cap`, with `key_id`), or an agent's (`agent_cap`, with `agent_id`).",
        {"reason": "key_cap", "used": 50_000, "limit": 50_000, "key_id": _ULID, "agent_id": _ULID, **_PERIOD},
        sometimes=frozenset({"agent_id", "key_id", "limit", "used"}),
    ),
    EventType.CREDITS_OVERRUN: Subject(
        "A provider billed a call for more than was held for it.",
        {"request_id": f"req_{_ULID}", "key_id": _ULID, "agent_id": _ULID, "held": 120, "charged": 131},
        sometimes=frozenset({"key_id", "agent_id"}),
    ),
    EventType.API_KEY_CREATED: Subject("An API key was created.", _KEY),
    EventType.API_KEY_UPDATED: Subject("An API key was changed.", _KEY),
    EventType.API_KEY_ROTATED: Subject("An API key has a successor.", {**_KEY, "successor_id": _ULID}),
    EventType.API_KEY_REVOKED: Subject("An API key was revoked.", _KEY),
    EventType.API_KEY_EXPIRING: Subject("An API key ends in so many days.", {**_KEY, "ends_at": _LATER, "days": 7}),
    EventType.API_KEY_EXPIRED: Subject(
        "An API key has ended; `reason` is `expired` or `grace_over`.",
        {**_KEY, "ends_at": _LATER, "reason": "expired"},
    ),
    EventType.AUDIT_CHECKPOINT: Subject(
        "The audit log was signed up to an entry. Keep it: it holds the log to what it says.",
        {
            "organization_id": _ULID,
            "seq": 4_711,
            "entry_count": 4_711,
            "hash": "9f86d081884c7d65" * 4,
            "at": "2026-04-01T00:00:00.000000+00:00",
            "key_id": "a1b2c3d4e5f60718" * 2,
            "signature": "ed25519:TWFueSBoYW5kcyBtYWtlIGxpZ2h0IHdvcms=",
        },
    ),
    EventType.AUDIT_EXPORT_READY: Subject(
        "An audit export is done; `state` is `ready` or `failed`.", {**_EXPORT, "state": "ready"}
    ),
    EventType.BAA_ACTIVATED: Subject(
        "An agreement is in force.", {"acceptance_id": _ULID, "template_version": "2026-11"}
    ),
    EventType.BAA_EXPIRING: Subject(
        "An agreement ends in so many days; `reason` is what it will have ended as.",
        {**_ENDING, "days": 30, "reason": "expired"},
    ),
    EventType.BAA_EXPIRED: Subject(
        "An agreement has ended; `reason` is `expired`, `superseded` or `terminated`.",
        {**_ENDING, "reason": "expired"},
    ),
    EventType.BAA_REACCEPTANCE_REQUIRED: Subject(
        "A newer text came: the agreement ends unless that one is accepted.",
        {**_ENDING, "template_version": "2026-01"},
    ),
    EventType.BAA_TERMINATED: Subject("An agreement was terminated.", {**_ENDING, "grace_days": 30}),
    EventType.RETENTION_REDUCED: Subject(
        "Content will be destroyed sooner, from `takes_effect_at` on.",
        {"retention_days": 30, "legal_hold": False, "takes_effect_at": _LATER},
    ),
    EventType.RETENTION_PURGED: Subject(
        "Content was destroyed whose time was over, up to the day `through`.",
        {"reason": "retention", "through": "2026-03-01", "keys": 1, "records": 1_200},
    ),
    EventType.WEBHOOK_ENDPOINT_FAILING: Subject(
        "One of the webhooks has only failed for so many `percent` of the time after which it is disabled.",
        {"endpoint_id": _ULID, "percent": 50, "failing_since": _AT, "disabled_at": "2026-04-06T00:00:00+00:00"},
    ),
    EventType.WEBHOOK_ENDPOINT_DISABLED: Subject(
        "One of the webhooks was disabled; `reason` is `failures`, or `gone` when it answered 410.",
        {"endpoint_id": _ULID, "reason": "failures"},
    ),
    EventType.RECORD_CREATED: Subject("A record was created.", _RECORD, is_told=False),
    EventType.RECORD_UPDATED: Subject("A record was changed.", _RECORD, is_told=False),
    EventType.RECORD_DELETED: Subject("A record was deleted.", _RECORD, is_told=False),
    EventType.RECORD_BULK_CREATED: Subject(
        "Records were created together.",
        {"app_id": _ULID, "entity_key": "appointment", "count": 250},
        is_told=False,
    ),
    EventType.SCHEMA_UPDATED: Subject(
        "The form of an app's records was changed.", {"app_id": _ULID, "entity_key": "appointment"}, is_told=False
    ),
    EventType.AGENT_CREATED: Subject("An agent was registered.", _AGENT),
    EventType.AGENT_UPDATED: Subject("An agent was changed.", _AGENT),
    EventType.AGENT_ARCHIVED: Subject(
        "An agent was archived; all its credentials and those below them are refused.", {**_AGENT, "cascade_id": _ULID}
    ),
    EventType.AGENT_REACTIVATED: Subject("An archived agent is active again.", _AGENT),
    EventType.AGENT_CREDENTIAL_ISSUED: Subject(
        "An agent was given a credential; with `parent_id`, by another agent.",
        {**_CREDENTIAL, "expires_at": _LATER, "parent_id": _ULID},
        sometimes=frozenset({"parent_id"}),
    ),
    EventType.AGENT_CREDENTIAL_EXPIRING: Subject(
        "An agent's credential ends soon.", {**_CREDENTIAL, "expires_at": _LATER}
    ),
    EventType.AGENT_CREDENTIAL_ROTATED: Subject(
        "An agent's credential has a successor, and ends itself at `retires_at`.",
        {**_CREDENTIAL, "successor_id": _ULID, "retires_at": _LATER},
    ),
    EventType.AGENT_CREDENTIAL_REVOKED: Subject(
        "An agent's credential was revoked, or went along with one above it (`parent_revoked`) or with its agent.",
        {**_CREDENTIAL, "reason": "agent_archived", "cascade_id": _ULID},
    ),
    EventType.END_USER_ERASED: Subject("What was kept of a person is erased, and the certificate is there.", _ERASURE),
    EventType.END_USER_ERASURE_HELD: Subject(
        "A person is not erased; `reasons` are `legal_hold` or `subject_hold`, or both.",
        {**_ERASURE, "reasons": ["legal_hold"]},
    ),
    EventType.EXPORT_READY: Subject("An export of a person's data is ready.", _EXPORT),
    EventType.EXPORT_FAILED: Subject("An export of a person's data could not be made.", _EXPORT),
}
"""By type. Whatever is not here stays within the installation, also for those who ask for everything."""

INTERNAL: Final = frozenset(EventType) - CATALOGUE.keys()
TEST_EXAMPLE: Final[Mapping[str, JsonValue]] = {"message": "This webhook works."}
"""The `data` of `webhook_endpoint.test`, which is sent on request only."""


def body(
    event: EventId, kind: str, *, org: OrganizationId, at: datetime, data: Mapping[str, Any], is_test: bool = False
) -> bytes:
    """What is sent to tell of an event: for the same event always the same bytes.

    `is_test`: it was asked for as an example, and did not happen.
    """
    told: dict[str, object] = {
        "id": event,
        "type": kind,
        "event": kind,
        "api_version": VERSION,
        "organization": org,
        "app_id": data.get("app_id"),
        "entity_key": data.get("entity_key"),
        "timestamp": at.isoformat(),
        "test": is_test,
        "data": data,
    }
    return orjson.dumps(told, option=orjson.OPT_SORT_KEYS)

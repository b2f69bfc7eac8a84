"""What the outbox tells of: thin events of ids, counts and enums, never content (spec D28)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydantic import JsonValue


class EventType(StrEnum):
    AGENT_ARCHIVED = "agent.archived"
    AGENT_CASCADE_BEGUN = "agent.cascade_begun"
    AGENT_CREATED = "agent.created"
    AGENT_CREDENTIAL_EXPIRING = "agent.credential_expiring"
    AGENT_CREDENTIAL_ISSUED = "agent.credential_issued"
    AGENT_CREDENTIAL_REVOKED = "agent.credential_revoked"
    AGENT_CREDENTIAL_ROTATED = "agent.credential_rotated"
    AGENT_REACTIVATED = "agent.reactivated"
    AGENT_UPDATED = "agent.updated"
    CHAT_RUN_CANCELLED = "chat_run.cancelled"
    CHAT_RUN_REQUESTED = "chat_run.requested"
    FILE_UPLOADED = "file.uploaded"
    APP_JOB_CANCELLED = "app_job.cancelled"
    APP_JOB_REQUESTED = "app_job.requested"
    AI_REQUEST_COMPLETED = "ai.request.completed"
    AI_REQUEST_FAILED = "ai.request.failed"
    PHI_REDACTED = "phi.redacted"
    PHI_BLOCKED = "phi.blocked"
    BUDGET_PERIOD_CLOSED = "budget.period_closed"
    BUDGET_PERIOD_OPENED = "budget.period_opened"
    BUDGET_THRESHOLD_REACHED = "budget.threshold_reached"
    CREDITS_OVERRUN = "credits.overrun"
    CREDITS_EXHAUSTED = "credits.exhausted"
    API_KEY_CREATED = "api_key.created"
    API_KEY_EXPIRED = "api_key.expired"
    API_KEY_EXPIRING = "api_key.expiring"
    API_KEY_REVOKED = "api_key.revoked"
    API_KEY_ROTATED = "api_key.rotated"
    API_KEY_UPDATED = "api_key.updated"
    AUDIT_CHAIN_BROKEN = "audit.chain_broken"
    AUDIT_CHECKPOINT = "audit.checkpoint"
    AUDIT_EXPORT_READY = "audit.export_ready"
    AUDIT_EXPORT_REQUESTED = "audit.export_requested"
    BAA_ACCEPTED = "baa.accepted"
    BAA_ACTIVATED = "baa.activated"
    BAA_EXPIRED = "baa.expired"
    BAA_EXPIRING = "baa.expiring"
    BAA_REACCEPTANCE_REQUIRED = "baa.reacceptance_required"
    BAA_TERMINATED = "baa.terminated"
    BOOKS_DISCREPANCY = "books.discrepancy"
    END_USER_ERASED = "end_user.erased"
    END_USER_ERASURE_HELD = "end_user.erasure_held"
    END_USER_ERASURE_REQUESTED = "end_user.erasure_requested"
    END_USER_EXPORT_CANCELLED = "end_user.export_cancelled"
    END_USER_EXPORT_REQUESTED = "end_user.export_requested"
    EXPORT_FAILED = "export.failed"
    EXPORT_READY = "export.ready"
    RECORD_BULK_CREATED = "record.bulk_created"
    RECORD_CREATED = "record.created"
    RECORD_DELETED = "record.deleted"
    RECORD_UPDATED = "record.updated"
    RETENTION_PURGED = "retention.purged"
    RETENTION_REDUCED = "retention.reduced"
    SCHEMA_UPDATED = "schema.updated"
    WEBHOOK_ENDPOINT_DISABLED = "webhook_endpoint.disabled"
    WEBHOOK_ENDPOINT_FAILING = "webhook_endpoint.failing"
    WEBHOOK_ENDPOINT_TEST = "webhook_endpoint.test"
    WEBHOOK_REPLAY_CHANGED = "webhook_replay.changed"


@dataclass(frozen=True, slots=True)
class Event:
    type: EventType
    data: Mapping[str, JsonValue]

"""The audit log's vocabulary: acts, and the entry that each of them leaves."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import JsonValue

from gateway.ids import AuditEntryId, OrganizationId


class AuditAction(StrEnum):
    AGENT_ARCHIVED = "agent.archived"
    AGENT_CASCADE_COMPLETED = "agent_cascade.completed"
    AGENT_CASCADE_RECHECKED = "agent_cascade.rechecked"
    AGENT_CREATED = "agent.created"
    AGENT_LISTED = "agent.listed"
    AGENT_REACTIVATED = "agent.reactivated"
    AGENT_UPDATED = "agent.updated"
    AGENT_CREDENTIAL_EXPIRED = "agent_credential.expired"
    AGENT_CREDENTIAL_ISSUED = "agent_credential.issued"
    AGENT_CREDENTIAL_REVOKED = "agent_credential.revoked"
    AGENT_CREDENTIAL_ROTATED = "agent_credential.rotated"
    AGENT_CREDENTIAL_SHOWN_AGAIN = "agent_credential.shown_again"
    AI_REQUEST_COMPLETED = "ai.request.completed"
    AI_REQUEST_FAILED = "ai.request.failed"
    AI_REQUEST_REFUSED = "ai.request.refused"
    AI_REQUEST_REFUSED_REPEATED = "ai.request.refused.repeated"
    AI_REQUEST_LOST = "ai.request.lost"
    AI_TOOL_USED = "ai.tool.used"
    AI_TOKENS_COUNTED = "ai.tokens.counted"
    AI_MESSAGE_RETRIEVED = "ai.message.retrieved"
    ACCESS_REFUSED = "access.refused"
    ACCESS_REFUSED_REPEATED = "access.refused.repeated"
    ANSWER_SHOWN_AGAIN = "answer.shown_again"
    CHAT_RUN_CANCELLED = "chat_run.cancelled"
    CHAT_RUN_REQUESTED = "chat_run.requested"
    CHAT_RUN_RETRIEVED = "chat_run.retrieved"
    FILE_ANNOUNCED = "file.announced"
    FILE_DELETED = "file.deleted"
    FILE_UPLOADED = "file.uploaded"
    FILES_LISTED = "files.listed"
    PRESET_CREATED = "preset.created"
    PRESET_DELETED = "preset.deleted"
    PRESET_UPDATED = "preset.updated"
    APP_CREATED = "app.created"
    APP_DELETED = "app.deleted"
    APP_UPDATED = "app.updated"
    APP_JOB_CANCELLED = "app_job.cancelled"
    APP_JOB_REQUESTED = "app_job.requested"
    APP_JOB_RETRIEVED = "app_job.retrieved"
    API_KEY_CREATED = "api_key.created"
    API_KEY_EXPIRED = "api_key.expired"
    API_KEY_LISTED = "api_key.listed"
    API_KEY_REVOKED = "api_key.revoked"
    API_KEY_ROTATED = "api_key.rotated"
    API_KEY_SHOWN_AGAIN = "api_key.shown_again"
    API_KEY_SUPERSEDED = "api_key.superseded"
    API_KEY_UPDATED = "api_key.updated"
    AUDIT_CHAIN_BROKEN = "audit.chain_broken"
    AUDIT_EXPORT_DOWNLOADED = "audit.export.downloaded"
    AUDIT_EXPORT_REQUESTED = "audit.export.request"
    AUDIT_KEY_PUBLISHED = "audit_key.published"
    AUDIT_KEY_RETIRED = "audit_key.retired"
    AUDIT_KEY_REVOKED = "audit_key.revoked"
    AUDIT_READ = "audit.read"
    AUDIT_VERIFIED = "audit.verified"
    BAA_ACCEPTED = "baa.accepted"
    BAA_ACTIVATED = "baa.activated"
    BAA_DOCUMENT_RETRIEVED = "baa.document_retrieved"
    BAA_EXPIRED = "baa.expired"
    BAA_EXPIRING = "baa.expiring"
    BAA_REACCEPTANCE_REQUIRED = "baa.reacceptance_required"
    BAA_RETRIEVED = "baa.retrieved"
    BAA_SIGNED = "baa.signed"
    BAA_SUPERSEDED = "baa.superseded"
    BAA_TERMINATED = "baa.terminated"
    BOOKS_DISCREPANCY = "books.discrepancy"
    BOOKS_VERIFIED = "books.verified"
    BUDGET_PERIOD_CLOSED = "budget.period_closed"
    BUDGET_UPDATED = "budget.updated"
    CREDITS_ALLOTTED = "credits.allotted"
    DATABASE_MIGRATED = "database.migrated"
    DATA_KEYS_REWRAPPED = "data_keys.rewrapped"
    END_USER_ERASED = "end_user.erased"
    END_USER_ERASED_AGAIN = "end_user.erased_again"
    END_USER_ERASURE_CERTIFICATE_RETRIEVED = "end_user.erasure_certificate_retrieved"
    END_USER_ERASURE_DECIDED = "end_user.erasure_decided"
    END_USER_ERASURE_HELD = "end_user.erasure_held"
    END_USER_ERASURE_REQUESTED = "end_user.erasure_requested"
    END_USER_EXPORT_CANCELLED = "end_user_export.cancelled"
    END_USER_EXPORT_DOWNLOADED = "end_user_export.downloaded"
    END_USER_EXPORT_REQUESTED = "end_user_export.requested"
    END_USER_EXPORT_RETRIEVED = "end_user_export.retrieved"
    END_USER_HELD = "end_user.held"
    END_USER_LISTED = "end_user.listed"
    END_USER_RELEASED = "end_user.released"
    END_USER_RETRIEVED = "end_user.retrieved"
    END_USER_RESTRICTED = "end_user.restricted"
    END_USER_SCANNED = "end_user.scanned"
    END_USER_SHREDDED = "end_user.shredded"
    KEYRING_ROTATED = "keyring.rotated"
    ORGANIZATION_CREATED = "organization.created"
    POLICY_RETRIEVED = "policy.retrieved"
    POLICY_UPDATED = "policy.updated"
    PHI_SCANNED = "phi.scanned"
    DATA_KEY_ROTATED = "data_key.rotated"
    RETENTION_KEYS_DESTROYED = "retention.keys_destroyed"
    RETENTION_PURGED = "retention.purged"
    RETENTION_READ = "retention.read"
    WEBHOOK_DELIVERY_REPLAYED = "webhook_delivery.replayed"
    WEBHOOK_ENDPOINT_CREATED = "webhook_endpoint.created"
    WEBHOOK_ENDPOINT_DELETED = "webhook_endpoint.deleted"
    WEBHOOK_ENDPOINT_DISABLED = "webhook_endpoint.disabled"
    WEBHOOK_ENDPOINT_FAILING = "webhook_endpoint.failing"
    WEBHOOK_ENDPOINT_LISTED = "webhook_endpoint.listed"
    WEBHOOK_ENDPOINT_TESTED = "webhook_endpoint.tested"
    WEBHOOK_ENDPOINT_UPDATED = "webhook_endpoint.updated"
    WEBHOOK_ENDPOINT_ROTATED = "webhook_endpoint.secret_rotated"
    WEBHOOK_ENDPOINT_SHOWN_AGAIN = "webhook_endpoint.shown_again"
    WEBHOOK_REPLAY_CANCELLED = "webhook_replay.cancelled"
    WEBHOOK_REPLAY_COMPLETED = "webhook_replay.completed"
    WEBHOOK_REPLAY_CREATED = "webhook_replay.created"
    WEBHOOK_REPLAY_PAUSED = "webhook_replay.paused"
    WEBHOOK_REPLAY_RESUMED = "webhook_replay.resumed"


class PhiDisposition(StrEnum):
    NOT_PRESENT = "not_present"
    REDACTED = "redacted_at_delivery"
    REIDENTIFIED = "reidentified_at_delivery"
    CONTAINS_PHI = "contains_phi"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One act or refusal, as written in the act's own transaction.

    `metadata` holds ids, numbers, enums and declared names: no floats (other
    languages print them otherwise), no free text, no PHI.
    """

    id: AuditEntryId
    org: OrganizationId
    action: AuditAction | str
    """A string for an action that a newer version wrote: it must still verify."""
    at: datetime
    entity_type: str | None = None
    entity_id: str | None = None
    actor: str | None = None
    """`key:<id>`, `agent:<id>`, `user:<id>`, `operator:<user>` at the command line, or `system:<what>`."""
    ip_address: str | None = None
    metadata: Mapping[str, JsonValue] | None = None
    phi: PhiDisposition | str = PhiDisposition.NOT_PRESENT
    subject_type: str | None = None
    subject_id_hmac: str | None = None

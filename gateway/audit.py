"""The audit log's vocabulary, and the canonical bytes its hash chain is made of (spec B8, D17)."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import JsonValue

from gateway.ids import AuditEntryId, OrganizationId, new_ulid

GENESIS = "0" * 64
"""`prev_hash` of an organisation's first entry."""


class AuditAction(StrEnum):
    AI_REQUEST_COMPLETED = "ai.request.completed"
    AI_REQUEST_FAILED = "ai.request.failed"
    AI_REQUEST_REFUSED = "ai.request.refused"
    AI_REQUEST_LOST = "ai.request.lost"
    AI_MESSAGE_RETRIEVED = "ai.message.retrieved"
    ACCESS_REFUSED = "access.refused"
    API_KEY_CREATED = "api_key.created"
    API_KEY_REVOKED = "api_key.revoked"
    AUDIT_READ = "audit.read"
    BAA_ACCEPTED = "baa.accepted"
    ORGANIZATION_CREATED = "organization.created"
    POLICY_UPDATED = "policy.updated"
    DATA_KEY_ROTATED = "data_key.rotated"


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

    org: OrganizationId
    action: AuditAction
    at: datetime
    entity_type: str | None = None
    entity_id: str | None = None
    actor: str | None = None
    """`key:<id>`, `user:<id>` or `system:<what>`."""
    ip_address: str | None = None
    metadata: Mapping[str, JsonValue] | None = None
    phi: PhiDisposition = PhiDisposition.NOT_PRESENT
    subject_type: str | None = None
    subject_id_hmac: str | None = None
    id: AuditEntryId = AuditEntryId("")

    def identified(self) -> "AuditEntry":
        """This entry with an id, made now if it has none."""
        from dataclasses import replace

        return self if self.id else replace(self, id=AuditEntryId(new_ulid()))


def canonical_time(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")


def seal_hash(entry: AuditEntry, *, seq: int, prev_hash: str) -> str:
    """SHA-256, in hex, of the compact JSON array of the entry's twelve values.

    `prev_hash` and the position ride inside `metadata._chain`, so that order is
    covered by the hash while the layout stays what public verifiers read.
    """
    metadata = {**(entry.metadata or {}), "_chain": {"seq": seq, "prev_hash": prev_hash}}
    values = [
        entry.actor,
        entry.org,
        None,
        entry.action.value,
        entry.entity_type,
        entry.entity_id,
        _sorted(metadata),
        entry.ip_address,
        canonical_time(entry.at),
        entry.phi.value,
        entry.subject_type,
        entry.subject_id_hmac,
    ]
    return hashlib.sha256(json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def _sorted(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return value

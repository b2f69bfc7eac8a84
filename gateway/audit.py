"""The audit log's vocabulary, and the canonical bytes its hash chain is made of (spec B8, D17)."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import JsonValue

from gateway.ids import AuditEntryId, OrganizationId

GENESIS = "0" * 64
"""`prev_hash` of an organisation's first entry."""


class AuditAction(StrEnum):
    AI_REQUEST_COMPLETED = "ai.request.completed"
    AI_REQUEST_FAILED = "ai.request.failed"
    AI_REQUEST_REFUSED = "ai.request.refused"
    AI_REQUEST_LOST = "ai.request.lost"
    AI_TOKENS_COUNTED = "ai.tokens.counted"
    AI_MESSAGE_RETRIEVED = "ai.message.retrieved"
    ACCESS_REFUSED = "access.refused"
    API_KEY_CREATED = "api_key.created"
    API_KEY_EXPIRED = "api_key.expired"
    API_KEY_REVOKED = "api_key.revoked"
    API_KEY_ROTATED = "api_key.rotated"
    API_KEY_SUPERSEDED = "api_key.superseded"
    API_KEY_UPDATED = "api_key.updated"
    AUDIT_READ = "audit.read"
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
    BUDGET_PERIOD_CLOSED = "budget.period_closed"
    BUDGET_UPDATED = "budget.updated"
    CREDITS_ALLOTTED = "credits.allotted"
    ORGANIZATION_CREATED = "organization.created"
    POLICY_RETRIEVED = "policy.retrieved"
    POLICY_UPDATED = "policy.updated"
    PHI_SCANNED = "phi.scanned"
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

    id: AuditEntryId
    org: OrganizationId
    action: AuditAction | str
    """A string for an action that a newer version wrote: it must still verify."""
    at: datetime
    entity_type: str | None = None
    entity_id: str | None = None
    actor: str | None = None
    """`key:<id>`, `user:<id>` or `system:<what>`."""
    ip_address: str | None = None
    metadata: Mapping[str, JsonValue] | None = None
    phi: PhiDisposition | str = PhiDisposition.NOT_PRESENT
    subject_type: str | None = None
    subject_id_hmac: str | None = None


def canonical_time(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")


def seal_hash(entry: AuditEntry, *, seq: int, prev_hash: str) -> str:
    """SHA-256, in hex, of the compact JSON array of the entry's twelve values.

    The entry's id, `prev_hash` and the position ride inside `metadata._chain`, so
    that they are covered by the hash while the layout stays what public verifiers read.
    """
    chain: JsonValue = {"id": entry.id, "seq": seq, "prev_hash": prev_hash}
    metadata: JsonValue = {**(entry.metadata or {}), "_chain": chain}
    values: list[JsonValue] = [
        entry.actor,
        entry.org,
        None,
        str(entry.action),
        entry.entity_type,
        entry.entity_id,
        _sorted(metadata),
        entry.ip_address,
        canonical_time(entry.at),
        str(entry.phi),
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


class Flaw(StrEnum):
    """What can be wrong with an entry's place in the chain."""

    CHANGED = "changed"
    """The entry's content is not what was sealed."""
    MISSING = "missing"
    """The entry, or one before it, is gone: the numbering has a gap."""
    UNLINKED = "unlinked"
    """It does not follow the entry before it."""


@dataclass(frozen=True, slots=True)
class Seal:
    """An entry's place: `seq` counts from 1 in its organisation."""

    seq: int
    prev_hash: str
    hash: str


class ChainWalk:
    """Checks one organisation's chain, entry by entry in order of `seq`, in constant memory."""

    def __init__(self) -> None:
        self.length = 0
        self.head: str = GENESIS

    def step(self, entry: AuditEntry, seal: Seal) -> Flaw | None:
        """What is wrong with the next entry, if anything; after a flaw the walk has no further meaning."""
        if seal.seq != self.length + 1:
            return Flaw.MISSING
        if seal.prev_hash != self.head:
            return Flaw.UNLINKED
        # Sealing writes over `_chain`: one that was stored is somebody's addition, and the hash would not show it.
        planted = "_chain" in (entry.metadata or {})
        if planted or seal_hash(entry, seq=seal.seq, prev_hash=seal.prev_hash) != seal.hash:
            return Flaw.CHANGED
        self.length, self.head = seal.seq, seal.hash
        return None

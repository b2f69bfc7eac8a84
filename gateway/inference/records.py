"""Read models: what was kept of inferences, usage and the audit log, as surfaces show it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from pydantic import JsonValue

from gateway.completion import StopDetails, Usage
from gateway.credits.budget import Balance
from gateway.ids import ConversationId, InferenceId
from gateway.inference.call import Status, Surface
from gateway.phi.findings import Finding
from gateway.tenancy import PhiMode


@dataclass(frozen=True, slots=True)
class Content:
    """Decrypted content, in the block format of the Messages API."""

    system: JsonValue
    messages: tuple[Mapping[str, JsonValue], ...]
    first_message: int
    """Index of `messages[0]` in the conversation as sent: a continued one's earlier turns are in earlier records."""
    answer: tuple[Mapping[str, JsonValue], ...]
    stop_sequence: str | None
    placeholders: Mapping[str, str]
    """What stood in for which value, by placeholder body (`NAME_1`)."""
    stop_details: StopDetails | None = None
    inference_geo: str | None = None
    speed: str | None = None


@dataclass(frozen=True, slots=True)
class InferenceRecord:
    id: InferenceId
    surface: Surface
    status: Status
    model: str
    conversation: ConversationId | None
    created_at: datetime
    completed_at: datetime | None
    stored: bool
    content: Content | None
    """None when the call or the organisation keeps no content."""
    stop_reason: str | None
    usage: Usage | None
    credits: int
    cost_micro_usd: int | None
    phi_mode: PhiMode | None
    phi_action: str
    entity_types: tuple[str, ...]
    redaction_count: int
    findings: tuple[Finding, ...]
    audit_entry_id: str | None
    integrity_hash: str | None
    """None until the sequencer has sealed the entry, well under a second later."""
    subject: str | None = None
    """The digest of whom the call named."""


@dataclass(frozen=True, slots=True)
class UsageLine:
    """Totals of one model, key, agent or day. `label` is its id, or the ISO day."""

    label: str
    requests: int
    input_tokens: int
    output_tokens: int
    credits: int
    cost_micro_usd: int | None
    """Of the calls whose model has prices; None where none has."""


@dataclass(frozen=True, slots=True)
class UsageSummary:
    """What was used in a period. Each group adds up to the whole, keys and agents together."""

    balance: Balance
    zone: str
    """Where days begin and end: the IANA time zone the organisation is in now."""
    by_model: tuple[UsageLine, ...]
    by_key: tuple[UsageLine, ...]
    by_agent: tuple[UsageLine, ...]
    by_day: tuple[UsageLine, ...]

    @property
    def first_day(self) -> date:
        return self.balance.period.start.astimezone(ZoneInfo(self.zone)).date()

    @property
    def requests(self) -> int:
        return sum(line.requests for line in self.by_model)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """What to list. All given must match; `since` is inclusive, `until` exclusive."""

    action: str | None = None
    entity_type: str | None = None
    entity_id: str | None = None
    actor: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuditRecord:
    id: str
    action: str
    entity_type: str | None
    entity_id: str | None
    actor: str | None
    ip_address: str | None
    metadata: Mapping[str, JsonValue]
    phi_disposition: str
    subject_type: str | None
    """What `subject_id_hmac` names, by a keyed digest: `end_user`."""
    subject_id_hmac: str | None
    created_at: datetime
    seq: int | None
    integrity_hash: str | None
    key_id: str | None
    signature: str | None
    """Of the hash, by that key. All four None until the sequencer has come to the entry."""

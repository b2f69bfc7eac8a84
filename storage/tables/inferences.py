"""Records of inferences: the shell every call leaves, its sealed content, findings without text, and usage."""

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.schema import Counter, Credits, Instant, JsonList, Row, Sealed, Ulid, UlidKey, Words


class InferenceRow(Row):
    __tablename__ = "inferences"
    __table_args__ = (
        CheckConstraint(
            "status in ('in_progress', 'completed', 'cancelled', 'blocked', 'failed', 'lost')", name="status"
        ),
        Index(
            "ix_inferences_org_id_conversation_id_id",
            "org_id",
            "conversation_id",
            "id",
            postgresql_where="conversation_id is not null",
        ),
        Index("ix_inferences_org_id_id", "org_id", "id"),
        Index(
            "ix_inferences_org_id_end_user_id_id",
            "org_id",
            "end_user_id",
            "id",
            postgresql_where="end_user_id is not null",
        ),
        Index("ix_inferences_seals", "seals", postgresql_using="gin", postgresql_where="seals is not null"),
    )

    id: Mapped[UlidKey]
    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"))
    key_id: Mapped[str | None]
    agent_id: Mapped[str | None]
    credential_id: Mapped[str | None]
    """Of an agent, which called in place of a key."""
    delegation_path: Mapped[Words | None]
    """The credential's ancestors, the first first."""
    delegating_user: Mapped[str | None]
    end_user_id: Mapped[str | None]
    """Whom the call named. Without a foreign key: a call does not wait for whoever changes that row."""
    surface: Mapped[str]
    model: Mapped[str]
    mode: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="in_progress")
    streamed: Mapped[bool]
    stored: Mapped[bool]
    conversation_id: Mapped[str | None]
    created_at: Mapped[Instant]
    completed_at: Mapped[Instant | None]
    stop_reason: Mapped[str | None]
    error_code: Mapped[str | None]
    phi_mode: Mapped[str | None]
    phi_action: Mapped[str] = mapped_column(server_default="none")
    entity_types: Mapped[Words] = mapped_column(server_default=text("'{}'"))
    redaction_count: Mapped[int] = mapped_column(server_default=text("0"))
    seals: Mapped[Words | None]
    """Digests of the reasoning in the answer, by which a client that sends it back is given the same placeholders."""
    request_content: Mapped[Sealed | None]
    answer_content: Mapped[Sealed | None]
    audit_entry_id: Mapped[str | None]


class FindingsRow(Row):
    """Where the guard found what kind of identifier; the text is only in the sealed content.

    One row a call, however many findings: `[{slot, start, end, entity, score_milli, placeholder}]`, in order.
    """

    __tablename__ = "phi_findings"

    inference_id: Mapped[Ulid] = mapped_column(ForeignKey("inferences.id", ondelete="cascade"), primary_key=True)
    org_id: Mapped[Ulid]
    findings: Mapped[JsonList]


class UsageRow(Row):
    """What one call used and cost: kept for billing when the record itself is gone, so without a foreign key to it."""

    __tablename__ = "usage_records"
    __table_args__ = (Index("ix_usage_records_org_id_period_start", "org_id", "period_start"),)

    id: Mapped[UlidKey]
    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"))
    period_start: Mapped[Instant]
    key_id: Mapped[str | None]
    agent_id: Mapped[str | None]
    model: Mapped[str]
    mode: Mapped[str]
    created_at: Mapped[Instant]
    input_tokens: Mapped[Counter]
    output_tokens: Mapped[Counter]
    cache_read_tokens: Mapped[Counter]
    cache_write_5m_tokens: Mapped[Counter]
    cache_write_1h_tokens: Mapped[Counter]
    reasoning_tokens: Mapped[Counter]
    service_tier: Mapped[str | None]
    estimated: Mapped[bool]
    credits: Mapped[Credits]
    cost_micro_usd: Mapped[Counter | None]

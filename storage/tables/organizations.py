"""Organisations, their policies, and the data keys their content is encrypted under."""

from sqlalchemy import CheckConstraint, ForeignKey, false, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.schema import Credits, Instant, Percents, Row, Sealed, Ulid, UlidKey, Words


class OrganizationRow(Row):
    __tablename__ = "organizations"
    __table_args__ = (
        CheckConstraint("phi_mode in ('redact', 'block', 'allow')", name="phi_mode"),
        CheckConstraint("storage_mode in ('full', 'none')", name="storage_mode"),
        CheckConstraint("unscannable in ('refuse', 'pass')", name="unscannable"),
        CheckConstraint("phi_profile in ('safe_harbor', 'limited_data_set', 'custom')", name="phi_profile"),
        CheckConstraint("(phi_profile = 'custom') = (phi_entities is not null)", name="phi_entities"),
        CheckConstraint("phi_threshold_milli between 400 and 800", name="phi_threshold_milli"),
        CheckConstraint("phi_answers in ('record', 'block')", name="phi_answers"),
        CheckConstraint("phi_retrieval_behavior in ('redact', 'block', 'allow')", name="phi_retrieval_behavior"),
        CheckConstraint("retention_days between 1 and 36500", name="retention_days"),
        CheckConstraint("minimum_retention_days between 0 and 36500", name="minimum_retention_days"),
        CheckConstraint("(retention_floor_days is null) = (retention_floor_until is null)", name="retention_floor"),
        CheckConstraint("credits_allotment >= 0 and spend_cap >= 0 and rollover_limit >= 0", name="credits"),
        CheckConstraint("cardinality(alert_thresholds) <= 3", name="alert_thresholds"),
        CheckConstraint("anchor_day between 1 and 31", name="anchor_day"),
        CheckConstraint(
            "cardinality(allowed_tools) <= 100"
            " and array_to_string(allowed_tools, ',', '?') ~ '^([a-zA-Z0-9_*-]{1,64}(,|$))*$'",
            name="allowed_tools",
        ),
        CheckConstraint("length(default_model) between 1 and 128", name="default_model"),
    )

    id: Mapped[UlidKey]
    name: Mapped[str]
    created_at: Mapped[Instant]
    phi_mode: Mapped[str] = mapped_column(server_default="redact")
    storage_mode: Mapped[str] = mapped_column(server_default="full")
    restore_answers: Mapped[bool] = mapped_column(server_default=text("true"))
    unscannable: Mapped[str] = mapped_column(server_default="refuse")
    phi_profile: Mapped[str] = mapped_column(server_default="safe_harbor")
    phi_entities: Mapped[Words | None]
    phi_threshold_milli: Mapped[int] = mapped_column(server_default=text("500"))
    phi_terms: Mapped[Sealed | None]
    """The organisation's own lists; null when both are empty."""
    phi_answers: Mapped[str] = mapped_column(server_default="record")
    phi_retrieval_behavior: Mapped[str] = mapped_column(server_default="redact")
    retention_days: Mapped[int] = mapped_column(server_default=text("2555"))
    retention_floor_days: Mapped[int | None]
    """What is kept already is kept so long until `retention_floor_until`, whatever the policy says now."""
    retention_floor_until: Mapped[Instant | None]
    minimum_retention_days: Mapped[int] = mapped_column(server_default=text("0"))
    """How long the law has content be kept whatever its subject asks for: until then an erasure only restricts it."""
    legal_hold: Mapped[bool] = mapped_column(server_default=false())
    hold_until: Mapped[Instant | None]
    """A hold that was lifted still holds until then."""
    policy_version: Mapped[int] = mapped_column(server_default=text("1"))
    opus_enabled: Mapped[bool] = mapped_column(server_default=text("false"))
    premium_models: Mapped[Words] = mapped_column(server_default=text("'{}'"))
    failover_enabled: Mapped[bool] = mapped_column(server_default=text("false"))
    allowed_tools: Mapped[Words] = mapped_column(server_default=text("'{*}'"))
    default_model: Mapped[str | None]
    credits_allotment: Mapped[Credits]
    spend_cap: Mapped[Credits | None]
    rollover_limit: Mapped[Credits] = mapped_column(server_default=text("0"))
    """How many unused credits a period hands on to the next at most."""
    alert_thresholds: Mapped[Percents] = mapped_column(server_default=text("'{}'"))
    time_zone: Mapped[str] = mapped_column(server_default="UTC")
    anchor_day: Mapped[int] = mapped_column(server_default=text("1"))
    tier: Mapped[str] = mapped_column(server_default="enterprise")
    """Its row in the table of rate limits."""
    scheduled_cycle: Mapped[str | None]
    """The zone and day that its schedule of budget resets was last brought to; null: it has none yet."""


class DataKeyRow(Row):
    """One version of an organisation's data key, wrapped by a root key; the highest version encrypts."""

    __tablename__ = "data_keys"

    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    wrapped: Mapped[Sealed]
    root_key: Mapped[str]
    created_at: Mapped[Instant]

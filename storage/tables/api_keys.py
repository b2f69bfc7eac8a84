"""API keys: a keyed hash and what may be shown, never the key."""

from sqlalchemy import CheckConstraint, ForeignKey, Index, PrimaryKeyConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.schema import Credits, Instant, Json, Row, Sealed, Ulid, UlidKey, Words


class ApiKeyRow(Row):
    __tablename__ = "api_keys"
    __table_args__ = (
        CheckConstraint("mode in ('live', 'test')", name="mode"),
        CheckConstraint("cardinality(networks) <= 100", name="networks"),
        CheckConstraint("(replaces is null) = (grace_s is null)", name="replaces"),
        CheckConstraint("grace_s between 0 and 604800", name="grace_s"),
        CheckConstraint("credit_cap >= 0", name="credit_cap"),
        Index("ix_api_keys_org_id_family", "org_id", "family"),
        Index("uq_api_keys_replaces", "replaces", unique=True, postgresql_where=text("revoked_at is null")),
        Index("ix_api_keys_org_id_id", "org_id", "id"),
    )

    id: Mapped[UlidKey]
    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"))
    name: Mapped[str]
    owner: Mapped[str | None]
    """The user whose it is: what it has agents do is done on their behalf."""
    mode: Mapped[str]
    prefix: Mapped[str]
    last_four: Mapped[str]
    digest: Mapped[Sealed] = mapped_column(unique=True)
    pepper: Mapped[int]
    scopes: Mapped[Words]
    created_at: Mapped[Instant]
    expires_at: Mapped[Instant | None]
    networks: Mapped[Words] = mapped_column(server_default=text("'{}'"))
    replaces: Mapped[Ulid | None] = mapped_column(ForeignKey("api_keys.id"))
    grace_s: Mapped[int | None]
    retires_at: Mapped[Instant | None]
    family: Mapped[Ulid]
    """The first key of the line of successors that this one is in: what a line spends and how fast is counted by it."""
    credit_cap: Mapped[Credits | None]
    last_used_at: Mapped[Instant | None]
    revoked_at: Mapped[Instant | None]
    model_shorthands: Mapped[Json] = mapped_column(server_default=text("'{}'"))
    model_shorthands_enabled: Mapped[bool] = mapped_column(server_default=text("false"))


class AutoModeRow(Row):
    """How far `model: "auto"` may reach for whoever it is chosen for."""

    __tablename__ = "auto_modes"
    __table_args__ = (
        PrimaryKeyConstraint("org_id", "holder"),
        CheckConstraint("mode in ('lite', 'performance', 'turbo')", name="mode"),
    )

    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"))
    holder: Mapped[str]
    """`user:` and an owner of keys, or `key:` and the line of a key without one."""
    mode: Mapped[str]


class KeyNoticeRow(Row):
    """What is to be told of a key's end, and whether it was: each `kind` once for each end the key is given."""

    __tablename__ = "key_notices"
    __table_args__ = (
        PrimaryKeyConstraint("key_id", "ends_at", "kind"),
        Index("ix_key_notices_due_at_waiting", "due_at", postgresql_where=text("closed_at is null")),
    )

    key_id: Mapped[Ulid] = mapped_column(ForeignKey("api_keys.id"))
    ends_at: Mapped[Instant]
    kind: Mapped[str]
    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"))
    due_at: Mapped[Instant]
    closed_at: Mapped[Instant | None]
    """When it was told, or a later one in its place."""

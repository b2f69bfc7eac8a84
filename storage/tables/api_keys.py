"""API keys: a keyed hash and what may be shown, never the key."""

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.schema import Instant, Row, Sealed, Ulid, UlidKey, Words


class ApiKeyRow(Row):
    __tablename__ = "api_keys"
    __table_args__ = (
        CheckConstraint("mode in ('live', 'test')", name="mode"),
        CheckConstraint("cardinality(networks) <= 100", name="networks"),
        CheckConstraint("(replaces is null) = (grace_s is null)", name="replaces"),
        CheckConstraint("grace_s between 0 and 604800", name="grace_s"),
        Index("uq_api_keys_replaces", "replaces", unique=True, postgresql_where=text("revoked_at is null")),
        Index("ix_api_keys_org_id_id", "org_id", "id"),
    )

    id: Mapped[UlidKey]
    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"))
    name: Mapped[str]
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
    last_used_at: Mapped[Instant | None]
    revoked_at: Mapped[Instant | None]

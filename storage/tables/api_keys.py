"""API keys: a keyed hash and what may be shown, never the key."""

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.schema import Instant, Row, Sealed, Ulid, UlidKey, Words


class ApiKeyRow(Row):
    __tablename__ = "api_keys"
    __table_args__ = (
        CheckConstraint("mode in ('live', 'test')", name="mode"),
        CheckConstraint("cardinality(networks) <= 100", name="networks"),
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
    last_used_at: Mapped[Instant | None]
    revoked_at: Mapped[Instant | None]

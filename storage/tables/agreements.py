"""Acceptances of the business associate agreement, and their signed documents."""

from sqlalchemy import CheckConstraint, ForeignKey, Index, false, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.schema import Instant, Row, Sealed, Ulid, UlidKey, Words


class AcceptanceRow(Row):
    """`affirmation` is who accepted and how, sealed. Rows of before migration 0012 have `signer_*` instead."""

    __tablename__ = "baa_acceptances"
    __table_args__ = (
        CheckConstraint("status in ('pending', 'active', 'superseded', 'expired', 'terminated')", name="status"),
        CheckConstraint("(ends_at is null) = (ends_as is null)", name="ends"),
        CheckConstraint("ends_as in ('superseded', 'terminated')", name="ends_as"),
        CheckConstraint("num_nonnulls(affirmation, signer_name) = 1", name="signer"),
        Index("uq_baa_acceptances_org_id_active", "org_id", unique=True, postgresql_where="status = 'active'"),
        Index(
            "uq_baa_acceptances_org_id_template_sha256_pending",
            "org_id",
            "template_sha256",
            unique=True,
            postgresql_where="status = 'pending'",
        ),
        Index("ix_baa_acceptances_org_id_id", "org_id", "id"),
        Index("ix_baa_acceptances_id_awaiting", "id", postgresql_where="awaits_document"),
    )

    id: Mapped[UlidKey]
    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"))
    template_version: Mapped[str]
    template_sha256: Mapped[str]
    covers: Mapped[Words]
    signer_name: Mapped[str | None]
    signer_title: Mapped[str | None]
    signer_email: Mapped[str | None]
    accepted_at: Mapped[Instant]
    effective_at: Mapped[Instant]
    expires_at: Mapped[Instant | None]
    status: Mapped[str] = mapped_column(server_default="active")
    affirmation: Mapped[Sealed | None]
    ends_at: Mapped[Instant | None]
    ends_as: Mapped[str | None]
    grace_days: Mapped[int] = mapped_column(server_default=text("30"))
    reminded_days: Mapped[int | None]
    awaits_document: Mapped[bool] = mapped_column(server_default=false())


class BaaDocumentRow(Row):
    """A signed PDF, sealed. Written once: nothing in the product changes or deletes it."""

    __tablename__ = "baa_documents"

    acceptance_id: Mapped[UlidKey] = mapped_column(ForeignKey("baa_acceptances.id"))
    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"))
    sha256: Mapped[str]
    size: Mapped[int]
    content: Mapped[Sealed] = mapped_column(deferred=True)
    """Read by those who ask for it, not with every acceptance."""
    signed_at: Mapped[Instant]

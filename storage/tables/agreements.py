"""Acceptances of the business associate agreement."""

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.schema import Instant, Row, Ulid, UlidKey, Words


class AcceptanceRow(Row):
    __tablename__ = "baa_acceptances"
    __table_args__ = (
        CheckConstraint("status in ('active', 'superseded', 'expired', 'terminated')", name="status"),
        Index("uq_baa_acceptances_org_id_active", "org_id", unique=True, postgresql_where="status = 'active'"),
    )

    id: Mapped[UlidKey]
    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"))
    template_version: Mapped[str]
    template_sha256: Mapped[str]
    covers: Mapped[Words]
    signer_name: Mapped[str]
    signer_title: Mapped[str]
    signer_email: Mapped[str]
    accepted_at: Mapped[Instant]
    effective_at: Mapped[Instant]
    expires_at: Mapped[Instant | None]
    status: Mapped[str] = mapped_column(server_default="active")

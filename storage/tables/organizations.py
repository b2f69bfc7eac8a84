"""Organisations, their policies, and the data keys their content is encrypted under."""

from sqlalchemy import CheckConstraint, ForeignKey, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.schema import Credits, Instant, Row, Sealed, Ulid, UlidKey, Words


class OrganizationRow(Row):
    __tablename__ = "organizations"
    __table_args__ = (
        CheckConstraint("phi_mode in ('redact', 'block', 'allow')", name="phi_mode"),
        CheckConstraint("storage_mode in ('full', 'none')", name="storage_mode"),
        CheckConstraint("unscannable in ('refuse', 'pass')", name="unscannable"),
        CheckConstraint("credits_allotment >= 0 and spend_cap >= 0", name="credits"),
    )

    id: Mapped[UlidKey]
    name: Mapped[str]
    created_at: Mapped[Instant]
    phi_mode: Mapped[str] = mapped_column(server_default="redact")
    storage_mode: Mapped[str] = mapped_column(server_default="full")
    restore_answers: Mapped[bool] = mapped_column(server_default=text("true"))
    unscannable: Mapped[str] = mapped_column(server_default="refuse")
    opus_enabled: Mapped[bool] = mapped_column(server_default=text("false"))
    premium_models: Mapped[Words] = mapped_column(server_default=text("'{}'"))
    credits_allotment: Mapped[Credits]
    spend_cap: Mapped[Credits | None]


class DataKeyRow(Row):
    """One version of an organisation's data key, wrapped by a root key; the highest version encrypts."""

    __tablename__ = "data_keys"

    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    wrapped: Mapped[Sealed]
    root_key: Mapped[str]
    created_at: Mapped[Instant]

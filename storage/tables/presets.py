"""Assistants that chats can begin with."""

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.schema import Instant, Row, Sealed, Ulid, UlidKey


class PresetRow(Row):
    """What an assistant is told is sealed; what it is called is not."""

    __tablename__ = "presets"
    __table_args__ = (Index("ix_presets_org_id_id", "org_id", "id"),)

    id: Mapped[UlidKey]
    """A UUID."""
    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"))
    name: Mapped[str]
    definition: Mapped[Sealed]
    """Under the organisation's data key: no purge takes it."""
    version: Mapped[int] = mapped_column(server_default=text("1"))
    created_by: Mapped[str | None]
    created_at: Mapped[Instant]
    updated_at: Mapped[Instant]

"""Keys that content is sealed under, one for each day of an organisation."""

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.schema import Day, Instant, Row, Sealed, Ulid


class ContentKeyRow(Row):
    """A day's key, wrapped by a root key. Destroyed, the row stays without it: no key of that day is made again."""

    __tablename__ = "content_keys"
    __table_args__ = (
        CheckConstraint(
            "num_nonnulls(wrapped, root_key) = case when destroyed_at is null then 2 else 0 end", name="destroyed"
        ),
        Index("ix_content_keys_org_id_day_usable", "org_id", "day", postgresql_where=text("destroyed_at is null")),
    )

    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"), primary_key=True)
    day: Mapped[Day] = mapped_column(primary_key=True)
    """UTC, of the ids of what is sealed."""
    wrapped: Mapped[Sealed | None]
    root_key: Mapped[str | None]
    created_at: Mapped[Instant]
    destroyed_at: Mapped[Instant | None]

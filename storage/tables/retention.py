"""What was purged of an organisation's content, and what is being purged."""

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.schema import Counter, Day, Instant, Row, Ulid


class RetentionPurgeRow(Row):
    """One purge of all content up to a day. Counts grow with each batch, in the batch's own transaction."""

    __tablename__ = "retention_purges"
    __table_args__ = (
        CheckConstraint("reason in ('retention', 'termination')", name="reason"),
        Index("ix_retention_purges_org_id_unfinished", "org_id", postgresql_where=text("finished_at is null")),
    )

    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"), primary_key=True)
    through: Mapped[Day] = mapped_column(primary_key=True)
    """The last day purged, UTC."""
    reason: Mapped[str] = mapped_column(primary_key=True)
    started_at: Mapped[Instant]
    finished_at: Mapped[Instant | None]
    keys: Mapped[Counter] = mapped_column(server_default=text("0"))
    records: Mapped[Counter] = mapped_column(server_default=text("0"))

"""Events that happened, written with the act and relayed afterwards."""

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.schema import Instant, Json, Row, Ulid, UlidKey


class OutboxRow(Row):
    """One event. `claimed_until` is a relay's lease; a dead relay's claim lapses and another takes over."""

    __tablename__ = "outbox"
    __table_args__ = (Index("ix_outbox_id_waiting", "id", postgresql_where="relayed_at is null"),)

    id: Mapped[UlidKey]
    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"))
    type: Mapped[str]
    data: Mapped[Json]
    created_at: Mapped[Instant]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    claimed_until: Mapped[Instant | None]
    relayed_at: Mapped[Instant | None]

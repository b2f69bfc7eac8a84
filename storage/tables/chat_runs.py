"""Chats that run in the background."""

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.schema import Instant, Row, Sealed, Ulid, UlidKey


class ChatRunRow(Row):
    """What was asked is sealed under the key of the run's day, and gone with it. What was said stands in the records
    of the calls that it became.
    """

    __tablename__ = "chat_runs"
    __table_args__ = (
        CheckConstraint("state in ('queued', 'running', 'completed', 'failed', 'cancelled')", name="state"),
        CheckConstraint("(finished_at is not null) = (state in ('completed', 'failed', 'cancelled'))", name="finished"),
        CheckConstraint("num_nonnulls(key_id, credential_id) = 1", name="caller"),
        CheckConstraint("num_nonnulls(error_code, error_message) in (0, 2)", name="error"),
        Index("ix_chat_runs_org_id_id", "org_id", "id"),
    )

    id: Mapped[UlidKey]
    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"))
    line: Mapped[str]
    """Whose it is: an agent's, or the line of successors that a key is in."""
    key_id: Mapped[str | None]
    credential_id: Mapped[str | None]
    """Of an agent, in place of a key."""
    state: Mapped[str] = mapped_column(server_default="queued")
    request: Mapped[Sealed]
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    created_at: Mapped[Instant]
    started_at: Mapped[Instant | None]
    finished_at: Mapped[Instant | None]

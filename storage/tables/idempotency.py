"""What was asked under which idempotency key, and the answer, for a day."""

from sqlalchemy import ForeignKey, Index, PrimaryKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.schema import Instant, Row, Sealed, Ulid


class IdempotencyRow(Row):
    """One key on one path of one organisation. Only digests of what was sent; the answer is sealed."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        PrimaryKeyConstraint("org_id", "digest"),
        Index("ix_idempotency_keys_created_at", "created_at"),
    )

    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"))
    digest: Mapped[Sealed]
    body_digest: Mapped[Sealed]
    inference_id: Mapped[Ulid | None]
    status: Mapped[int | None]
    answer: Mapped[Sealed | None]
    claimed_until: Mapped[Instant | None]
    created_at: Mapped[Instant]

"""How often who was refused, until an audit entry says so."""

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.schema import Counter, Instant, Json, Row, Ulid, UlidKey


class RefusalCountRow(Row):
    """What one process counted in one minute of refusals that are alike."""

    __tablename__ = "refusal_counts"
    __table_args__ = ({"postgresql_with": {"fillfactor": 50}},)

    minute: Mapped[Instant] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(primary_key=True)
    """Of the organisation and `facts`."""
    counter: Mapped[UlidKey]
    """The process."""
    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"))
    facts: Mapped[Json]
    count: Mapped[Counter]
    first_at: Mapped[Instant]
    last_at: Mapped[Instant]
    batch: Mapped[Ulid]
    """The last that was counted in."""

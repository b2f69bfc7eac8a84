"""How model providers have answered, for everybody together: nothing in here belongs to an organisation."""

from typing import Annotated

from sqlalchemy import CheckConstraint, Integer, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.schema import Counter, Instant, Row

Tally = Annotated[list[int], mapped_column(ARRAY(Integer))]


class ProviderHealthRow(Row):
    """One minute of attempts at a provider's model, of all processes. A probe asks the provider: its `model` is ''."""

    __tablename__ = "provider_health"
    __table_args__ = (
        CheckConstraint("source in ('traffic', 'probe')", name="source"),
        CheckConstraint("cardinality(latency) = 48", name="latency"),
    )

    minute: Mapped[Instant] = mapped_column(primary_key=True)
    provider: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    ok: Mapped[Counter] = mapped_column(server_default=text("0"))
    busy: Mapped[Counter] = mapped_column(server_default=text("0"))
    failed: Mapped[Counter] = mapped_column(server_default=text("0"))
    timeouts: Mapped[Counter] = mapped_column(server_default=text("0"))
    latency: Mapped[Tally]
    """How many answers took how long, by the intervals of `gateway.routing.latency`."""


class ProviderCircuitRow(Row):
    """A circuit that is not closed in one process, for as long as that process goes on saying so."""

    __tablename__ = "provider_circuits"
    __table_args__ = (CheckConstraint("state in ('open', 'half_open')", name="state"),)

    process_id: Mapped[str] = mapped_column(primary_key=True)
    provider: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    seen_at: Mapped[Instant]

"""The audit log: entries written with the act, seals written by the sequencer. Both only ever grow."""

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.schema import Counter, Instant, Json, Row, Ulid, UlidKey


class AuditEntryRow(Row):
    __tablename__ = "audit_entries"
    __table_args__ = (
        Index("ix_audit_entries_org_id_id", "org_id", "id"),
        Index("ix_audit_entries_org_id_entity_id", "org_id", "entity_id"),
    )

    id: Mapped[UlidKey]
    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"))
    action: Mapped[str]
    entity_type: Mapped[str | None]
    entity_id: Mapped[str | None]
    actor: Mapped[str | None]
    ip_address: Mapped[str | None]
    entry_metadata: Mapped[Json] = mapped_column("metadata")
    phi_disposition: Mapped[str]
    subject_type: Mapped[str | None]
    subject_id_hmac: Mapped[str | None]
    created_at: Mapped[Instant]


class AuditPendingRow(Row):
    """Entries not sealed yet: written with the entry, removed with its seal."""

    __tablename__ = "audit_pending"

    entry_id: Mapped[UlidKey] = mapped_column(ForeignKey("audit_entries.id"))


class AuditSealRow(Row):
    """An entry's place in its organisation's chain."""

    __tablename__ = "audit_seals"
    __table_args__ = (UniqueConstraint("org_id", "seq"), UniqueConstraint("org_id", "prev_hash"))

    entry_id: Mapped[UlidKey] = mapped_column(ForeignKey("audit_entries.id"))
    org_id: Mapped[Ulid]
    seq: Mapped[Counter]
    prev_hash: Mapped[str]
    hash: Mapped[str]
    sealed_at: Mapped[Instant]

"""The audit log: entries written with the act, seals written by the sequencer. Both only ever grow."""

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.schema import Counter, Instant, Json, Row, Sealed, Ulid, UlidKey


class AuditEntryRow(Row):
    __tablename__ = "audit_entries"
    __table_args__ = (
        Index("ix_audit_entries_org_id_id", "org_id", "id"),
        Index("ix_audit_entries_org_id_entity_id", "org_id", "entity_id"),
        Index(
            "ix_audit_entries_org_id_subject_id_hmac_id",
            "org_id",
            "subject_id_hmac",
            "id",
            postgresql_where="subject_id_hmac is not null",
        ),
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
    __table_args__ = (
        UniqueConstraint("org_id", "seq"),
        UniqueConstraint("org_id", "prev_hash"),
        Index("ix_audit_seals_org_id_seq_unsigned", "org_id", "seq", postgresql_where="signature is null"),
    )

    entry_id: Mapped[UlidKey] = mapped_column(ForeignKey("audit_entries.id"))
    org_id: Mapped[Ulid]
    seq: Mapped[Counter]
    prev_hash: Mapped[str]
    hash: Mapped[str]
    sealed_at: Mapped[Instant]
    key_id: Mapped[str | None]
    signature: Mapped[str | None]
    """Of `hash`. None only in seals of before there were signatures, until the sequencer has come to them."""
    signed_at: Mapped[Instant | None]
    """When, if later than `sealed_at`."""


class AuditKeyRow(Row):
    """A public key of the installation. At most one is active."""

    __tablename__ = "audit_keys"
    __table_args__ = (
        Index("uq_audit_keys_status_active", "status", unique=True, postgresql_where="status = 'active'"),
    )

    key_id: Mapped[str] = mapped_column(primary_key=True)
    public_key_pem: Mapped[str]
    status: Mapped[str]
    published_at: Mapped[Instant]
    retired_at: Mapped[Instant | None]
    revoked_at: Mapped[Instant | None]


class AuditCheckpointRow(Row):
    """The head of a chain at an instant, signed."""

    __tablename__ = "audit_checkpoints"

    org_id: Mapped[UlidKey] = mapped_column(ForeignKey("organizations.id"))
    seq: Mapped[Counter] = mapped_column(primary_key=True)
    hash: Mapped[str]
    at: Mapped[Instant]
    key_id: Mapped[str] = mapped_column(ForeignKey("audit_keys.key_id"))
    signature: Mapped[str]


class AuditAnchorRow(Row):
    """An RFC 3161 time-stamp of a checkpoint's hash."""

    __tablename__ = "audit_anchors"
    __table_args__ = (ForeignKeyConstraint(["org_id", "seq"], ["audit_checkpoints.org_id", "audit_checkpoints.seq"]),)

    org_id: Mapped[UlidKey]
    seq: Mapped[Counter] = mapped_column(primary_key=True)
    response: Mapped[bytes]
    at: Mapped[Instant]
    tsa_url: Mapped[str]
    tsa_cacert_url: Mapped[str]


class AuditExportRow(Row):
    """An export that somebody asked for."""

    __tablename__ = "audit_exports"
    __table_args__ = (
        Index("ix_audit_exports_expires_at_kept", "expires_at", postgresql_where="state <> 'expired'"),
        Index("ix_audit_exports_org_id_kept", "org_id", postgresql_where="state <> 'expired'"),
    )

    id: Mapped[UlidKey]
    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"))
    state: Mapped[str]
    range_from: Mapped[Instant]
    range_to: Mapped[Instant]
    requested_at: Mapped[Instant]
    requested_by: Mapped[str | None]
    audit_entry_id: Mapped[Ulid]
    plan: Mapped[str | None]
    """A digest of what the pages there are of: a writer with another plan begins anew."""
    entry_count: Mapped[Counter | None]
    entries_written: Mapped[Counter] = mapped_column(server_default=text("0"))
    sha256: Mapped[str | None]
    reason: Mapped[str | None]
    finished_at: Mapped[Instant | None]
    expires_at: Mapped[Instant]


class AuditExportPageRow(Row):
    """A piece of an export's text, sealed. Number 0 is its head; the last one is its tail."""

    __tablename__ = "audit_export_pages"

    export_id: Mapped[UlidKey] = mapped_column(ForeignKey("audit_exports.id"))
    number: Mapped[Counter] = mapped_column(primary_key=True)
    org_id: Mapped[Ulid]
    content: Mapped[Sealed]

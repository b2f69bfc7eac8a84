"""People whom calls name, their keys, exports of what is kept of them, and erasures."""

from sqlalchemy import CheckConstraint, ForeignKey, Index, PrimaryKeyConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.schema import Counter, Day, Instant, Json, Row, Sealed, Ulid, UlidKey, Words


class EndUserRow(Row):
    """One person of one organisation. Erased, the row stays without the name: it is the tombstone.

    Somebody who is named again after an erasure was asked for has a new row.
    """

    __tablename__ = "end_users"
    __table_args__ = (
        CheckConstraint("state in ('active', 'restricted', 'erased')", name="state"),
        CheckConstraint("(state = 'erased') = (erased_at is not null)", name="erased_at"),
        CheckConstraint("(original is null) = (erased_at is not null)", name="original"),
        CheckConstraint("num_nonnulls(held_at, hold_reason) in (0, 2)", name="held_at"),
        Index(
            "uq_end_users_org_id_digest_active",
            "org_id",
            "digest",
            unique=True,
            postgresql_where=text("state = 'active'"),
        ),
        Index("ix_end_users_org_id_digest", "org_id", "digest"),
        Index("ix_end_users_org_id_id", "org_id", "id"),
        Index("ix_end_users_org_id_held", "org_id", postgresql_where=text("held_at is not null")),
        # An organisation that leaves has those taken who are not yet.
        Index("ix_end_users_org_id_named", "org_id", "id", postgresql_where=text("erased_at is null")),
    )

    id: Mapped[UlidKey]
    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"))
    digest: Mapped[str]
    """HMAC-SHA256 of the name under the organisation's key, in hexadecimal."""
    original: Mapped[Sealed | None]
    """The name as it was sent."""
    state: Mapped[str] = mapped_column(server_default="active")
    created_at: Mapped[Instant]
    held_at: Mapped[Instant | None]
    """Nothing of them may be destroyed, since then."""
    hold_reason: Mapped[str | None]
    held_by: Mapped[str | None]
    restricted_at: Mapped[Instant | None]
    erased_at: Mapped[Instant | None]


class EndUserKeyRow(Row):
    """What is sealed of an end user dies with this. Destroyed, the row stays without it."""

    __tablename__ = "end_user_keys"
    __table_args__ = (CheckConstraint("(sealed is null) = (destroyed_at is not null)", name="destroyed"),)

    end_user_id: Mapped[UlidKey] = mapped_column(ForeignKey("end_users.id", ondelete="cascade"))
    org_id: Mapped[Ulid]
    sealed: Mapped[Sealed | None]
    created_at: Mapped[Instant]
    destroyed_at: Mapped[Instant | None]


class EndUserDigestKeyRow(Row):
    """An organisation's key for the digests of names."""

    __tablename__ = "end_user_digest_keys"

    org_id: Mapped[UlidKey] = mapped_column(ForeignKey("organizations.id"))
    sealed: Mapped[Sealed]
    created_at: Mapped[Instant]


class EndUserExportRow(Row):
    """An export of what is kept of a person, as of a moment. Its parts are sealed under a key of its own."""

    __tablename__ = "end_user_exports"
    __table_args__ = (
        CheckConstraint("state in ('requested', 'running', 'ready', 'failed', 'cancelled', 'expired')", name="state"),
        CheckConstraint("sealed_key is null or state in ('requested', 'running', 'ready')", name="sealed_key"),
        Index(
            "uq_end_user_exports_end_user_id_open",
            "end_user_id",
            unique=True,
            postgresql_where=text("state in ('requested', 'running')"),
        ),
        Index("ix_end_user_exports_org_id_id", "org_id", "id"),
        Index("ix_end_user_exports_end_user_id_id", "end_user_id", "id"),
    )

    id: Mapped[UlidKey]
    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"))
    end_user_id: Mapped[Ulid] = mapped_column(ForeignKey("end_users.id"))
    state: Mapped[str] = mapped_column(server_default="requested")
    snapshot_at: Mapped[Instant]
    requested_at: Mapped[Instant]
    requested_by: Mapped[str | None]
    sealed_key: Mapped[Sealed | None]
    """Under the end user's own key; null once nobody may read it any more."""
    counts: Mapped[Json] = mapped_column(server_default=text("'{}'"))
    """Records written so far, by set."""
    bytes_written: Mapped[Counter] = mapped_column(server_default=text("0"))
    manifest_sha256: Mapped[str | None]
    reason: Mapped[str | None]
    """Why it failed, a word."""
    finished_at: Mapped[Instant | None]
    expires_at: Mapped[Instant]


class EndUserExportPartRow(Row):
    """One file of an export. Never changed: what is written again after a crash is the same."""

    __tablename__ = "end_user_export_parts"
    __table_args__ = (PrimaryKeyConstraint("export_id", "number"),)

    export_id: Mapped[Ulid] = mapped_column(ForeignKey("end_user_exports.id", ondelete="cascade"))
    number: Mapped[int]
    """In the order of the bag."""
    org_id: Mapped[Ulid]
    dataset: Mapped[str]
    path: Mapped[str]
    """In the bag."""
    records: Mapped[Counter]
    size: Mapped[Counter]
    """Bytes, of what is in the bag."""
    sha256: Mapped[str]
    """Of the same."""
    cursor: Mapped[str]
    """Behind which record the next part begins."""
    content: Mapped[Sealed]
    """Compressed, then sealed."""


class EndUserErasureRow(Row):
    """One request to erase a person, and what came of it. Holds no name."""

    __tablename__ = "end_user_erasures"
    __table_args__ = (
        CheckConstraint(
            "state in ('requested', 'waiting', 'restricted', 'shredding', 'shredded', 'done', 'held')", name="state"
        ),
        CheckConstraint("(finished_at is not null) = (state in ('done', 'held'))", name="finished_at"),
        Index(
            "uq_end_user_erasures_end_user_id_open",
            "end_user_id",
            unique=True,
            postgresql_where=text("state not in ('done', 'held')"),
        ),
        Index("ix_end_user_erasures_org_id_id", "org_id", "id"),
    )

    id: Mapped[UlidKey]
    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"))
    end_user_id: Mapped[Ulid] = mapped_column(ForeignKey("end_users.id"))
    digest: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="requested")
    reasons: Mapped[Words] = mapped_column(server_default=text("'{}'"))
    """Why it is held or waits, in words of a closed vocabulary."""
    reference: Mapped[str | None]
    """What the organisation calls the request."""
    counts: Mapped[Json] = mapped_column(server_default=text("'{}'"))
    """How many records there were, by class, of those that are done with."""
    due_at: Mapped[Instant | None]
    """Restricted until then: what must be kept so long."""
    requested_at: Mapped[Instant]
    requested_by: Mapped[str | None]
    restricted_at: Mapped[Instant | None]
    shredded_at: Mapped[Instant | None]
    keys_gone_on: Mapped[Day | None]
    """The day on which the last copy of the key dies, in backups."""
    scan: Mapped[Json | None]
    finished_at: Mapped[Instant | None]
    certificate: Mapped[Json | None]
    certificate_pdf: Mapped[Sealed | None]
    """Sealed under the organisation's data key: it outlives the person's."""

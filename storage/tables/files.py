"""Files that callers upload, and the pieces of their text."""

from sqlalchemy import REAL, CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, PrimaryKeyConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.schema import Counter, Day, Instant, Row, Sealed, Ulid, UlidKey


class FileRow(Row):
    """One file. All that is of its content is sealed under the key of its day, its name too, and gone with it."""

    __tablename__ = "files"
    __table_args__ = (
        CheckConstraint("state in ('uploading', 'processing', 'ready', 'failed')", name="state"),
        CheckConstraint("num_nonnulls(error_code, error_message) in (0, 2)", name="error"),
        CheckConstraint("content is null or state = 'processing'", name="content"),
        Index("ix_files_org_id_id", "org_id", "id"),
    )

    id: Mapped[UlidKey]
    """A UUID."""
    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"))
    day: Mapped[Day]
    """Whose key it is sealed under."""
    name: Mapped[Sealed]
    bytes: Mapped[Counter]
    """As announced, and as came."""
    state: Mapped[str] = mapped_column(server_default=text("'processing'"))
    content: Mapped[Sealed | None] = mapped_column(deferred=True)
    """As it came, until it is read; none before it came."""
    search_key: Mapped[Sealed]
    """What its words are digested with, so that nobody sees that two files have one in common."""
    tokens: Mapped[Counter | None]
    phi: Mapped[dict[str, int] | None] = mapped_column(JSONB)
    """How many of each kind the guard saw in it."""
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    created_by: Mapped[str | None]
    created_at: Mapped[Instant]


class FileChunkRow(Row):
    """A piece of a file's text, found by digests of its words."""

    __tablename__ = "file_chunks"
    __table_args__ = (
        PrimaryKeyConstraint("file_id", "place"),
        Index("ix_file_chunks_words", "words", postgresql_using="gin"),
    )

    file_id: Mapped[Ulid] = mapped_column(ForeignKey("files.id", ondelete="cascade"))
    place: Mapped[int]
    org_id: Mapped[Ulid]
    text: Mapped[Sealed]
    words: Mapped[str] = mapped_column(TSVECTOR)


class FileMeaningRow(Row):
    """What a piece of a file's text means, as a vector that is turned by the file's own key."""

    __tablename__ = "file_meanings"
    __table_args__ = (
        PrimaryKeyConstraint("file_id", "place"),
        ForeignKeyConstraint(["file_id", "place"], ["file_chunks.file_id", "file_chunks.place"], ondelete="cascade"),
    )

    file_id: Mapped[Ulid]
    place: Mapped[int]
    org_id: Mapped[Ulid]
    model: Mapped[str]
    """Whose vector it is."""
    meaning: Mapped[list[float]] = mapped_column(ARRAY(REAL))
    """No `vector`: pgvector may not be there when the table is made. Cast where vectors are compared."""

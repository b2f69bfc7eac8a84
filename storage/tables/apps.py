"""Apps, and the jobs that run their workflows."""

from sqlalchemy import CheckConstraint, ForeignKey, Index, PrimaryKeyConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.schema import Instant, Row, Sealed, Ulid, UlidKey


class AppRow(Row):
    """A prompt, or several of them, that an organisation keeps. What it says is sealed; what it is called is not."""

    __tablename__ = "apps"
    __table_args__ = (Index("ix_apps_org_id_id", "org_id", "id"),)

    id: Mapped[UlidKey]
    """A UUID."""
    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"))
    name: Mapped[str]
    description: Mapped[str | None]
    definition: Mapped[Sealed]
    """Under the organisation's data key: no purge takes it."""
    version: Mapped[int] = mapped_column(server_default=text("1"))
    created_by: Mapped[str | None]
    created_at: Mapped[Instant]
    updated_at: Mapped[Instant]


class AppJobRow(Row):
    """One run of a workflow. What was asked is sealed under the key of the job's day, and gone with it."""

    __tablename__ = "app_jobs"
    __table_args__ = (
        CheckConstraint("state in ('queued', 'running', 'completed', 'failed', 'cancelled')", name="state"),
        CheckConstraint("(finished_at is not null) = (state in ('completed', 'failed', 'cancelled'))", name="finished"),
        CheckConstraint("num_nonnulls(key_id, credential_id) = 1", name="caller"),
        CheckConstraint("num_nonnulls(error_code, error_message) in (0, 2)", name="error"),
        Index("ix_app_jobs_org_id_id", "org_id", "id"),
    )

    id: Mapped[UlidKey]
    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"))
    app_id: Mapped[str]
    """Without a foreign key: a job outlives its app."""
    line: Mapped[str]
    """Whose it is: an agent's, or the line of successors that a key is in."""
    key_id: Mapped[str | None]
    credential_id: Mapped[str | None]
    """Of an agent, in place of a key."""
    state: Mapped[str] = mapped_column(server_default="queued")
    request: Mapped[Sealed]
    """The app as it was, and what it was given."""
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    created_at: Mapped[Instant]
    started_at: Mapped[Instant | None]
    finished_at: Mapped[Instant | None]


class AppJobStepRow(Row):
    """One step of a job, told by its place: what it is called is in the sealed request."""

    __tablename__ = "app_job_steps"
    __table_args__ = (
        PrimaryKeyConstraint("job_id", "place"),
        CheckConstraint("state in ('queued', 'running', 'completed', 'failed', 'cancelled')", name="state"),
        CheckConstraint("num_nonnulls(error_code, error_message) in (0, 2)", name="error"),
    )

    job_id: Mapped[Ulid] = mapped_column(ForeignKey("app_jobs.id", ondelete="cascade"))
    place: Mapped[int]
    org_id: Mapped[Ulid]
    state: Mapped[str] = mapped_column(server_default="queued")
    inference_id: Mapped[str | None]
    """The call that it became: what was answered and what it cost is in that one's record."""
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]

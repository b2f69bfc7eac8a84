"""Agents, their credentials, the calls that run with these, and what a revocation takes along."""

from sqlalchemy import CheckConstraint, ForeignKey, Index, PrimaryKeyConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.schema import Credits, Instant, JsonList, Row, Sealed, Ulid, UlidKey, Words


class AgentRow(Row):
    """An identity without a secret of its own: what it may do is granted to its credentials."""

    __tablename__ = "agents"
    __table_args__ = (
        CheckConstraint("status in ('active', 'archived')", name="status"),
        CheckConstraint("(status = 'archived') = (archived_at is not null)", name="archived_at"),
        CheckConstraint("default_expiry_hours between 1 and 720", name="default_expiry_hours"),
        CheckConstraint("default_revocation_policy in ('drain', 'kill')", name="default_revocation_policy"),
        CheckConstraint("cardinality(capabilities) <= 12", name="capabilities"),
        CheckConstraint("credit_cap >= 0", name="credit_cap"),
        Index("uq_agents_org_id_name", "org_id", text("lower(name)"), unique=True),
        Index("ix_agents_org_id_id", "org_id", "id"),
    )

    id: Mapped[UlidKey]
    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"))
    name: Mapped[str]
    description: Mapped[str | None]
    owner: Mapped[str | None]
    """The user who answers for it."""
    capabilities: Mapped[Words]
    default_expiry_hours: Mapped[int]
    default_revocation_policy: Mapped[str]
    allowed_scope_types: Mapped[Words | None]
    """Of grants; none: all of them."""
    allowed_models: Mapped[Words | None]
    """None: all that its organisation may call."""
    credit_cap: Mapped[Credits | None]
    """Credits that its credentials may spend together in a period."""
    status: Mapped[str] = mapped_column(server_default="active")
    epoch: Mapped[int] = mapped_column(server_default=text("0"))
    """How often it was archived: credentials of an earlier epoch are refused for ever."""
    version: Mapped[int] = mapped_column(server_default=text("1"))
    created_by: Mapped[str | None]
    created_at: Mapped[Instant]
    updated_at: Mapped[Instant]
    archived_at: Mapped[Instant | None]


class AgentCredentialRow(Row):
    """A credential of an agent: a keyed hash and what may be shown, never the token."""

    __tablename__ = "agent_credentials"
    __table_args__ = (
        CheckConstraint("mode in ('live', 'test')", name="mode"),
        CheckConstraint("revocation_policy in ('drain', 'kill')", name="revocation_policy"),
        CheckConstraint("max_concurrent_invocations between 1 and 1000", name="max_concurrent_invocations"),
        CheckConstraint("jsonb_array_length(grants) between 1 and 20", name="grants"),
        CheckConstraint("cardinality(path) <= 3", name="path"),
        CheckConstraint("(parent_id is null) = (cardinality(path) = 0)", name="parent_id"),
        CheckConstraint("(revoked_at is null) = (revocation_reason is null)", name="revocation_reason"),
        CheckConstraint("created_at < expires_at", name="expires_at"),
        Index("ix_agent_credentials_org_id_agent_id_id", "org_id", "agent_id", "id"),
        # Everything below a credential, however deep.
        Index("ix_agent_credentials_path", "path", postgresql_using="gin"),
        Index("ix_agent_credentials_parent_id", "parent_id"),
        Index("ix_agent_credentials_family", "family"),
        Index("uq_agent_credentials_replaces", "replaces", unique=True),
        Index("ix_agent_credentials_id_open", "id", postgresql_where=text("revoked_at is null and ended_at is null")),
    )

    id: Mapped[UlidKey]
    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"))
    agent_id: Mapped[Ulid] = mapped_column(ForeignKey("agents.id"))
    agent_epoch: Mapped[int]
    name: Mapped[str]
    description: Mapped[str | None]
    mode: Mapped[str]
    last_four: Mapped[str]
    digest: Mapped[Sealed] = mapped_column(unique=True)
    pepper: Mapped[int]
    grants: Mapped[JsonList]
    delegating_user: Mapped[str]
    """On whose behalf it acts; a child's is its parent's."""
    parent_id: Mapped[Ulid | None] = mapped_column(ForeignKey("agent_credentials.id"))
    path: Mapped[Words]
    """Its ancestors, the first first: what is revoked of them, it is too."""
    family: Mapped[Ulid]
    """The first of the line of successors that this one is in."""
    replaces: Mapped[Ulid | None] = mapped_column(ForeignKey("agent_credentials.id"))
    revocation_policy: Mapped[str]
    max_concurrent_invocations: Mapped[int]
    issued_by: Mapped[str | None]
    """As the audit log names actors."""
    created_at: Mapped[Instant]
    expires_at: Mapped[Instant]
    """A child's is no later than its parent's."""
    retires_at: Mapped[Instant | None]
    """When the overlap with its successor ends."""
    last_used_at: Mapped[Instant | None]
    revoked_at: Mapped[Instant | None]
    revocation_reason: Mapped[str | None]
    cuts_calls: Mapped[bool] = mapped_column(server_default=text("false"))
    """Once revoked: whether the calls that ran with it were to end at once."""
    reminded_at: Mapped[Instant | None]
    """When its organisation was told that it expires."""
    ended_at: Mapped[Instant | None]
    """When its workflow saw that it had expired or was retired, and said so in the audit log."""


class AgentInvocationRow(Row):
    """A call that runs with a credential or with one below it: a lease, which lapses when its process dies.

    A call has one for each credential of its chain: nobody can run more at once by handing on.
    """

    __tablename__ = "agent_invocations"
    __table_args__ = (
        PrimaryKeyConstraint("id", "credential_id"),
        Index("ix_agent_invocations_credential_id", "credential_id"),
        Index("ix_agent_invocations_expires_at", "expires_at"),
    )

    id: Mapped[Ulid]
    """The call's."""
    org_id: Mapped[Ulid]
    credential_id: Mapped[Ulid] = mapped_column(ForeignKey("agent_credentials.id"))
    started_at: Mapped[Instant]
    expires_at: Mapped[Instant]


class AgentToolUseRow(Row):
    """How often calls with a credential, or with one below it, were answered with a use of a tool, by the hour."""

    __tablename__ = "agent_tool_uses"
    __table_args__ = (
        PrimaryKeyConstraint("credential_id", "tool_id", "hour"),
        Index("ix_agent_tool_uses_hour", "hour"),
    )

    credential_id: Mapped[Ulid] = mapped_column(ForeignKey("agent_credentials.id"))
    tool_id: Mapped[str]
    hour: Mapped[Instant]
    org_id: Mapped[Ulid]
    count: Mapped[int]


class AgentCascadeRow(Row):
    """One revocation or archiving and all that it takes along, fixed when it began: the receipt."""

    __tablename__ = "agent_cascades"
    __table_args__ = (
        CheckConstraint("root in ('agent', 'credential')", name="root"),
        CheckConstraint("state in ('running', 'done')", name="state"),
        CheckConstraint("(state = 'done') = (finished_at is not null)", name="finished_at"),
        Index("ix_agent_cascades_org_id_agent_id_id", "org_id", "agent_id", "id"),
        Index("ix_agent_cascades_created_at_running", "created_at", postgresql_where=text("state = 'running'")),
    )

    id: Mapped[UlidKey]
    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"))
    root: Mapped[str]
    agent_id: Mapped[Ulid] = mapped_column(ForeignKey("agents.id"))
    credential_id: Mapped[Ulid | None] = mapped_column(ForeignKey("agent_credentials.id"))
    """Whose revocation it was; none: the agent was archived."""
    reason: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="running")
    created_at: Mapped[Instant]
    finished_at: Mapped[Instant | None]
    rechecked_at: Mapped[Instant | None]
    """When somebody looked a day later whether anything was left."""


class AgentCascadeItemRow(Row):
    """One credential that a cascade takes along."""

    __tablename__ = "agent_cascade_items"
    __table_args__ = (
        PrimaryKeyConstraint("cascade_id", "credential_id"),
        Index("ix_agent_cascade_items_credential_id", "credential_id"),
        CheckConstraint("state in ('pending', 'done', 'irrevocable')", name="state"),
        Index(
            "ix_agent_cascade_items_cascade_id_pending",
            "cascade_id",
            "credential_id",
            postgresql_where=text("state <> 'done'"),
        ),
    )

    cascade_id: Mapped[Ulid] = mapped_column(ForeignKey("agent_cascades.id"))
    credential_id: Mapped[Ulid] = mapped_column(ForeignKey("agent_credentials.id"))
    org_id: Mapped[Ulid]
    agent_id: Mapped[Ulid]
    depth: Mapped[int]
    state: Mapped[str] = mapped_column(server_default="pending")
    settled_at: Mapped[Instant | None]

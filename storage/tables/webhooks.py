"""Webhooks: where an organisation wants its events, what was sent there, and every try."""

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, PrimaryKeyConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.schema import Counter, Instant, Json, Row, Sealed, Ulid, UlidKey, Words


class WebhookEndpointRow(Row):
    """A URL that events go to. What is said of it here changes when somebody decides so; how it does is its health."""

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        CheckConstraint("state in ('active', 'paused', 'disabled', 'deleted')", name="state"),
        CheckConstraint("(state = 'disabled') = (disabled_because is not null)", name="disabled_because"),
        CheckConstraint("disabled_because in ('failures', 'gone')", name="because"),
        CheckConstraint("rate_per_minute between 1 and 60000", name="rate_per_minute"),
        CheckConstraint("cardinality(events) between 1 and 100", name="events"),
        Index("ix_webhook_endpoints_org_id_kept", "org_id", postgresql_where=text("state <> 'deleted'")),
    )

    id: Mapped[UlidKey]
    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"))
    app_id: Mapped[Ulid | None]
    url: Mapped[str]
    description: Mapped[str | None]
    events: Mapped[Words]
    """Types it wants, or `*` alone."""
    state: Mapped[str] = mapped_column(server_default="active")
    disabled_because: Mapped[str | None]
    is_ordered: Mapped[bool] = mapped_column(server_default=false())
    rate_per_minute: Mapped[int | None]
    signs_asymmetrically: Mapped[bool] = mapped_column(server_default=false())
    version: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[Instant]
    updated_at: Mapped[Instant]


class WebhookSecretRow(Row):
    """What deliveries to an endpoint are signed with. More than one while a new one overlaps the old ones."""

    __tablename__ = "webhook_secrets"
    __table_args__ = (
        CheckConstraint("kind in ('hmac', 'ed25519')", name="kind"),
        Index("ix_webhook_secrets_endpoint_id", "endpoint_id"),
    )

    id: Mapped[UlidKey]
    endpoint_id: Mapped[Ulid] = mapped_column(ForeignKey("webhook_endpoints.id"))
    org_id: Mapped[Ulid]
    kind: Mapped[str]
    secret: Mapped[Sealed]
    created_at: Mapped[Instant]
    retires_at: Mapped[Instant | None]


class WebhookHealthRow(Row):
    """How an endpoint answers: written when that changes, not with every delivery that went well."""

    __tablename__ = "webhook_health"

    endpoint_id: Mapped[UlidKey] = mapped_column(ForeignKey("webhook_endpoints.id"))
    org_id: Mapped[Ulid]
    failures: Mapped[int] = mapped_column(server_default=text("0"))
    """In a row."""
    failing_since: Mapped[Instant | None]
    """The first of them."""
    noticed_percent: Mapped[int] = mapped_column(server_default=text("0"))
    """Of the time after which it is disabled: what was told of last."""
    rests: Mapped[int] = mapped_column(server_default=text("0"))
    """How often its circuit opened since it last answered well; above 0 one delivery at a time is tried."""
    opened_at: Mapped[Instant | None]
    """When it opened last: what was tried before then says nothing of the rest."""
    rests_until: Mapped[Instant | None]
    """No first try before: its circuit is open, or it asked for time."""
    paced_until: Mapped[Instant | None]
    """No try before: its rate is used up."""


class WebhookDeliveryRow(Row):
    """One event for one endpoint. `id` is the `webhook-id` that its receiver sees at every try."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        CheckConstraint("state in ('pending', 'retrying', 'delivered', 'failed', 'skipped')", name="state"),
        # Live traffic (priority 0) before replays (1), each in the order of its events.
        Index(
            "ix_webhook_deliveries_endpoint_id_pending",
            "endpoint_id",
            "priority",
            "id",
            postgresql_where=text("state = 'pending'"),
        ),
        # Those whose order was asked for wait behind these.
        Index(
            "ix_webhook_deliveries_endpoint_id_open",
            "endpoint_id",
            "priority",
            "id",
            postgresql_where=text("state in ('pending', 'retrying')"),
        ),
        # One whose time is past has no workflow, or a late one.
        Index(
            "ix_webhook_deliveries_next_attempt_at_retrying",
            "next_attempt_at",
            postgresql_where=text("state = 'retrying'"),
        ),
        # Looked for, and replayed, far more often than what was delivered.
        Index(
            "ix_webhook_deliveries_org_id_id_missed",
            "org_id",
            "id",
            postgresql_where=text("state in ('failed', 'skipped')"),
        ),
        Index("ix_webhook_deliveries_org_id_id", "org_id", "id"),
        Index("ix_webhook_deliveries_endpoint_id_id", "endpoint_id", "id"),
        Index("ix_webhook_deliveries_event_id", "event_id"),
    )

    id: Mapped[UlidKey]
    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"))
    endpoint_id: Mapped[Ulid] = mapped_column(ForeignKey("webhook_endpoints.id"))
    event_id: Mapped[Ulid]
    """In the outbox, which keeps an event as long as there are deliveries of it."""
    event_type: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="pending")
    priority: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[Instant]
    claimed_until: Mapped[Instant | None]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    attempts_before: Mapped[int] = mapped_column(server_default=text("0"))
    """Those of earlier chains: a replay begins a new one."""
    next_attempt_at: Mapped[Instant | None]
    last_status: Mapped[int | None]
    last_failure: Mapped[str | None]
    finished_at: Mapped[Instant | None]
    replay_id: Mapped[Ulid | None]
    """The replay that it is on its way for."""


class WebhookAttemptRow(Row):
    """One try at a delivery. Never changed."""

    __tablename__ = "webhook_attempts"
    __table_args__ = (PrimaryKeyConstraint("delivery_id", "number"),)

    delivery_id: Mapped[Ulid] = mapped_column(ForeignKey("webhook_deliveries.id", ondelete="cascade"))
    number: Mapped[int]
    org_id: Mapped[Ulid]
    at: Mapped[Instant]
    duration_ms: Mapped[int]
    status: Mapped[int | None]
    failure: Mapped[str | None]
    """A word of a closed vocabulary; None when it was delivered."""
    response_head: Mapped[Sealed | None]
    """The first of what was answered, scrubbed, sealed."""
    replay_id: Mapped[Ulid | None]


class WebhookReplayRow(Row):
    """A replay of many deliveries, planned when it was asked for: its items never become more."""

    __tablename__ = "webhook_replays"
    __table_args__ = (
        CheckConstraint("state in ('running', 'paused', 'cancelled', 'done')", name="state"),
        Index("ix_webhook_replays_org_id_id", "org_id", "id"),
    )

    id: Mapped[UlidKey]
    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"))
    state: Mapped[str] = mapped_column(server_default="running")
    wanted: Mapped[Json]
    """The filter as it was frozen."""
    rate_per_minute: Mapped[int | None]
    matched: Mapped[Counter]
    requested_by: Mapped[str | None]
    created_at: Mapped[Instant]
    finished_at: Mapped[Instant | None]


class WebhookReplayItemRow(Row):
    """A delivery that a replay sends again, once. A trigger settles it together with the delivery."""

    __tablename__ = "webhook_replay_items"
    __table_args__ = (
        PrimaryKeyConstraint("replay_id", "delivery_id"),
        ForeignKeyConstraint(["replay_id"], ["webhook_replays.id"]),
        CheckConstraint("state in ('planned', 'queued', 'delivered', 'failed', 'skipped')", name="state"),
        Index("ix_webhook_replay_items_replay_id_state", "replay_id", "state", "delivery_id"),
    )

    replay_id: Mapped[Ulid]
    delivery_id: Mapped[Ulid]
    org_id: Mapped[Ulid]
    state: Mapped[str] = mapped_column(server_default="planned")
    state_before: Mapped[str | None]
    """The delivery's, before it was queued: what a cancelled replay takes it back to."""

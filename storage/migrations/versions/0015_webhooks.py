"""Webhooks: endpoints, deliveries, every try and replays; an event and its deliveries are one transaction."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"

IS_VISIBLE = "(org_id = current_setting('hasp.organization', true) or current_setting('hasp.system', true) = 'on')"
TABLES = (
    "webhook_replay_items",
    "webhook_replays",
    "webhook_attempts",
    "webhook_deliveries",
    "webhook_health",
    "webhook_secrets",
    "webhook_endpoints",
)

# An id of the event's time and of what is delivered where: whatever writes an event twice makes one delivery.
# Who wants everything gets none of what is for this installation itself, and a test goes to one endpoint.
FAN_OUT = """
create function hasp_fan_out() returns trigger language plpgsql as $$
begin
  insert into webhook_deliveries (id, org_id, endpoint_id, event_id, event_type, state, created_at)
  select left(o.id, 10) || upper(left(encode(sha256(convert_to(o.id || w.id, 'UTF8')), 'hex'), 16)),
    o.org_id, w.id, o.id, o.type, case w.state when 'disabled' then 'skipped' else 'pending' end, o.created_at
  from fresh o join webhook_endpoints w on w.org_id = o.org_id
  where w.state <> 'deleted' and (o.type = any(w.events) or w.events = '{*}' and o.type <> all('{
    audit.chain_broken, audit.export_requested, baa.accepted, books.discrepancy, webhook_endpoint.test,
    webhook_replay.changed}'))
  on conflict (id) do nothing;
  if found then
    perform pg_notify('hasp_webhooks', '');
  end if;
  return null;
end $$
"""

# Whoever settles a delivery that is on its way for a replay (a try, a webhook that is disabled or deleted) settles
# the replay's item in the same transaction.
SETTLE_ITEM = """
create function hasp_settle_replay_item() returns trigger language plpgsql as $$
begin
  update webhook_replay_items set state = new.state
  where replay_id = new.replay_id and delivery_id = new.id and state = 'queued';
  return null;
end $$
"""

# One index entry for each endpoint, however much waits there. While a table is new the planner would read and sort
# all of it instead.
WAITING = """
create function hasp_webhooks_waiting(after text, most integer) returns setof text language plpgsql stable rows 64
set enable_bitmapscan = off set enable_seqscan = off as $$
declare
  found_id text := after;
begin
  for _ in 1..most loop
    select d.endpoint_id into found_id from webhook_deliveries d
    where d.state in ('pending', 'retrying') and d.endpoint_id > found_id
    order by d.endpoint_id, d.priority, d.id limit 1;
    exit when found_id is null;
    return next found_id;
  end loop;
end $$
"""

# Whatever is delivered leaves an entry behind in the indexes that dispatchers begin at; claims find room beside.
UPKEEP = """
alter table webhook_deliveries set (
  fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000)
"""


def upgrade() -> None:
    _make_tables()
    _make_indexes()
    for table in TABLES:
        op.execute(f"grant select, insert, update, delete on {table} to hasp_app")
        op.execute(f"alter table {table} enable row level security")
        op.execute(f"create policy tenant on {table} to hasp_app using {IS_VISIBLE}")
    op.execute(FAN_OUT)
    op.execute(
        """
        create trigger outbox_fan_out after insert on outbox referencing new table as fresh
        for each statement execute function hasp_fan_out()
        """
    )
    op.execute(WAITING)
    op.execute(UPKEEP)
    op.execute(SETTLE_ITEM)
    op.execute(
        """
        create trigger webhook_deliveries_settle_item after update of state on webhook_deliveries for each row
        when (new.replay_id = old.replay_id and old.state in ('pending', 'retrying')
          and new.state in ('delivered', 'failed', 'skipped'))
        execute function hasp_settle_replay_item()
        """
    )


def downgrade() -> None:
    op.execute("drop trigger outbox_fan_out on outbox")
    op.execute("drop function hasp_fan_out()")
    op.execute("drop function hasp_webhooks_waiting(text, integer)")
    for table in TABLES:
        op.drop_table(table)
    op.execute("drop function hasp_settle_replay_item()")


def _make_tables() -> None:
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("app_id", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("events", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), server_default="active", nullable=False),
        sa.Column("disabled_because", sa.Text(), nullable=True),
        sa.Column("is_ordered", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("rate_per_minute", sa.Integer(), nullable=True),
        sa.Column("signs_asymmetrically", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(state = 'disabled') = (disabled_because is not null)", name=op.f("ck_webhook_endpoints_disabled_because")
        ),
        sa.CheckConstraint("disabled_because in ('failures', 'gone')", name=op.f("ck_webhook_endpoints_because")),
        sa.CheckConstraint(
            "state in ('active', 'paused', 'disabled', 'deleted')", name=op.f("ck_webhook_endpoints_state")
        ),
        sa.CheckConstraint("cardinality(events) between 1 and 100", name=op.f("ck_webhook_endpoints_events")),
        sa.CheckConstraint("rate_per_minute between 1 and 60000", name=op.f("ck_webhook_endpoints_rate_per_minute")),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_webhook_endpoints_org_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_endpoints")),
    )
    op.create_table(
        "webhook_secrets",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("endpoint_id", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retires_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind in ('hmac', 'ed25519')", name=op.f("ck_webhook_secrets_kind")),
        sa.ForeignKeyConstraint(["endpoint_id"], ["webhook_endpoints.id"], name=op.f("fk_webhook_secrets_endpoint_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_secrets")),
    )
    op.create_table(
        "webhook_health",
        sa.Column("endpoint_id", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("noticed_percent", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("rests", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rests_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paced_until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["endpoint_id"], ["webhook_endpoints.id"], name=op.f("fk_webhook_health_endpoint_id")),
        sa.PrimaryKeyConstraint("endpoint_id", name=op.f("pk_webhook_health")),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("endpoint_id", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("priority", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("attempts_before", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("last_failure", sa.Text(), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("replay_id", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state in ('pending', 'retrying', 'delivered', 'failed', 'skipped')",
            name=op.f("ck_webhook_deliveries_state"),
        ),
        sa.ForeignKeyConstraint(
            ["endpoint_id"], ["webhook_endpoints.id"], name=op.f("fk_webhook_deliveries_endpoint_id")
        ),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_webhook_deliveries_org_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
    )
    op.create_table(
        "webhook_attempts",
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("response_head", sa.LargeBinary(), nullable=True),
        sa.Column("replay_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["webhook_deliveries.id"], name=op.f("fk_webhook_attempts_delivery_id"), ondelete="cascade"
        ),
        sa.PrimaryKeyConstraint("delivery_id", "number", name=op.f("pk_webhook_attempts")),
    )
    op.create_table(
        "webhook_replays",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="running", nullable=False),
        sa.Column("wanted", postgresql.JSONB(), nullable=False),
        sa.Column("rate_per_minute", sa.Integer(), nullable=True),
        sa.Column("matched", sa.BigInteger(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state in ('running', 'paused', 'cancelled', 'done')", name=op.f("ck_webhook_replays_state")
        ),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_webhook_replays_org_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_replays")),
    )
    op.create_table(
        "webhook_replay_items",
        sa.Column("replay_id", sa.Text(), nullable=False),
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="planned", nullable=False),
        sa.Column("state_before", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state in ('planned', 'queued', 'delivered', 'failed', 'skipped')",
            name=op.f("ck_webhook_replay_items_state"),
        ),
        sa.ForeignKeyConstraint(["replay_id"], ["webhook_replays.id"], name=op.f("fk_webhook_replay_items_replay_id")),
        sa.PrimaryKeyConstraint("replay_id", "delivery_id", name=op.f("pk_webhook_replay_items")),
    )


def _make_indexes() -> None:
    op.create_index(
        "ix_webhook_endpoints_org_id_kept",
        "webhook_endpoints",
        ["org_id"],
        postgresql_where=sa.text("state <> 'deleted'"),
    )
    op.create_index("ix_webhook_secrets_endpoint_id", "webhook_secrets", ["endpoint_id"])
    op.create_index("ix_webhook_deliveries_endpoint_id_id", "webhook_deliveries", ["endpoint_id", "id"])
    op.create_index(
        "ix_webhook_deliveries_endpoint_id_open",
        "webhook_deliveries",
        ["endpoint_id", "priority", "id"],
        postgresql_where=sa.text("state in ('pending', 'retrying')"),
    )
    op.create_index(
        "ix_webhook_deliveries_endpoint_id_pending",
        "webhook_deliveries",
        ["endpoint_id", "priority", "id"],
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index("ix_webhook_deliveries_event_id", "webhook_deliveries", ["event_id"])
    op.create_index(
        "ix_webhook_deliveries_next_attempt_at_retrying",
        "webhook_deliveries",
        ["next_attempt_at"],
        postgresql_where=sa.text("state = 'retrying'"),
    )
    op.create_index(
        "ix_webhook_deliveries_org_id_id_missed",
        "webhook_deliveries",
        ["org_id", "id"],
        postgresql_where=sa.text("state in ('failed', 'skipped')"),
    )
    op.create_index("ix_webhook_deliveries_org_id_id", "webhook_deliveries", ["org_id", "id"])
    op.create_index("ix_webhook_replays_org_id_id", "webhook_replays", ["org_id", "id"])
    op.create_index(
        "ix_webhook_replay_items_replay_id_state",
        "webhook_replay_items",
        ["replay_id", "state", "delivery_id"],
    )

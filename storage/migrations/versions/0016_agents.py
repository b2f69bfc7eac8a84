"""Agents: identities, their credentials, the calls that run with these, and what a revocation takes along."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"

IS_VISIBLE = "(org_id = current_setting('hasp.organization', true) or current_setting('hasp.system', true) = 'on')"
TABLES = (
    "agent_cascade_items",
    "agent_cascades",
    "agent_tool_uses",
    "agent_invocations",
    "agent_credentials",
    "agents",
)
ANNOUNCED = {
    "agents": "status, epoch, allowed_models",
    "agent_credentials": "digest, expires_at, retires_at, revoked_at",
}
"""Changes of these bear on access, as those of keys do."""


# As migration 0015 has it, with one more event that stays within the installation.
FAN_OUT = """
create or replace function hasp_fan_out() returns trigger language plpgsql as $$
begin
  insert into webhook_deliveries (id, org_id, endpoint_id, event_id, event_type, state, created_at)
  select left(o.id, 10) || upper(left(encode(sha256(convert_to(o.id || w.id, 'UTF8')), 'hex'), 16)),
    o.org_id, w.id, o.id, o.type, case w.state when 'disabled' then 'skipped' else 'pending' end, o.created_at
  from fresh o join webhook_endpoints w on w.org_id = o.org_id
  where w.state <> 'deleted' and (o.type = any(w.events) or w.events = '{*}' and o.type <> all('{
    agent.cascade_begun, audit.chain_broken, audit.export_requested, baa.accepted, books.discrepancy,
    webhook_endpoint.test, webhook_replay.changed}'))
  on conflict (id) do nothing;
  if found then
    perform pg_notify('hasp_webhooks', '');
  end if;
  return null;
end $$
"""


def upgrade() -> None:
    op.execute(FAN_OUT)
    _make_agents()
    _make_credentials()
    _make_what_runs_and_cascades()
    _add_columns()
    for table in TABLES:
        op.execute(f"grant select, insert, update, delete on {table} to hasp_app")
        op.execute(f"alter table {table} enable row level security")
        op.execute(f"create policy tenant on {table} to hasp_app using {IS_VISIBLE}")
    for table, columns in ANNOUNCED.items():
        op.execute(
            f"""
            create trigger {table}_announce after update of {columns} on {table}
            for each row execute function hasp_announce_access('org_id')
            """
        )


def downgrade() -> None:
    op.execute(FAN_OUT.replace("agent.cascade_begun, ", ""))
    for column in ("delegating_user", "delegation_path", "credential_id", "agent_id"):
        op.drop_column("inferences", column)
    op.drop_column("usage_records", "agent_id")
    op.drop_column("api_keys", "owner")
    for table in TABLES:
        op.drop_table(table)


def _make_agents() -> None:
    op.create_table(
        "agents",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("capabilities", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("default_expiry_hours", sa.Integer(), nullable=False),
        sa.Column("default_revocation_policy", sa.Text(), nullable=False),
        sa.Column("allowed_scope_types", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("allowed_models", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("credit_cap", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.Text(), server_default="active", nullable=False),
        sa.Column("epoch", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(status = 'archived') = (archived_at is not null)", name=op.f("ck_agents_archived_at")),
        sa.CheckConstraint(
            "default_revocation_policy in ('drain', 'kill')", name=op.f("ck_agents_default_revocation_policy")
        ),
        sa.CheckConstraint("status in ('active', 'archived')", name=op.f("ck_agents_status")),
        sa.CheckConstraint("cardinality(capabilities) <= 12", name=op.f("ck_agents_capabilities")),
        sa.CheckConstraint("credit_cap >= 0", name=op.f("ck_agents_credit_cap")),
        sa.CheckConstraint("default_expiry_hours between 1 and 720", name=op.f("ck_agents_default_expiry_hours")),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_agents_org_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agents")),
    )
    op.create_index("ix_agents_org_id_id", "agents", ["org_id", "id"], unique=False)
    op.create_index("uq_agents_org_id_name", "agents", ["org_id", sa.literal_column("lower(name)")], unique=True)


def _make_credentials() -> None:
    op.create_table(
        "agent_credentials",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("agent_epoch", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("last_four", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("pepper", sa.Integer(), nullable=False),
        sa.Column("grants", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("delegating_user", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.Text(), nullable=True),
        sa.Column("path", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("family", sa.Text(), nullable=False),
        sa.Column("replaces", sa.Text(), nullable=True),
        sa.Column("revocation_policy", sa.Text(), nullable=False),
        sa.Column("max_concurrent_invocations", sa.Integer(), nullable=False),
        sa.Column("issued_by", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revocation_reason", sa.Text(), nullable=True),
        sa.Column("cuts_calls", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("mode in ('live', 'test')", name=op.f("ck_agent_credentials_mode")),
        sa.CheckConstraint(
            "revocation_policy in ('drain', 'kill')", name=op.f("ck_agent_credentials_revocation_policy")
        ),
        sa.CheckConstraint(
            "(parent_id is null) = (cardinality(path) = 0)", name=op.f("ck_agent_credentials_parent_id")
        ),
        sa.CheckConstraint(
            "(revoked_at is null) = (revocation_reason is null)", name=op.f("ck_agent_credentials_revocation_reason")
        ),
        sa.CheckConstraint("cardinality(path) <= 3", name=op.f("ck_agent_credentials_path")),
        sa.CheckConstraint("created_at < expires_at", name=op.f("ck_agent_credentials_expires_at")),
        sa.CheckConstraint("jsonb_array_length(grants) between 1 and 20", name=op.f("ck_agent_credentials_grants")),
        sa.CheckConstraint(
            "max_concurrent_invocations between 1 and 1000",
            name=op.f("ck_agent_credentials_max_concurrent_invocations"),
        ),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_agent_credentials_agent_id")),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_agent_credentials_org_id")),
        sa.ForeignKeyConstraint(["parent_id"], ["agent_credentials.id"], name=op.f("fk_agent_credentials_parent_id")),
        sa.ForeignKeyConstraint(["replaces"], ["agent_credentials.id"], name=op.f("fk_agent_credentials_replaces")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent_credentials")),
        sa.UniqueConstraint("digest", name=op.f("uq_agent_credentials_digest")),
    )
    op.create_index(
        "ix_agent_credentials_id_open",
        "agent_credentials",
        ["id"],
        unique=False,
        postgresql_where=sa.text("revoked_at is null and ended_at is null"),
    )
    op.create_index("ix_agent_credentials_parent_id", "agent_credentials", ["parent_id"], unique=False)
    op.create_index("ix_agent_credentials_family", "agent_credentials", ["family"], unique=False)
    op.create_index(
        "ix_agent_credentials_org_id_agent_id_id", "agent_credentials", ["org_id", "agent_id", "id"], unique=False
    )
    op.create_index("ix_agent_credentials_path", "agent_credentials", ["path"], unique=False, postgresql_using="gin")
    op.create_index("uq_agent_credentials_replaces", "agent_credentials", ["replaces"], unique=True)


def _make_what_runs_and_cascades() -> None:
    op.create_table(
        "agent_cascades",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("root", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("credential_id", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="running", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rechecked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'done') = (finished_at is not null)", name=op.f("ck_agent_cascades_finished_at")),
        sa.CheckConstraint("root in ('agent', 'credential')", name=op.f("ck_agent_cascades_root")),
        sa.CheckConstraint("state in ('running', 'done')", name=op.f("ck_agent_cascades_state")),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_agent_cascades_agent_id")),
        sa.ForeignKeyConstraint(
            ["credential_id"], ["agent_credentials.id"], name=op.f("fk_agent_cascades_credential_id")
        ),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_agent_cascades_org_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent_cascades")),
    )
    op.create_index(
        "ix_agent_cascades_created_at_running",
        "agent_cascades",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_index(
        "ix_agent_cascades_org_id_agent_id_id", "agent_cascades", ["org_id", "agent_id", "id"], unique=False
    )
    op.create_table(
        "agent_invocations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("credential_id", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["credential_id"], ["agent_credentials.id"], name=op.f("fk_agent_invocations_credential_id")
        ),
        sa.PrimaryKeyConstraint("id", "credential_id", name=op.f("pk_agent_invocations")),
    )
    op.create_index("ix_agent_invocations_credential_id", "agent_invocations", ["credential_id"], unique=False)
    op.create_index("ix_agent_invocations_expires_at", "agent_invocations", ["expires_at"], unique=False)
    op.create_table(
        "agent_tool_uses",
        sa.Column("credential_id", sa.Text(), nullable=False),
        sa.Column("tool_id", sa.Text(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["credential_id"], ["agent_credentials.id"], name=op.f("fk_agent_tool_uses_credential_id")
        ),
        sa.PrimaryKeyConstraint("credential_id", "tool_id", "hour", name=op.f("pk_agent_tool_uses")),
    )
    op.create_index("ix_agent_tool_uses_hour", "agent_tool_uses", ["hour"], unique=False)
    op.create_table(
        "agent_cascade_items",
        sa.Column("cascade_id", sa.Text(), nullable=False),
        sa.Column("credential_id", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("depth", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state in ('pending', 'done', 'irrevocable')", name=op.f("ck_agent_cascade_items_state")),
        sa.ForeignKeyConstraint(["cascade_id"], ["agent_cascades.id"], name=op.f("fk_agent_cascade_items_cascade_id")),
        sa.ForeignKeyConstraint(
            ["credential_id"], ["agent_credentials.id"], name=op.f("fk_agent_cascade_items_credential_id")
        ),
        sa.PrimaryKeyConstraint("cascade_id", "credential_id", name=op.f("pk_agent_cascade_items")),
    )
    op.create_index("ix_agent_cascade_items_credential_id", "agent_cascade_items", ["credential_id"], unique=False)
    op.create_index(
        "ix_agent_cascade_items_cascade_id_pending",
        "agent_cascade_items",
        ["cascade_id", "credential_id"],
        unique=False,
        postgresql_where=sa.text("state <> 'done'"),
    )


def _add_columns() -> None:
    op.add_column("api_keys", sa.Column("owner", sa.Text(), nullable=True))
    op.add_column("inferences", sa.Column("agent_id", sa.Text(), nullable=True))
    op.add_column("inferences", sa.Column("credential_id", sa.Text(), nullable=True))
    op.add_column("inferences", sa.Column("delegation_path", postgresql.ARRAY(sa.Text()), nullable=True))
    op.add_column("inferences", sa.Column("delegating_user", sa.Text(), nullable=True))
    op.add_column("usage_records", sa.Column("agent_id", sa.Text(), nullable=True))

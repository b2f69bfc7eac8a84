"""Apps, and the jobs that run them."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"

IS_VISIBLE = "(org_id = current_setting('hasp.organization', true) or current_setting('hasp.system', true) = 'on')"
TABLES = ("app_job_steps", "app_jobs", "apps")
SEALED = {"apps": "definition", "app_jobs": "request"}
"""What must not live on as a sample among the planner's statistics once it is destroyed."""
WITHIN = "app_job.cancelled, app_job.requested, chat_run.cancelled, chat_run.requested, file.uploaded, "
"""Events that stay within the installation."""
# As migration 0017 has it, with more events that do not leave.
FAN_OUT = """
create or replace function hasp_fan_out() returns trigger language plpgsql as $$
begin
  insert into webhook_deliveries (id, org_id, endpoint_id, event_id, event_type, state, created_at)
  select left(o.id, 10) || upper(left(encode(sha256(convert_to(o.id || w.id, 'UTF8')), 'hex'), 16)),
    o.org_id, w.id, o.id, o.type, case w.state when 'disabled' then 'skipped' else 'pending' end, o.created_at
  from fresh o join webhook_endpoints w on w.org_id = o.org_id
  where w.state <> 'deleted' and (o.type = any(w.events) or w.events = '{*}' and o.type <> all('{
    agent.cascade_begun, %saudit.chain_broken, audit.export_requested, baa.accepted, books.discrepancy,
    end_user.erasure_requested, end_user.export_cancelled, end_user.export_requested, webhook_endpoint.test,
    webhook_replay.changed}'))
  on conflict (id) do nothing;
  if found then
    perform pg_notify('hasp_webhooks', '');
  end if;
  return null;
end $$
"""
STATES = "('queued', 'running', 'completed', 'failed', 'cancelled')"


def upgrade() -> None:
    op.execute(FAN_OUT % WITHIN)
    _make_apps()
    _make_jobs()
    for table in TABLES:
        op.execute(f"grant select, insert, update, delete on {table} to hasp_app")
        op.execute(f"alter table {table} enable row level security")
        op.execute(f"create policy tenant on {table} to hasp_app using {IS_VISIBLE}")
    for table, column in SEALED.items():
        op.execute(f"alter table {table} alter column {column} set statistics 0")


def downgrade() -> None:
    op.execute(FAN_OUT % "")
    for table in TABLES:
        op.drop_table(table)


def _make_apps() -> None:
    op.create_table(
        "apps",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("definition", sa.LargeBinary(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_apps_org_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_apps")),
    )
    op.create_index("ix_apps_org_id_id", "apps", ["org_id", "id"], unique=False)


def _make_jobs() -> None:
    op.create_table(
        "app_jobs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=True),
        sa.Column("credential_id", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(f"state in {STATES}", name=op.f("ck_app_jobs_state")),
        sa.CheckConstraint(
            "(finished_at is not null) = (state in ('completed', 'failed', 'cancelled'))",
            name=op.f("ck_app_jobs_finished"),
        ),
        sa.CheckConstraint("num_nonnulls(key_id, credential_id) = 1", name=op.f("ck_app_jobs_caller")),
        sa.CheckConstraint("num_nonnulls(error_code, error_message) in (0, 2)", name=op.f("ck_app_jobs_error")),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_app_jobs_org_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_app_jobs")),
    )
    op.create_index("ix_app_jobs_org_id_id", "app_jobs", ["org_id", "id"], unique=False)
    op.create_table(
        "app_job_steps",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("inference_id", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.CheckConstraint(f"state in {STATES}", name=op.f("ck_app_job_steps_state")),
        sa.CheckConstraint("num_nonnulls(error_code, error_message) in (0, 2)", name=op.f("ck_app_job_steps_error")),
        sa.ForeignKeyConstraint(["job_id"], ["app_jobs.id"], name=op.f("fk_app_job_steps_job_id"), ondelete="cascade"),
        sa.PrimaryKeyConstraint("job_id", "place", name=op.f("pk_app_job_steps")),
    )

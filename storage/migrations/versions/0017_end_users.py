"""People whom calls name: their keys, exports of what is kept of them, and erasures."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"

IS_VISIBLE = "(org_id = current_setting('hasp.organization', true) or current_setting('hasp.system', true) = 'on')"
TABLES = (
    "end_user_erasures",
    "end_user_export_parts",
    "end_user_exports",
    "end_user_keys",
    "end_users",
    "end_user_digest_keys",
)
SEALED = {
    "content_keys": ("wrapped",),
    "data_keys": ("wrapped",),
    "end_user_digest_keys": ("sealed",),
    "end_user_export_parts": ("content",),
    "end_user_exports": ("sealed_key",),
    "end_user_keys": ("sealed",),
    "end_users": ("original",),
    "inferences": ("request_content", "answer_content"),
}
"""What must not live on as a sample among the planner's statistics, in `pg_statistic`, once it is destroyed."""
WITHIN = "end_user.erasure_requested, end_user.export_cancelled, end_user.export_requested, "
"""Events that stay within the installation."""

# As migration 0016 has it, with more events that do not leave.
FAN_OUT = """
create or replace function hasp_fan_out() returns trigger language plpgsql as $$
begin
  insert into webhook_deliveries (id, org_id, endpoint_id, event_id, event_type, state, created_at)
  select left(o.id, 10) || upper(left(encode(sha256(convert_to(o.id || w.id, 'UTF8')), 'hex'), 16)),
    o.org_id, w.id, o.id, o.type, case w.state when 'disabled' then 'skipped' else 'pending' end, o.created_at
  from fresh o join webhook_endpoints w on w.org_id = o.org_id
  where w.state <> 'deleted' and (o.type = any(w.events) or w.events = '{*}' and o.type <> all('{
    agent.cascade_begun, audit.chain_broken, audit.export_requested, baa.accepted, books.discrepancy,
    %swebhook_endpoint.test, webhook_replay.changed}'))
  on conflict (id) do nothing;
  if found then
    perform pg_notify('hasp_webhooks', '');
  end if;
  return null;
end $$
"""


def upgrade() -> None:
    op.execute(FAN_OUT % WITHIN)
    _make_end_users()
    _make_exports()
    _make_erasures()
    _add_columns()
    for table in TABLES:
        op.execute(f"grant select, insert, update, delete on {table} to hasp_app")
        op.execute(f"alter table {table} enable row level security")
        op.execute(f"create policy tenant on {table} to hasp_app using {IS_VISIBLE}")
    for table, columns in SEALED.items():
        for column in columns:
            # To the type that it has: rewrites nothing, and forgets the samples that there are.
            op.execute(f"alter table {table} alter column {column} type bytea")
            op.execute(f"alter table {table} alter column {column} set statistics 0")
    # A destroyed key is dead in the table and still in its pages: vacuumed at the next round, however few there are.
    op.execute("alter table end_user_keys set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 0)")
    op.execute(
        """
        create trigger end_user_keys_destroyed_for_good before update on end_user_keys
        for each row when (old.destroyed_at is not null) execute function hasp_refuse_change()
        """
    )


def downgrade() -> None:
    op.execute(FAN_OUT % "")
    op.drop_column("organizations", "minimum_retention_days")
    for table in ("content_keys", "data_keys", "inferences"):
        for column in SEALED[table]:
            op.execute(f"alter table {table} alter column {column} set statistics -1")
    op.drop_index("ix_inferences_org_id_end_user_id_id", table_name="inferences")
    op.drop_column("inferences", "end_user_id")
    op.drop_index("ix_audit_entries_org_id_subject_id_hmac_id", table_name="audit_entries")
    for table in TABLES:
        op.drop_table(table)


def _make_end_users() -> None:
    op.create_table(
        "end_user_digest_keys",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_end_user_digest_keys_org_id")),
        sa.PrimaryKeyConstraint("org_id", name=op.f("pk_end_user_digest_keys")),
    )
    op.create_table(
        "end_users",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("original", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.Text(), server_default="active", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("held_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hold_reason", sa.Text(), nullable=True),
        sa.Column("held_by", sa.Text(), nullable=True),
        sa.Column("restricted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'erased') = (erased_at is not null)", name=op.f("ck_end_users_erased_at")),
        sa.CheckConstraint("state in ('active', 'restricted', 'erased')", name=op.f("ck_end_users_state")),
        sa.CheckConstraint("(original is null) = (erased_at is not null)", name=op.f("ck_end_users_original")),
        sa.CheckConstraint("num_nonnulls(held_at, hold_reason) in (0, 2)", name=op.f("ck_end_users_held_at")),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_end_users_org_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_end_users")),
    )
    op.create_index("ix_end_users_org_id_digest", "end_users", ["org_id", "digest"], unique=False)
    op.create_index("ix_end_users_org_id_id", "end_users", ["org_id", "id"], unique=False)
    op.create_index(
        "ix_end_users_org_id_held",
        "end_users",
        ["org_id"],
        unique=False,
        postgresql_where=sa.text("held_at is not null"),
    )
    op.create_index(
        "ix_end_users_org_id_named",
        "end_users",
        ["org_id", "id"],
        unique=False,
        postgresql_where=sa.text("erased_at is null"),
    )
    op.create_index(
        "uq_end_users_org_id_digest_active",
        "end_users",
        ["org_id", "digest"],
        unique=True,
        postgresql_where=sa.text("state = 'active'"),
    )
    op.create_table(
        "end_user_keys",
        sa.Column("end_user_id", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("destroyed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(sealed is null) = (destroyed_at is not null)", name=op.f("ck_end_user_keys_destroyed")),
        sa.ForeignKeyConstraint(
            ["end_user_id"], ["end_users.id"], name=op.f("fk_end_user_keys_end_user_id"), ondelete="cascade"
        ),
        sa.PrimaryKeyConstraint("end_user_id", name=op.f("pk_end_user_keys")),
    )


def _make_exports() -> None:
    op.create_table(
        "end_user_exports",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("end_user_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="requested", nullable=False),
        sa.Column("snapshot_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=True),
        sa.Column("sealed_key", sa.LargeBinary(), nullable=True),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("bytes_written", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("manifest_sha256", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "sealed_key is null or state in ('requested', 'running', 'ready')",
            name=op.f("ck_end_user_exports_sealed_key"),
        ),
        sa.CheckConstraint(
            "state in ('requested', 'running', 'ready', 'failed', 'cancelled', 'expired')",
            name=op.f("ck_end_user_exports_state"),
        ),
        sa.ForeignKeyConstraint(["end_user_id"], ["end_users.id"], name=op.f("fk_end_user_exports_end_user_id")),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_end_user_exports_org_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_end_user_exports")),
    )
    op.create_index("ix_end_user_exports_end_user_id_id", "end_user_exports", ["end_user_id", "id"], unique=False)
    op.create_index("ix_end_user_exports_org_id_id", "end_user_exports", ["org_id", "id"], unique=False)
    op.create_index(
        "uq_end_user_exports_end_user_id_open",
        "end_user_exports",
        ["end_user_id"],
        unique=True,
        postgresql_where=sa.text("state in ('requested', 'running')"),
    )
    op.create_table(
        "end_user_export_parts",
        sa.Column("export_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["export_id"], ["end_user_exports.id"], name=op.f("fk_end_user_export_parts_export_id"), ondelete="cascade"
        ),
        sa.PrimaryKeyConstraint("export_id", "number", name=op.f("pk_end_user_export_parts")),
    )


def _make_erasures() -> None:
    op.create_table(
        "end_user_erasures",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("end_user_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="requested", nullable=False),
        sa.Column("reasons", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=True),
        sa.Column("restricted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("shredded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("keys_gone_on", sa.Date(), nullable=True),
        sa.Column("scan", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("certificate", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("certificate_pdf", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint(
            "(finished_at is not null) = (state in ('done', 'held'))",
            name=op.f("ck_end_user_erasures_finished_at"),
        ),
        sa.CheckConstraint(
            "state in ('requested', 'waiting', 'restricted', 'shredding', 'shredded', 'done', 'held')",
            name=op.f("ck_end_user_erasures_state"),
        ),
        sa.ForeignKeyConstraint(["end_user_id"], ["end_users.id"], name=op.f("fk_end_user_erasures_end_user_id")),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_end_user_erasures_org_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_end_user_erasures")),
    )
    op.create_index("ix_end_user_erasures_org_id_id", "end_user_erasures", ["org_id", "id"], unique=False)
    op.create_index(
        "uq_end_user_erasures_end_user_id_open",
        "end_user_erasures",
        ["end_user_id"],
        unique=True,
        postgresql_where=sa.text("state not in ('done', 'held')"),
    )


def _add_columns() -> None:
    op.create_index(
        "ix_audit_entries_org_id_subject_id_hmac_id",
        "audit_entries",
        ["org_id", "subject_id_hmac", "id"],
        unique=False,
        postgresql_where="subject_id_hmac is not null",
    )
    op.add_column("inferences", sa.Column("end_user_id", sa.Text(), nullable=True))
    op.create_index(
        "ix_inferences_org_id_end_user_id_id",
        "inferences",
        ["org_id", "end_user_id", "id"],
        unique=False,
        postgresql_where="end_user_id is not null",
    )
    op.add_column(
        "organizations", sa.Column("minimum_retention_days", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )
    op.create_check_constraint(
        op.f("ck_organizations_minimum_retention_days"),
        "organizations",
        "minimum_retention_days between 0 and 36500",
    )

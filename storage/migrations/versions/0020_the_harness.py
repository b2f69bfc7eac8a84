"""Presets of the harness, and its runs in the background."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

IS_VISIBLE = "(org_id = current_setting('hasp.organization', true) or current_setting('hasp.system', true) = 'on')"

SEALED = {"presets": "definition", "chat_runs": "request"}
"""What must not live on as a sample among the planner's statistics once it is destroyed."""


def upgrade() -> None:
    op.create_table(
        "presets",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("definition", sa.LargeBinary(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_presets_org_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_presets")),
    )
    op.create_index("ix_presets_org_id_id", "presets", ["org_id", "id"], unique=False)
    op.create_table(
        "chat_runs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
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
        sa.CheckConstraint(
            "state in ('queued', 'running', 'completed', 'failed', 'cancelled')", name=op.f("ck_chat_runs_state")
        ),
        sa.CheckConstraint(
            "(finished_at is not null) = (state in ('completed', 'failed', 'cancelled'))",
            name=op.f("ck_chat_runs_finished"),
        ),
        sa.CheckConstraint("num_nonnulls(key_id, credential_id) = 1", name=op.f("ck_chat_runs_caller")),
        sa.CheckConstraint("num_nonnulls(error_code, error_message) in (0, 2)", name=op.f("ck_chat_runs_error")),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_chat_runs_org_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chat_runs")),
    )
    op.create_index("ix_chat_runs_org_id_id", "chat_runs", ["org_id", "id"], unique=False)
    for table, sealed in SEALED.items():
        op.execute(f"grant select, insert, update, delete on {table} to hasp_app")
        op.execute(f"alter table {table} enable row level security")
        op.execute(f"create policy tenant on {table} to hasp_app using {IS_VISIBLE}")
        op.execute(f"alter table {table} alter column {sealed} set statistics 0")


def downgrade() -> None:
    for table in SEALED:
        op.drop_table(table)

"""Presets of the harness."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

IS_VISIBLE = "(org_id = current_setting('hasp.organization', true) or current_setting('hasp.system', true) = 'on')"


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
    op.execute("grant select, insert, update, delete on presets to hasp_app")
    op.execute("alter table presets enable row level security")
    op.execute(f"create policy tenant on presets to hasp_app using {IS_VISIBLE}")
    # What must not live on as a sample among the planner's statistics once it is destroyed.
    op.execute("alter table presets alter column definition set statistics 0")


def downgrade() -> None:
    op.drop_table("presets")

"""Notices of keys that expire, each given once."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

IS_VISIBLE = "(org_id = current_setting('hasp.organization', true) or current_setting('hasp.system', true) = 'on')"


def upgrade() -> None:
    op.create_table(
        "key_notices",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name=op.f("fk_key_notices_key_id")),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_key_notices_org_id")),
        sa.PrimaryKeyConstraint("key_id", "ends_at", "kind", name=op.f("pk_key_notices")),
    )
    op.execute("grant select, insert on key_notices to hasp_app")
    op.execute("alter table key_notices enable row level security")
    op.execute(f"create policy tenant on key_notices to hasp_app using {IS_VISIBLE}")


def downgrade() -> None:
    op.drop_table("key_notices")

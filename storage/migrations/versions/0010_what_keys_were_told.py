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
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name=op.f("fk_key_notices_key_id")),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_key_notices_org_id")),
        sa.PrimaryKeyConstraint("key_id", "ends_at", "kind", name=op.f("pk_key_notices")),
    )
    op.create_index(
        "ix_key_notices_due_at_waiting", "key_notices", ["due_at"], postgresql_where=sa.text("closed_at is null")
    )
    op.execute("grant select, insert, update, delete on key_notices to hasp_app")
    op.execute("alter table key_notices enable row level security")
    op.execute(f"create policy tenant on key_notices to hasp_app using {IS_VISIBLE}")
    _expect_ends_of_the_past()


def downgrade() -> None:
    op.drop_table("key_notices")


def _expect_ends_of_the_past() -> None:
    """Of keys that are there already, what still lies ahead."""
    op.execute(
        """
        insert into key_notices (key_id, ends_at, kind, org_id, due_at)
        select k.id, least(k.expires_at, k.retires_at), n.kind, k.org_id,
          least(k.expires_at, k.retires_at) - n.ahead
        from api_keys k cross join (values
          ('expiring:30', interval '30 days'), ('expiring:7', interval '7 days'), ('expiring:1', interval '1 day'),
          ('expired', interval '0'), ('retired', interval '0')) as n(kind, ahead)
        where k.revoked_at is null and least(k.expires_at, k.retires_at) - n.ahead > now()
          and (n.kind = 'retired') = coalesce(k.retires_at <= coalesce(k.expires_at, k.retires_at), false)
        """
    )

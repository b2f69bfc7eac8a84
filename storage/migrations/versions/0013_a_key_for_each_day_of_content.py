"""Content sealed under keys that can be destroyed day by day, what an organisation has kept and for how long."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

IS_VISIBLE = "(org_id = current_setting('hasp.organization', true) or current_setting('hasp.system', true) = 'on')"
POLICY = ("hold_until", "retention_floor_until", "retention_floor_days", "legal_hold")


def upgrade() -> None:
    _keep_content_keys()
    _keep_purges()
    op.add_column("organizations", sa.Column("legal_hold", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("organizations", sa.Column("retention_floor_days", sa.Integer(), nullable=True))
    op.add_column("organizations", sa.Column("retention_floor_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("organizations", sa.Column("hold_until", sa.DateTime(timezone=True), nullable=True))
    # Until now nothing was ever destroyed, whatever was chosen: a week to look at it.
    op.execute("update organizations set hold_until = now() + interval '7 days'")
    op.create_check_constraint(
        op.f("ck_organizations_retention_floor"),
        "organizations",
        "(retention_floor_days is null) = (retention_floor_until is null)",
    )
    op.create_index("ix_inferences_org_id_id", "inferences", ["org_id", "id"])
    op.execute("grant delete on inferences to hasp_app")


def downgrade() -> None:
    """Refuses where content is sealed under keys that it would drop: nothing would open it again."""
    op.execute(
        """
        do $$ begin
          if exists (select from content_keys where destroyed_at is null) then
            raise exception 'content_keys has keys that content is sealed under: purge it first';
          end if;
        end $$
        """
    )
    op.execute("revoke delete on inferences from hasp_app")
    op.drop_index("ix_inferences_org_id_id", "inferences")
    op.drop_constraint(op.f("ck_organizations_retention_floor"), "organizations")
    for column in POLICY:
        op.drop_column("organizations", column)
    op.drop_table("retention_purges")
    op.drop_table("content_keys")


def _keep_content_keys() -> None:
    op.create_table(
        "content_keys",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=True),
        sa.Column("root_key", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("destroyed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "num_nonnulls(wrapped, root_key) = case when destroyed_at is null then 2 else 0 end",
            name=op.f("ck_content_keys_destroyed"),
        ),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_content_keys_org_id")),
        sa.PrimaryKeyConstraint("org_id", "day", name=op.f("pk_content_keys")),
    )
    op.create_index(
        "ix_content_keys_org_id_day_usable",
        "content_keys",
        ["org_id", "day"],
        postgresql_where=sa.text("destroyed_at is null"),
    )
    # A destroyed key is dead in the table and still in its pages: vacuumed at the next round, however few there are.
    op.execute("alter table content_keys set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 0)")
    _secure("content_keys")
    op.execute("grant update (wrapped, root_key, destroyed_at) on content_keys to hasp_app")
    op.execute(
        """
        create trigger content_keys_destroyed_for_good before update on content_keys
        for each row when (old.destroyed_at is not null) execute function hasp_refuse_change()
        """
    )


def _keep_purges() -> None:
    op.create_table(
        "retention_purges",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("through", sa.Date(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("keys", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("records", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("reason in ('retention', 'termination')", name=op.f("ck_retention_purges_reason")),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_retention_purges_org_id")),
        sa.PrimaryKeyConstraint("org_id", "through", "reason", name=op.f("pk_retention_purges")),
    )
    op.create_index(
        "ix_retention_purges_org_id_unfinished",
        "retention_purges",
        ["org_id"],
        postgresql_where=sa.text("finished_at is null"),
    )
    _secure("retention_purges")
    op.execute("grant update (finished_at, keys, records) on retention_purges to hasp_app")


def _secure(table: str) -> None:
    op.execute(f"grant select, insert on {table} to hasp_app")
    op.execute(f"alter table {table} enable row level security")
    op.execute(f"create policy tenant on {table} to hasp_app using {IS_VISIBLE}")

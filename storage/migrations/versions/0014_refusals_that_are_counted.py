"""Refusals that repeat others: counted, and told of by one audit entry a minute."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"

IS_VISIBLE = "(org_id = current_setting('hasp.organization', true) or current_setting('hasp.system', true) = 'on')"


def upgrade() -> None:
    op.create_table(
        "refusal_counts",
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("counter", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("batch", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_refusal_counts_org_id")),
        sa.PrimaryKeyConstraint("minute", "digest", "counter", name=op.f("pk_refusal_counts")),
        postgresql_with={"fillfactor": 50},
    )
    op.execute("grant select, insert, update, delete on refusal_counts to hasp_app")
    op.execute("alter table refusal_counts enable row level security")
    op.execute(f"create policy tenant on refusal_counts to hasp_app using {IS_VISIBLE}")


def downgrade() -> None:
    """Refuses while there are counts that no entry tells of: stop the API, and leave the worker three minutes."""
    op.execute(
        """
        do $$ begin
          if exists (select from refusal_counts) then
            raise exception 'refusal_counts has refusals that the audit log does not tell of yet';
          end if;
        end $$
        """
    )
    op.drop_table("refusal_counts")

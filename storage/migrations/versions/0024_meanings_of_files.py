"""Meanings of pieces of files: vectors that pgvector compares, where it is installed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0024"
down_revision = "0023"

IS_VISIBLE = "(org_id = current_setting('hasp.organization', true) or current_setting('hasp.system', true) = 'on')"


def upgrade() -> None:
    op.create_table(
        "file_meanings",
        sa.Column("file_id", sa.Text(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("meaning", ARRAY(sa.REAL()), nullable=False),
        sa.ForeignKeyConstraint(
            ["file_id", "place"],
            ["file_chunks.file_id", "file_chunks.place"],
            name=op.f("fk_file_meanings_file_id_place"),
            ondelete="cascade",
        ),
        sa.PrimaryKeyConstraint("file_id", "place", name=op.f("pk_file_meanings")),
    )
    op.execute("grant select, insert, update, delete on file_meanings to hasp_app")
    op.execute("alter table file_meanings enable row level security")
    op.execute(f"create policy tenant on file_meanings to hasp_app using {IS_VISIBLE}")
    op.execute("alter table file_meanings alter column meaning set statistics 0")
    # Numbers that look random: there is nothing to compress.
    op.execute("alter table file_meanings alter column meaning set storage external")


def downgrade() -> None:
    op.drop_table("file_meanings")

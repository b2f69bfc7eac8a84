"""Files, and what is read out of them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR

revision = "0021"
down_revision = "0020"

IS_VISIBLE = "(org_id = current_setting('hasp.organization', true) or current_setting('hasp.system', true) = 'on')"
TABLES = ("file_chunks", "files")
SEALED = {"files": ("name", "content", "search_key"), "file_chunks": ("text", "words")}
"""What must not live on as a sample among the planner's statistics once it is destroyed."""


def upgrade() -> None:
    _make_files()
    _make_chunks()
    for table in TABLES:
        op.execute(f"grant select, insert, update, delete on {table} to hasp_app")
        op.execute(f"alter table {table} enable row level security")
        op.execute(f"create policy tenant on {table} to hasp_app using {IS_VISIBLE}")
        for column in SEALED[table]:
            op.execute(f"alter table {table} alter column {column} set statistics 0")


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)


def _make_files() -> None:
    op.create_table(
        "files",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'processing'"), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("search_key", sa.LargeBinary(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=True),
        sa.Column("phi", JSONB(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state in ('uploading', 'processing', 'ready', 'failed')", name=op.f("ck_files_state")),
        sa.CheckConstraint("num_nonnulls(error_code, error_message) in (0, 2)", name=op.f("ck_files_error")),
        sa.CheckConstraint("content is null or state = 'processing'", name=op.f("ck_files_content")),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_files_org_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_files")),
    )
    op.create_index("ix_files_org_id_id", "files", ["org_id", "id"], unique=False)


def _make_chunks() -> None:
    op.create_table(
        "file_chunks",
        sa.Column("file_id", sa.Text(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=False),
        sa.Column("words", TSVECTOR(), nullable=False),
        sa.ForeignKeyConstraint(["file_id"], ["files.id"], name=op.f("fk_file_chunks_file_id"), ondelete="cascade"),
        sa.PrimaryKeyConstraint("file_id", "place", name=op.f("pk_file_chunks")),
    )
    op.create_index("ix_file_chunks_words", "file_chunks", ["words"], unique=False, postgresql_using="gin")

"""Answers are found again by the reasoning that was sealed in them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("inferences", sa.Column("seals", postgresql.ARRAY(sa.Text()), nullable=True))
    op.create_index(
        "ix_inferences_seals", "inferences", ["seals"], postgresql_using="gin", postgresql_where="seals is not null"
    )


def downgrade() -> None:
    op.drop_index("ix_inferences_seals", "inferences")
    op.drop_column("inferences", "seals")

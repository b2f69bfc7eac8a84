"""What chats in the background were asked is kept until they end."""

from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    op.execute("update chat_runs set request = '' where finished_at is not null")


def downgrade() -> None:
    """What is gone is gone."""

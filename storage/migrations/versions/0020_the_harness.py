"""Presets of the harness, its runs and the uses of its tools."""

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass

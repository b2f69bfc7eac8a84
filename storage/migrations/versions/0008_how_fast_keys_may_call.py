"""Rate limits: an organisation's tier, and the state of its buckets."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

ANNOUNCED = (
    "phi_mode, storage_mode, restore_answers, unscannable, opus_enabled, premium_models,"
    " phi_profile, phi_entities, phi_threshold_milli, phi_terms, phi_answers, failover_enabled"
)
"""Changes of these bear on access; one more of them now."""


def upgrade() -> None:
    op.add_column("organizations", sa.Column("tier", sa.Text(), server_default="enterprise", nullable=False))
    _announce(f"{ANNOUNCED}, tier")


def downgrade() -> None:
    _announce(ANNOUNCED)
    op.drop_column("organizations", "tier")


def _announce(columns: str) -> None:
    op.execute("drop trigger organizations_announce on organizations")
    op.execute(
        f"""
        create trigger organizations_announce after insert or update of {columns} on organizations
        for each row execute function hasp_announce_access('id')
        """
    )

"""What an organisation has masked, and how long it keeps content."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

CHECKS = {
    "phi_profile": "phi_profile in ('safe_harbor', 'limited_data_set', 'custom')",
    "phi_entities": "(phi_profile = 'custom') = (phi_entities is not null)",
    "phi_threshold_milli": "phi_threshold_milli between 400 and 800",
    "phi_answers": "phi_answers in ('record', 'block')",
    "phi_retrieval_behavior": "phi_retrieval_behavior in ('redact', 'block', 'allow')",
    "retention_days": "retention_days between 1 and 36500",
}
ANNOUNCED = "phi_mode, storage_mode, restore_answers, unscannable, opus_enabled, premium_models"
"""Changes of these bear on access; more of them now."""
ANNOUNCED_TOO = "phi_profile, phi_entities, phi_threshold_milli, phi_terms, phi_answers"


def upgrade() -> None:
    for column in _columns():
        op.add_column("organizations", column)
    for name, condition in CHECKS.items():
        op.create_check_constraint(op.f(f"ck_organizations_{name}"), "organizations", condition)
    _announce(f"{ANNOUNCED}, {ANNOUNCED_TOO}")


def downgrade() -> None:
    _announce(ANNOUNCED)
    for name in CHECKS:
        op.drop_constraint(op.f(f"ck_organizations_{name}"), "organizations")
    for column in _columns():
        op.drop_column("organizations", column.name)


def _announce(columns: str) -> None:
    op.execute("drop trigger organizations_announce on organizations")
    op.execute(
        f"""
        create trigger organizations_announce after insert or update of {columns} on organizations
        for each row execute function hasp_announce_access('id')
        """
    )


def _columns() -> tuple[sa.Column[Any], ...]:
    """Made anew each time: a column belongs to one table."""
    return (
        sa.Column("phi_profile", sa.Text(), server_default="safe_harbor", nullable=False),
        sa.Column("phi_entities", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("phi_threshold_milli", sa.Integer(), server_default=sa.text("500"), nullable=False),
        sa.Column("phi_terms", sa.LargeBinary(), nullable=True),
        sa.Column("phi_answers", sa.Text(), server_default="record", nullable=False),
        sa.Column("phi_retrieval_behavior", sa.Text(), server_default="block", nullable=False),
        sa.Column("retention_days", sa.Integer(), server_default=sa.text("2555"), nullable=False),
        sa.Column("policy_version", sa.Integer(), server_default=sa.text("1"), nullable=False),
    )

"""Which tools an organisation's chats may use, which model answers where none is named, and what PHI for a tool does."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"

CHECKS = {
    "allowed_tools": (
        "cardinality(allowed_tools) <= 100 and array_to_string(allowed_tools, ',', '?') ~ '^([a-zA-Z0-9_*-]{1,64}(,|$))*$'"
    ),
    "default_model": "length(default_model) between 1 and 128",
}
ANNOUNCED = (
    "phi_mode, storage_mode, restore_answers, unscannable, opus_enabled, premium_models,"
    " phi_profile, phi_entities, phi_threshold_milli, phi_terms, phi_answers, failover_enabled, tier"
)
"""Changes of these bear on access; more of them now."""
ANNOUNCED_TOO = "allowed_tools, default_model, phi_retrieval_behavior"
AS_BEFORE = """
update organizations set phi_retrieval_behavior = 'redact', policy_version = policy_version + 1
where phi_retrieval_behavior = 'block'
"""
"""`block` was everybody's, and did nothing: now it ends a chat, where before a model was told. That is `redact`."""


def upgrade() -> None:
    op.add_column(
        "organizations",
        sa.Column("allowed_tools", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{*}'"), nullable=False),
    )
    op.add_column("organizations", sa.Column("default_model", sa.Text(), nullable=True))
    for name, condition in CHECKS.items():
        op.create_check_constraint(op.f(f"ck_organizations_{name}"), "organizations", condition)
    op.alter_column("organizations", "phi_retrieval_behavior", server_default="redact")
    op.execute(AS_BEFORE)
    _announce(f"{ANNOUNCED}, {ANNOUNCED_TOO}")


def downgrade() -> None:
    _announce(ANNOUNCED)
    op.alter_column("organizations", "phi_retrieval_behavior", server_default="block")
    for name in CHECKS:
        op.drop_constraint(op.f(f"ck_organizations_{name}"), "organizations")
        op.drop_column("organizations", name)


def _announce(columns: str) -> None:
    op.execute("drop trigger organizations_announce on organizations")
    op.execute(
        f"""
        create trigger organizations_announce after insert or update of {columns} on organizations
        for each row execute function hasp_announce_access('id')
        """
    )

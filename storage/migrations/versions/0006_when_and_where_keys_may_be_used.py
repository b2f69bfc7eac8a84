"""When and where keys may be used: until a time or a successor, and from some networks."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"

CHECKS = {
    "networks": "cardinality(networks) <= 100",
    "replaces": "(replaces is null) = (grace_s is null)",
    "grace_s": "grace_s between 0 and 604800",
}
ANNOUNCED = "scopes, mode, digest, revoked_at"
"""Changes of these bear on access; more of them now."""


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "api_keys",
        sa.Column("networks", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    )
    op.add_column("api_keys", sa.Column("replaces", sa.Text(), nullable=True))
    op.add_column("api_keys", sa.Column("grace_s", sa.Integer(), nullable=True))
    op.add_column("api_keys", sa.Column("retires_at", sa.DateTime(timezone=True), nullable=True))
    for name, condition in CHECKS.items():
        op.create_check_constraint(op.f(f"ck_api_keys_{name}"), "api_keys", condition)
    op.create_foreign_key(op.f("fk_api_keys_replaces"), "api_keys", "api_keys", ["replaces"], ["id"])
    op.create_index(
        "uq_api_keys_replaces", "api_keys", ["replaces"], unique=True, postgresql_where=sa.text("revoked_at is null")
    )
    _announce(f"{ANNOUNCED}, expires_at, networks, retires_at")


def downgrade() -> None:
    _announce(ANNOUNCED)
    op.drop_index("uq_api_keys_replaces", "api_keys")
    for column in ("retires_at", "grace_s", "replaces", "networks", "expires_at"):
        op.drop_column("api_keys", column)


def _announce(columns: str) -> None:
    op.execute("drop trigger api_keys_announce on api_keys")
    op.execute(
        f"""
        create trigger api_keys_announce after insert or update of {columns} on api_keys
        for each row execute function hasp_announce_access('org_id')
        """
    )

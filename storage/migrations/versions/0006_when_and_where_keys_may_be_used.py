"""When and where keys may be used: until a time, and from some networks."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"

ANNOUNCED = "scopes, mode, digest, revoked_at"
"""Changes of these bear on access; more of them now."""


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "api_keys",
        sa.Column("networks", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    )
    op.create_check_constraint(op.f("ck_api_keys_networks"), "api_keys", "cardinality(networks) <= 100")
    _announce(f"{ANNOUNCED}, expires_at, networks")


def downgrade() -> None:
    _announce(ANNOUNCED)
    op.drop_constraint(op.f("ck_api_keys_networks"), "api_keys")
    for column in ("networks", "expires_at"):
        op.drop_column("api_keys", column)


def _announce(columns: str) -> None:
    op.execute("drop trigger api_keys_announce on api_keys")
    op.execute(
        f"""
        create trigger api_keys_announce after insert or update of {columns} on api_keys
        for each row execute function hasp_announce_access('org_id')
        """
    )

"""What names of models stand for, by key, and how far `auto` may reach, by a key's owner."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0017"

IS_VISIBLE = "(org_id = current_setting('hasp.organization', true) or current_setting('hasp.system', true) = 'on')"
ANNOUNCED = "scopes, mode, digest, revoked_at, expires_at, networks, retires_at"
"""Changes of these bear on access; more of them now."""


def upgrade() -> None:
    op.add_column(
        "api_keys",
        sa.Column("model_shorthands", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
    )
    op.add_column(
        "api_keys",
        sa.Column("model_shorthands_enabled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    _announce(f"{ANNOUNCED}, owner, model_shorthands, model_shorthands_enabled")
    op.create_table(
        "auto_modes",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.CheckConstraint("mode in ('lite', 'performance', 'turbo')", name=op.f("ck_auto_modes_mode")),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_auto_modes_org_id")),
        sa.PrimaryKeyConstraint("org_id", "holder", name=op.f("pk_auto_modes")),
    )
    op.execute("grant select, insert, update, delete on auto_modes to hasp_app")
    op.execute("alter table auto_modes enable row level security")
    op.execute(f"create policy tenant on auto_modes to hasp_app using {IS_VISIBLE}")
    op.execute(
        """
        create trigger auto_modes_announce after insert or update on auto_modes
        for each row execute function hasp_announce_access('org_id')
        """
    )


def downgrade() -> None:
    op.drop_table("auto_modes")
    _announce(ANNOUNCED)
    op.drop_column("api_keys", "model_shorthands_enabled")
    op.drop_column("api_keys", "model_shorthands")


def _announce(columns: str) -> None:
    op.execute("drop trigger api_keys_announce on api_keys")
    op.execute(
        f"""
        create trigger api_keys_announce after insert or update of {columns} on api_keys
        for each row execute function hasp_announce_access('org_id')
        """
    )

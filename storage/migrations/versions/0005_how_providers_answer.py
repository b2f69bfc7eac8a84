"""How providers answer, of all organisations together; and whether an organisation's calls may fail over."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"

ANNOUNCED = (
    "phi_mode, storage_mode, restore_answers, unscannable, opus_enabled, premium_models,"
    " phi_profile, phi_entities, phi_threshold_milli, phi_terms, phi_answers"
)
"""Changes of these bear on access; one more of them now."""
PLATFORM_TABLES = ("provider_health", "provider_circuits")


def upgrade() -> None:
    op.add_column(
        "organizations", sa.Column("failover_enabled", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    _announce(f"{ANNOUNCED}, failover_enabled")
    _create_health()
    _create_circuits()
    op.execute(f"grant select, insert, update, delete on {', '.join(PLATFORM_TABLES)} to hasp_app")
    for table in PLATFORM_TABLES:
        op.execute(f"alter table {table} enable row level security")
        # What all organisations did together is no business of a transaction that is bound to one.
        op.execute(f"create policy platform on {table} to hasp_app using (current_setting('hasp.system', true) = 'on')")


def downgrade() -> None:
    for table in PLATFORM_TABLES:
        op.drop_table(table)
    _announce(ANNOUNCED)
    op.drop_column("organizations", "failover_enabled")


def _announce(columns: str) -> None:
    op.execute("drop trigger organizations_announce on organizations")
    op.execute(
        f"""
        create trigger organizations_announce after insert or update of {columns} on organizations
        for each row execute function hasp_announce_access('id')
        """
    )


def _create_health() -> None:
    op.create_table(
        "provider_health",
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        *(
            sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False)
            for name in ("ok", "busy", "failed", "timeouts")
        ),
        sa.Column("latency", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.CheckConstraint("source in ('traffic', 'probe')", name=op.f("ck_provider_health_source")),
        sa.CheckConstraint("cardinality(latency) = 48", name=op.f("ck_provider_health_latency")),
        sa.PrimaryKeyConstraint("minute", "provider", "model", "source", name=op.f("pk_provider_health")),
    )


def _create_circuits() -> None:
    op.create_table(
        "provider_circuits",
        sa.Column("process_id", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state in ('open', 'half_open')", name=op.f("ck_provider_circuits_state")),
        sa.PrimaryKeyConstraint("process_id", "provider", "model", name=op.f("pk_provider_circuits")),
    )

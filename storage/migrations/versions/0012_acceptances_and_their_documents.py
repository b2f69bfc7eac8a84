"""Acceptances that wait for their document, end by decision and remember their reminders; signed documents."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

IS_VISIBLE = "(org_id = current_setting('hasp.organization', true) or current_setting('hasp.system', true) = 'on')"
SIGNER = ("signer_name", "signer_title", "signer_email")


def upgrade() -> None:
    for column in SIGNER:
        op.alter_column("baa_acceptances", column, nullable=True)
    op.add_column("baa_acceptances", sa.Column("affirmation", sa.LargeBinary(), nullable=True))
    op.add_column("baa_acceptances", sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("baa_acceptances", sa.Column("ends_as", sa.Text(), nullable=True))
    op.add_column(
        "baa_acceptances", sa.Column("grace_days", sa.Integer(), server_default=sa.text("30"), nullable=False)
    )
    op.add_column("baa_acceptances", sa.Column("reminded_days", sa.Integer(), nullable=True))
    op.add_column(
        "baa_acceptances", sa.Column("awaits_document", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    _check("status", "status in ('pending', 'active', 'superseded', 'expired', 'terminated')", replaces=True)
    _check("ends", "(ends_at is null) = (ends_as is null)")
    _check("ends_as", "ends_as in ('superseded', 'terminated')")
    _check("signer", "num_nonnulls(affirmation, signer_name) = 1")
    op.create_index(
        "uq_baa_acceptances_org_id_template_sha256_pending",
        "baa_acceptances",
        ["org_id", "template_sha256"],
        unique=True,
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index("ix_baa_acceptances_org_id_id", "baa_acceptances", ["org_id", "id"])
    op.create_index(
        "ix_baa_acceptances_id_awaiting", "baa_acceptances", ["id"], postgresql_where=sa.text("awaits_document")
    )
    op.create_table(
        "baa_documents",
        sa.Column("acceptance_id", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["acceptance_id"], ["baa_acceptances.id"], name=op.f("fk_baa_documents_acceptance_id")),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_baa_documents_org_id")),
        sa.PrimaryKeyConstraint("acceptance_id", name=op.f("pk_baa_documents")),
    )
    op.execute("grant select, insert on baa_documents to hasp_app")
    op.execute("alter table baa_documents enable row level security")
    op.execute(f"create policy tenant on baa_documents to hasp_app using {IS_VISIBLE}")


def downgrade() -> None:
    """Refuses where documents were signed: they are contracts. Of other acceptances it forgets who made them."""
    op.execute(
        """
        do $$ begin
          if exists (select from baa_documents) then
            raise exception 'baa_documents has signed agreements: keep them elsewhere and empty it first';
          end if;
        end $$
        """
    )
    op.drop_table("baa_documents")
    op.drop_index("ix_baa_acceptances_id_awaiting", table_name="baa_acceptances")
    op.drop_index("ix_baa_acceptances_org_id_id", table_name="baa_acceptances")
    op.drop_index("uq_baa_acceptances_org_id_template_sha256_pending", table_name="baa_acceptances")
    for name in ("signer", "ends_as", "ends"):
        op.drop_constraint(op.f(f"ck_baa_acceptances_{name}"), "baa_acceptances")
    op.execute("update baa_acceptances set status = 'terminated' where status = 'pending'")
    op.execute(
        "update baa_acceptances set signer_name = '', signer_title = '', signer_email = '' where signer_name is null"
    )
    _check("status", "status in ('active', 'superseded', 'expired', 'terminated')", replaces=True)
    for column in SIGNER:
        op.alter_column("baa_acceptances", column, nullable=False)
    for column in ("awaits_document", "reminded_days", "grace_days", "ends_as", "ends_at", "affirmation"):
        op.drop_column("baa_acceptances", column)


def _check(name: str, condition: str, *, replaces: bool = False) -> None:
    constraint = op.f(f"ck_baa_acceptances_{name}")
    if replaces:
        op.drop_constraint(constraint, "baa_acceptances")
    op.create_check_constraint(constraint, "baa_acceptances", condition)

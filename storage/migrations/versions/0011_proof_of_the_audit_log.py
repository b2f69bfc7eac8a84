"""What proves the audit log to strangers: signatures, published keys, checkpoints, time-stamps, exports."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

IS_VISIBLE = "(org_id = current_setting('hasp.organization', true) or current_setting('hasp.system', true) = 'on')"
APPEND_ONLY = ("audit_checkpoints", "audit_anchors")
TENANT_TABLES = (*APPEND_ONLY, "audit_exports", "audit_export_pages")


def upgrade() -> None:
    _sign_seals()
    _publish_keys()
    _keep_checkpoints()
    _keep_exports()
    for table in TENANT_TABLES:
        op.execute(f"alter table {table} enable row level security")
        op.execute(f"create policy tenant on {table} to hasp_app using {IS_VISIBLE}")
    for table in APPEND_ONLY:
        op.execute(f"grant select, insert on {table} to hasp_app")
        op.execute(
            f"""
            create trigger {table}_append_only before update or delete or truncate on {table}
            for each statement execute function hasp_refuse_change()
            """
        )


def downgrade() -> None:
    for table in ("audit_export_pages", "audit_exports", "audit_anchors", "audit_checkpoints", "audit_keys"):
        op.drop_table(table)
    op.execute("drop trigger audit_seals_signed_once on audit_seals")
    op.execute("drop trigger audit_seals_append_only on audit_seals")
    op.execute(
        """
        create trigger audit_seals_append_only before update or delete or truncate on audit_seals
        for each statement execute function hasp_refuse_change()
        """
    )
    op.execute("revoke update on audit_seals from hasp_app")
    op.drop_index("ix_audit_seals_org_id_seq_unsigned", "audit_seals")
    op.drop_constraint(op.f("ck_audit_seals_signed"), "audit_seals")
    for column in ("signed_at", "signature", "key_id"):
        op.drop_column("audit_seals", column)
    op.execute("drop function hasp_sign_once()")


def _sign_seals() -> None:
    """Seals of the past have no signature: each gets one, once, and tells when. None is made without from now on."""
    op.add_column("audit_seals", sa.Column("key_id", sa.Text(), nullable=True))
    op.add_column("audit_seals", sa.Column("signature", sa.Text(), nullable=True))
    op.add_column("audit_seals", sa.Column("signed_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(
        """
        do $$ begin
          execute format('alter table audit_seals add constraint ck_audit_seals_signed'
            ' check (key_id is not null and signature is not null or sealed_at < %L)', now());
        end $$
        """
    )
    op.create_index(
        "ix_audit_seals_org_id_seq_unsigned",
        "audit_seals",
        ["org_id", "seq"],
        postgresql_where=sa.text("signature is null"),
    )
    op.execute("grant update (key_id, signature, signed_at) on audit_seals to hasp_app")
    op.execute("drop trigger audit_seals_append_only on audit_seals")
    op.execute(
        """
        create trigger audit_seals_append_only before delete or truncate on audit_seals
        for each statement execute function hasp_refuse_change()
        """
    )
    op.execute(
        """
        create function hasp_sign_once() returns trigger language plpgsql as $$
        begin
          if old.signature is null and new.signed_at is not null
             and (new.entry_id, new.org_id, new.seq, new.prev_hash, new.hash, new.sealed_at)
               = (old.entry_id, old.org_id, old.seq, old.prev_hash, old.hash, old.sealed_at) then
            return new;
          end if;
          raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
        end $$
        """
    )
    op.execute(
        """
        create trigger audit_seals_signed_once before update on audit_seals
        for each row execute function hasp_sign_once()
        """
    )


def _publish_keys() -> None:
    """The installation's own, one for all organisations: everybody may read them."""
    op.create_table(
        "audit_keys",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("public_key_pem", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status in ('active', 'retired', 'revoked')", name=op.f("ck_audit_keys_status")),
        sa.CheckConstraint("(status = 'active') = (retired_at is null)", name=op.f("ck_audit_keys_retired")),
        sa.CheckConstraint("(status = 'revoked') = (revoked_at is not null)", name=op.f("ck_audit_keys_revoked")),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_audit_keys")),
    )
    op.create_index(
        "uq_audit_keys_status_active", "audit_keys", ["status"], unique=True, postgresql_where="status = 'active'"
    )
    op.execute("grant select, insert on audit_keys to hasp_app")
    op.execute("grant update (status, retired_at, revoked_at) on audit_keys to hasp_app")


def _keep_checkpoints() -> None:
    op.create_table(
        "audit_checkpoints",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_audit_checkpoints_org_id")),
        sa.ForeignKeyConstraint(["key_id"], ["audit_keys.key_id"], name=op.f("fk_audit_checkpoints_key_id")),
        sa.PrimaryKeyConstraint("org_id", "seq", name=op.f("pk_audit_checkpoints")),
    )
    op.create_table(
        "audit_anchors",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("response", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tsa_url", sa.Text(), nullable=False),
        sa.Column("tsa_cacert_url", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id", "seq"],
            ["audit_checkpoints.org_id", "audit_checkpoints.seq"],
            name=op.f("fk_audit_anchors_org_id_seq"),
        ),
        sa.PrimaryKeyConstraint("org_id", "seq", name=op.f("pk_audit_anchors")),
    )


def _keep_exports() -> None:
    op.create_table(
        "audit_exports",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("range_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("range_to", sa.DateTime(timezone=True), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=True),
        sa.Column("audit_entry_id", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=True),
        sa.Column("entry_count", sa.BigInteger(), nullable=True),
        sa.Column("entries_written", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state in ('requested', 'running', 'ready', 'failed', 'expired')", name=op.f("ck_audit_exports_state")
        ),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_audit_exports_org_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_exports")),
    )
    op.create_index(
        "ix_audit_exports_expires_at_kept",
        "audit_exports",
        ["expires_at"],
        postgresql_where=sa.text("state <> 'expired'"),
    )
    op.create_index(
        "ix_audit_exports_org_id_kept", "audit_exports", ["org_id"], postgresql_where=sa.text("state <> 'expired'")
    )
    op.create_table(
        "audit_export_pages",
        sa.Column("export_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["export_id"], ["audit_exports.id"], name=op.f("fk_audit_export_pages_export_id")),
        sa.PrimaryKeyConstraint("export_id", "number", name=op.f("pk_audit_export_pages")),
    )
    op.execute("grant select, insert, update on audit_exports to hasp_app")
    op.execute("grant select, insert, delete on audit_export_pages to hasp_app")

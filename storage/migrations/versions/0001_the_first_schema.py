"""The first schema"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "organizations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("phi_mode", sa.Text(), server_default="redact", nullable=False),
        sa.Column("storage_mode", sa.Text(), server_default="full", nullable=False),
        sa.Column("restore_answers", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("unscannable", sa.Text(), server_default="refuse", nullable=False),
        sa.Column("opus_enabled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("premium_models", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("credits_allotment", sa.BigInteger(), nullable=False),
        sa.Column("spend_cap", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("phi_mode in ('redact', 'block', 'allow')", name=op.f("ck_organizations_phi_mode")),
        sa.CheckConstraint("storage_mode in ('full', 'none')", name=op.f("ck_organizations_storage_mode")),
        sa.CheckConstraint("unscannable in ('refuse', 'pass')", name=op.f("ck_organizations_unscannable")),
        sa.CheckConstraint("credits_allotment >= 0 and spend_cap >= 0", name=op.f("ck_organizations_credits")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organizations")),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("last_four", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("pepper", sa.Integer(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("mode in ('live', 'test')", name=op.f("ck_api_keys_mode")),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_api_keys_org_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_keys_digest")),
    )
    op.create_index("ix_api_keys_org_id_id", "api_keys", ["org_id", "id"], unique=False)
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("entity_type", sa.Text(), nullable=True),
        sa.Column("entity_id", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=True),
        sa.Column("ip_address", sa.Text(), nullable=True),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("phi_disposition", sa.Text(), nullable=False),
        sa.Column("subject_type", sa.Text(), nullable=True),
        sa.Column("subject_id_hmac", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_audit_entries_org_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entries")),
    )
    op.create_index("ix_audit_entries_org_id_entity_id", "audit_entries", ["org_id", "entity_id"], unique=False)
    op.create_index("ix_audit_entries_org_id_id", "audit_entries", ["org_id", "id"], unique=False)
    op.create_table(
        "baa_acceptances",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("template_version", sa.Text(), nullable=False),
        sa.Column("template_sha256", sa.Text(), nullable=False),
        sa.Column("covers", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("signer_name", sa.Text(), nullable=False),
        sa.Column("signer_title", sa.Text(), nullable=False),
        sa.Column("signer_email", sa.Text(), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status", sa.Text(), server_default="active", nullable=False),
        sa.CheckConstraint(
            "status in ('active', 'superseded', 'expired', 'terminated')", name=op.f("ck_baa_acceptances_status")
        ),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_baa_acceptances_org_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_baa_acceptances")),
    )
    op.create_index(
        "uq_baa_acceptances_org_id_active",
        "baa_acceptances",
        ["org_id"],
        unique=True,
        postgresql_where="status = 'active'",
    )
    op.create_table(
        "credit_accounts",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("allotment", sa.BigInteger(), nullable=False),
        sa.Column("spend_cap", sa.BigInteger(), nullable=True),
        sa.Column("posted", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("pending", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("posted >= 0 and pending >= 0", name=op.f("ck_credit_accounts_balance")),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_credit_accounts_org_id")),
        sa.PrimaryKeyConstraint("org_id", "period_start", name=op.f("pk_credit_accounts")),
    )
    op.create_table(
        "data_keys",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("root_key", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_data_keys_org_id")),
        sa.PrimaryKeyConstraint("org_id", "version", name=op.f("pk_data_keys")),
    )
    op.create_table(
        "inferences",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=True),
        sa.Column("surface", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="in_progress", nullable=False),
        sa.Column("streamed", sa.Boolean(), nullable=False),
        sa.Column("stored", sa.Boolean(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stop_reason", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("phi_mode", sa.Text(), nullable=True),
        sa.Column("phi_action", sa.Text(), server_default="none", nullable=False),
        sa.Column("entity_types", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("redaction_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("request_content", sa.LargeBinary(), nullable=True),
        sa.Column("answer_content", sa.LargeBinary(), nullable=True),
        sa.Column("audit_entry_id", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "status in ('in_progress', 'completed', 'cancelled', 'blocked', 'failed', 'lost')",
            name=op.f("ck_inferences_status"),
        ),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_inferences_org_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inferences")),
    )
    op.create_index(
        "ix_inferences_org_id_conversation_id_id",
        "inferences",
        ["org_id", "conversation_id", "id"],
        unique=False,
        postgresql_where="conversation_id is not null",
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("relayed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_outbox_org_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index("ix_outbox_id_waiting", "outbox", ["id"], unique=False, postgresql_where="relayed_at is null")
    op.create_table(
        "usage_records",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_read_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_5m_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_1h_tokens", sa.BigInteger(), nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger(), nullable=False),
        sa.Column("service_tier", sa.Text(), nullable=True),
        sa.Column("estimated", sa.Boolean(), nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.Column("cost_micro_usd", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_usage_records_org_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_records")),
    )
    op.create_index("ix_usage_records_org_id_period_start", "usage_records", ["org_id", "period_start"], unique=False)
    op.create_table(
        "audit_pending",
        sa.Column("entry_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["entry_id"], ["audit_entries.id"], name=op.f("fk_audit_pending_entry_id")),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_audit_pending")),
    )
    op.create_table(
        "audit_seals",
        sa.Column("entry_id", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("prev_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["entry_id"], ["audit_entries.id"], name=op.f("fk_audit_seals_entry_id")),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_audit_seals")),
        sa.UniqueConstraint("org_id", "prev_hash", name=op.f("uq_audit_seals_org_id_prev_hash")),
        sa.UniqueConstraint("org_id", "seq", name=op.f("uq_audit_seals_org_id_seq")),
    )
    op.create_table(
        "credit_holds",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("charged", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state in ('open', 'settled', 'voided', 'expired')", name=op.f("ck_credit_holds_state")),
        sa.CheckConstraint("amount >= 0 and charged >= 0", name=op.f("ck_credit_holds_amounts")),
        sa.ForeignKeyConstraint(
            ["org_id", "period_start"],
            ["credit_accounts.org_id", "credit_accounts.period_start"],
            name=op.f("fk_credit_holds_org_id_period_start"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_holds")),
    )
    op.create_index(
        "ix_credit_holds_expires_at_open",
        "credit_holds",
        ["expires_at"],
        unique=False,
        postgresql_where="state = 'open'",
    )
    op.create_table(
        "phi_findings",
        sa.Column("inference_id", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("findings", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["inference_id"], ["inferences.id"], name=op.f("fk_phi_findings_inference_id"), ondelete="cascade"
        ),
        sa.PrimaryKeyConstraint("inference_id", name=op.f("pk_phi_findings")),
    )


def downgrade() -> None:
    op.drop_table("phi_findings")
    op.drop_index("ix_credit_holds_expires_at_open", table_name="credit_holds", postgresql_where="state = 'open'")
    op.drop_table("credit_holds")
    op.drop_table("audit_seals")
    op.drop_table("audit_pending")
    op.drop_index("ix_usage_records_org_id_period_start", table_name="usage_records")
    op.drop_table("usage_records")
    op.drop_index("ix_outbox_id_waiting", table_name="outbox", postgresql_where="relayed_at is null")
    op.drop_table("outbox")
    op.drop_index(
        "ix_inferences_org_id_conversation_id_id",
        table_name="inferences",
        postgresql_where="conversation_id is not null",
    )
    op.drop_table("inferences")
    op.drop_table("data_keys")
    op.drop_table("credit_accounts")
    op.drop_index(
        "uq_baa_acceptances_org_id_active", table_name="baa_acceptances", postgresql_where="status = 'active'"
    )
    op.drop_table("baa_acceptances")
    op.drop_index("ix_audit_entries_org_id_id", table_name="audit_entries")
    op.drop_index("ix_audit_entries_org_id_entity_id", table_name="audit_entries")
    op.drop_table("audit_entries")
    op.drop_index("ix_api_keys_org_id_id", table_name="api_keys")
    op.drop_table("api_keys")
    op.drop_table("organizations")

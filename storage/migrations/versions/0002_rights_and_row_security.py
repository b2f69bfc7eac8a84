"""Rights, row security, and what the database itself refuses or announces.

`hasp_app` is the role every process runs as. It sees the rows of the
organisation named by the setting `hasp.organization`, or all of them where
`hasp.system` is on (journal, sweeps, sequencer). It can append to the audit
log and to usage, and change neither.
"""

from alembic import op

revision = "0002"
down_revision = "0001"

TENANT_TABLES = (
    "api_keys",
    "audit_entries",
    "audit_seals",
    "baa_acceptances",
    "credit_accounts",
    "credit_holds",
    "data_keys",
    "inferences",
    "outbox",
    "phi_findings",
    "usage_records",
)
APPEND_ONLY = ("audit_entries", "audit_seals", "usage_records")
CHANGEABLE = (
    "organizations",
    "api_keys",
    "baa_acceptances",
    "credit_accounts",
    "credit_holds",
    "data_keys",
    "inferences",
    "outbox",
)
# Which column names the organisation, and which changes bear on access: a note of a key's last use does not.
ACCESS_TABLES = {
    "organizations": (
        "id",
        "update of phi_mode, storage_mode, restore_answers, unscannable, opus_enabled, premium_models",
    ),
    "api_keys": ("org_id", "update of scopes, mode, digest, revoked_at"),
    "baa_acceptances": ("org_id", "update"),
}

IS_VISIBLE = "({column} = current_setting('hasp.organization', true) or current_setting('hasp.system', true) = 'on')"


def upgrade() -> None:
    op.execute(
        """
        do $$ begin
          if not exists (select from pg_roles where rolname = 'hasp_app') then
            create role hasp_app nologin;
          end if;
        exception when duplicate_object or unique_violation then null;
        end $$
        """
    )
    op.execute("grant usage on schema public to hasp_app")
    op.execute(f"grant select, insert on {', '.join(APPEND_ONLY)} to hasp_app")
    op.execute(f"grant select, insert, update on {', '.join(CHANGEABLE)} to hasp_app")
    op.execute("grant select, insert, delete on audit_pending, phi_findings to hasp_app")
    op.execute("grant delete on outbox to hasp_app")

    for table in TENANT_TABLES:
        _secure(table, "org_id")
    _secure("organizations", "id")

    op.execute(
        """
        create function hasp_refuse_change() returns trigger language plpgsql as $$
        begin
          raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
        end $$
        """
    )
    for table in APPEND_ONLY:
        op.execute(
            f"""
            create trigger {table}_append_only before update or delete or truncate on {table}
            for each statement execute function hasp_refuse_change()
            """
        )

    op.execute(
        """
        create function hasp_announce_access() returns trigger language plpgsql as $$
        begin
          perform pg_notify('hasp_access', to_jsonb(new) ->> tg_argv[0]);
          return null;
        end $$
        """
    )
    for table, (column, changes) in ACCESS_TABLES.items():
        op.execute(
            f"""
            create trigger {table}_announce after insert or {changes} on {table}
            for each row execute function hasp_announce_access('{column}')
            """
        )

    op.execute(
        """
        insert into organizations (id, name, created_at, credits_allotment)
        values ('00000000000000000000000000', 'platform', now(), 0)
        """
    )


def downgrade() -> None:
    op.execute("delete from organizations where id = '00000000000000000000000000'")
    for table in ACCESS_TABLES:
        op.execute(f"drop trigger {table}_announce on {table}")
    op.execute("drop function hasp_announce_access()")
    for table in APPEND_ONLY:
        op.execute(f"drop trigger {table}_append_only on {table}")
    op.execute("drop function hasp_refuse_change()")
    for table in (*TENANT_TABLES, "organizations"):
        op.execute(f"drop policy tenant on {table}")
        op.execute(f"alter table {table} disable row level security")
    op.execute(f"revoke all on {', '.join({*APPEND_ONLY, *CHANGEABLE, 'audit_pending', 'phi_findings'})} from hasp_app")
    op.execute("revoke usage on schema public from hasp_app")


def _secure(table: str, column: str) -> None:
    op.execute(f"alter table {table} enable row level security")
    op.execute(f"create policy tenant on {table} to hasp_app using {IS_VISIBLE.format(column=column)}")

"""Double-entry books of credits: entries, accounts of keys, alerts, billing cycles of each organisation's own."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"

ORGANIZATION_CHECKS = {
    "credits": "credits_allotment >= 0 and spend_cap >= 0 and rollover_limit >= 0",
    "alert_thresholds": "cardinality(alert_thresholds) <= 3",
    "anchor_day": "anchor_day between 1 and 31",
}
ACCOUNT_CHECKS = {
    "balance": "posted >= 0 and pending >= 0 and overrun >= 0 and carried >= 0",
    "allotment": "(holder = 'organization') = (allotment is not null)",
    "period": "period_start < period_end",
}
MOVES = (
    "(phase, debit, credit) in ("
    "('grant', 'issued', 'available'), ('withdraw', 'available', 'issued'),"
    " ('reserve', 'available', 'held'), ('post', 'held', 'spent'), ('release', 'held', 'available'),"
    " ('void', 'held', 'available'), ('expire', 'held', 'available'), ('overrun', 'available', 'spent'),"
    " ('lapse', 'available', 'lapsed'), ('carry_out', 'available', 'carried'),"
    " ('carry_in', 'carried', 'available'))"
)
IS_VISIBLE = "(org_id = current_setting('hasp.organization', true) or current_setting('hasp.system', true) = 'on')"


def upgrade() -> None:
    _add_cycles()
    _add_families()
    _add_entries()
    _add_alerts()
    _widen_accounts()
    _write_books_of_the_past()


def downgrade() -> None:
    op.drop_index("ix_credit_holds_org_id_period_start_open", "credit_holds")
    op.drop_column("credit_holds", "holders")
    op.execute("delete from credit_accounts where holder <> 'organization'")
    op.drop_index("ix_credit_accounts_period_end_open", "credit_accounts")
    for check in ("allotment", "period", "balance"):
        op.drop_constraint(op.f(f"ck_credit_accounts_{check}"), "credit_accounts")
    op.drop_constraint(op.f("pk_credit_accounts"), "credit_accounts")
    for column in ("holder", "carried", "overrun", "closed_at", "alert_thresholds"):
        op.drop_column("credit_accounts", column)
    op.alter_column("credit_accounts", "allotment", nullable=False)
    op.create_primary_key(op.f("pk_credit_accounts"), "credit_accounts", ["org_id", "period_start"])
    op.create_check_constraint(op.f("ck_credit_accounts_balance"), "credit_accounts", "posted >= 0 and pending >= 0")
    op.create_foreign_key(
        op.f("fk_credit_holds_org_id_period_start"),
        "credit_holds",
        "credit_accounts",
        ["org_id", "period_start"],
        ["org_id", "period_start"],
    )
    op.drop_table("budget_alerts")
    op.drop_table("credit_entries")
    op.drop_index("ix_api_keys_org_id_family", "api_keys")
    for column in ("credit_cap", "family"):
        op.drop_column("api_keys", column)
    for check in ("alert_thresholds", "anchor_day", "credits"):
        op.drop_constraint(op.f(f"ck_organizations_{check}"), "organizations")
    for column in ("scheduled_cycle", "anchor_day", "time_zone", "alert_thresholds", "rollover_limit"):
        op.drop_column("organizations", column)
    op.create_check_constraint(
        op.f("ck_organizations_credits"), "organizations", "credits_allotment >= 0 and spend_cap >= 0"
    )


def _add_cycles() -> None:
    nothing = {"server_default": sa.text("'{}'"), "nullable": False}
    op.add_column(
        "organizations", sa.Column("rollover_limit", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column("organizations", sa.Column("alert_thresholds", postgresql.ARRAY(sa.Integer()), **nothing))
    op.add_column("organizations", sa.Column("time_zone", sa.Text(), server_default="UTC", nullable=False))
    op.add_column("organizations", sa.Column("anchor_day", sa.Integer(), server_default=sa.text("1"), nullable=False))
    op.add_column("organizations", sa.Column("scheduled_cycle", sa.Text(), nullable=True))
    op.drop_constraint(op.f("ck_organizations_credits"), "organizations")
    for name, condition in ORGANIZATION_CHECKS.items():
        op.create_check_constraint(op.f(f"ck_organizations_{name}"), "organizations", condition)


def _add_families() -> None:
    op.add_column("api_keys", sa.Column("credit_cap", sa.BigInteger(), nullable=True))
    op.create_check_constraint(op.f("ck_api_keys_credit_cap"), "api_keys", "credit_cap >= 0")
    op.add_column("api_keys", sa.Column("family", sa.Text(), nullable=True))
    op.execute(
        """
        with recursive lines as (
          select id, id as family from api_keys where replaces is null
          union all
          select k.id, lines.family from api_keys k join lines on k.replaces = lines.id
        )
        update api_keys k set family = lines.family from lines where lines.id = k.id
        """
    )
    op.alter_column("api_keys", "family", nullable=False)
    op.create_index("ix_api_keys_org_id_family", "api_keys", ["org_id", "family"])


def _add_entries() -> None:
    op.create_table(
        "credit_entries",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("debit", sa.Text(), nullable=False),
        sa.Column("credit", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(MOVES, name=op.f("ck_credit_entries_phase")),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_credit_entries_amount")),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_credit_entries_org_id")),
        sa.PrimaryKeyConstraint("id", "phase", name=op.f("pk_credit_entries")),
    )
    op.create_index("ix_credit_entries_org_id_period_start", "credit_entries", ["org_id", "period_start"])
    op.execute("grant select, insert on credit_entries to hasp_app")
    _secure("credit_entries")
    op.execute(
        """
        create trigger credit_entries_append_only before update or delete or truncate on credit_entries
        for each statement execute function hasp_refuse_change()
        """
    )


def _add_alerts() -> None:
    op.create_table(
        "budget_alerts",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["organizations.id"], name=op.f("fk_budget_alerts_org_id")),
        sa.PrimaryKeyConstraint("org_id", "period_start", "kind", name=op.f("pk_budget_alerts")),
    )
    op.execute("grant select, insert on budget_alerts to hasp_app")
    _secure("budget_alerts")


def _widen_accounts() -> None:
    op.drop_constraint(op.f("fk_credit_holds_org_id_period_start"), "credit_holds")
    op.drop_constraint(op.f("pk_credit_accounts"), "credit_accounts")
    op.drop_constraint(op.f("ck_credit_accounts_balance"), "credit_accounts")
    op.add_column("credit_accounts", sa.Column("holder", sa.Text(), server_default="organization", nullable=False))
    op.alter_column("credit_accounts", "holder", server_default=None)
    for name in ("carried", "overrun"):
        op.add_column("credit_accounts", sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("credit_accounts", sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "credit_accounts",
        sa.Column("alert_thresholds", postgresql.ARRAY(sa.Integer()), server_default=sa.text("'{}'"), nullable=False),
    )
    op.alter_column("credit_accounts", "allotment", nullable=True)
    op.create_primary_key(op.f("pk_credit_accounts"), "credit_accounts", ["org_id", "period_start", "holder"])
    for name, condition in ACCOUNT_CHECKS.items():
        op.create_check_constraint(op.f(f"ck_credit_accounts_{name}"), "credit_accounts", condition)
    op.create_index(
        "ix_credit_accounts_period_end_open",
        "credit_accounts",
        ["period_end"],
        postgresql_where=sa.text("closed_at is null"),
    )
    op.add_column("credit_holds", sa.Column("holders", postgresql.ARRAY(sa.Text()), nullable=True))
    op.execute(
        """
        update credit_holds h set holders = array['organization'] || coalesce(
          (select array['key:' || k.family] from inferences i join api_keys k on k.id = i.key_id where i.id = h.id),
          '{}')
        """
    )
    op.alter_column("credit_holds", "holders", nullable=False)
    op.create_index(
        "ix_credit_holds_org_id_period_start_open",
        "credit_holds",
        ["org_id", "period_start"],
        postgresql_where=sa.text("state = 'open'"),
    )


def _write_books_of_the_past() -> None:
    """What was held and charged before there were entries, as entries; and what keys have spent, as accounts."""
    op.execute(
        """
        insert into credit_accounts (org_id, period_start, period_end, holder, posted, pending, overrun)
        select a.org_id, a.period_start, a.period_end, h.holders[2],
               coalesce(sum(h.charged), 0), coalesce(sum(h.amount) filter (where h.state = 'open'), 0),
               coalesce(sum(greatest(h.charged - h.amount, 0)) filter (where h.state = 'settled'), 0)
        from credit_holds h join credit_accounts a using (org_id, period_start)
        where h.holders[2] is not null
        group by a.org_id, a.period_start, a.period_end, h.holders[2]
        """
    )
    op.execute(
        """
        insert into credit_entries (id, phase, org_id, period_start, debit, credit, amount, created_at)
        select a.org_id || ':' || to_char(a.period_start at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
               'grant', a.org_id, a.period_start, 'issued', 'available', a.allotment, a.period_start
        from credit_accounts a where a.holder = 'organization'
        """
    )
    op.execute(
        """
        insert into credit_entries (id, phase, org_id, period_start, debit, credit, amount, created_at)
        select h.id, e.phase, h.org_id, h.period_start, e.debit, e.credit, e.amount, coalesce(h.closed_at, now())
        from credit_holds h
        cross join lateral (values
          ('reserve', 'available', 'held', h.amount),
          ('post', 'held', 'spent', case when h.state = 'settled' then least(h.charged, h.amount) end),
          ('release', 'held', 'available', case when h.state = 'settled' then h.amount - least(h.charged, h.amount) end),
          ('overrun', 'available', 'spent', case when h.state = 'settled' then nullif(greatest(h.charged - h.amount, 0), 0) end),
          ('void', 'held', 'available', case when h.state = 'voided' then h.amount end),
          ('expire', 'held', 'available', case when h.state = 'expired' then h.amount end)
        ) as e(phase, debit, credit, amount)
        where e.amount is not null
        """
    )
    op.execute(
        """
        update credit_accounts a set overrun = t.overrun
        from (select org_id, period_start, sum(amount) as overrun from credit_entries where phase = 'overrun'
              group by org_id, period_start) t
        where a.org_id = t.org_id and a.period_start = t.period_start and a.holder = 'organization'
        """
    )


def _secure(table: str) -> None:
    op.execute(f"alter table {table} enable row level security")
    op.execute(f"create policy tenant on {table} to hasp_app using {IS_VISIBLE}")

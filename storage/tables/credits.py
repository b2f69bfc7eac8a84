"""Double-entry books of credits: accounts by holder and period, holds that calls place on them, and the entries.

A period is its own account, so no counter is ever set back. The balances on
an account are sums of entries kept at hand; the nightly proof adds them up anew.
"""

from sqlalchemy import CheckConstraint, ForeignKey, Index, PrimaryKeyConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.schema import Counter, Credits, Instant, Percents, Row, Ulid, UlidKey, Words


class AccountRow(Row):
    """What a holder may spend in a period and has spent.

    The holder is `organization`, which has an allotment, or `key:` and a key's family, which has only a cap at most.
    A call is charged to all its holders at once.
    """

    __tablename__ = "credit_accounts"
    __table_args__ = (
        PrimaryKeyConstraint("org_id", "period_start", "holder"),
        CheckConstraint("posted >= 0 and pending >= 0 and overrun >= 0 and carried >= 0", name="balance"),
        CheckConstraint("(holder = 'organization') = (allotment is not null)", name="allotment"),
        CheckConstraint("period_start < period_end", name="period"),
        Index("ix_credit_accounts_period_end_open", "period_end", postgresql_where=text("closed_at is null")),
    )

    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"))
    period_start: Mapped[Instant]
    holder: Mapped[str]
    period_end: Mapped[Instant]
    allotment: Mapped[Credits | None]
    carried: Mapped[Credits] = mapped_column(server_default=text("0"))
    """Unused credits of the period before, added to the allotment."""
    spend_cap: Mapped[Credits | None]
    alert_thresholds: Mapped[Percents] = mapped_column(server_default=text("'{}'"))
    """The organisation's, here so that a call that settles sees them under the lock it settles under."""
    posted: Mapped[Credits] = mapped_column(server_default=text("0"))
    pending: Mapped[Credits] = mapped_column(server_default=text("0"))
    overrun: Mapped[Credits] = mapped_column(server_default=text("0"))
    """Of `posted`, what was used beyond what had been held for it."""
    closed_at: Mapped[Instant | None]


class HoldRow(Row):
    """Credits set aside for one call. Leaves `open` once; `expired` may still be settled late, and then charges."""

    __tablename__ = "credit_holds"
    __table_args__ = (
        CheckConstraint("state in ('open', 'settled', 'voided', 'expired')", name="state"),
        CheckConstraint("amount >= 0 and charged >= 0", name="amounts"),
        Index("ix_credit_holds_expires_at_open", "expires_at", postgresql_where="state = 'open'"),
        Index("ix_credit_holds_org_id_period_start_open", "org_id", "period_start", postgresql_where="state = 'open'"),
    )

    id: Mapped[UlidKey]
    org_id: Mapped[Ulid]
    period_start: Mapped[Instant]
    holders: Mapped[Words]
    """Of the accounts it is set aside in, in the order they are locked."""
    amount: Mapped[Credits]
    state: Mapped[str] = mapped_column(server_default="open")
    charged: Mapped[Credits | None]
    expires_at: Mapped[Instant]
    closed_at: Mapped[Instant | None]


class EntryRow(Row):
    """One movement of credits of an organisation's period, from the side `debit` to the side `credit`. Never changed.

    `id` is the business id of what moved them (a call's; of the period itself its organisation's and start), and with
    the phase it is there once, so that whatever is done twice counts once.
    """

    __tablename__ = "credit_entries"
    __table_args__ = (
        PrimaryKeyConstraint("id", "phase"),
        CheckConstraint(
            "(phase, debit, credit) in ("
            "('grant', 'issued', 'available'), ('withdraw', 'available', 'issued'),"
            " ('reserve', 'available', 'held'), ('post', 'held', 'spent'), ('release', 'held', 'available'),"
            " ('void', 'held', 'available'), ('expire', 'held', 'available'), ('overrun', 'available', 'spent'),"
            " ('lapse', 'available', 'lapsed'), ('carry_out', 'available', 'carried'),"
            " ('carry_in', 'carried', 'available'))",
            name="phase",
        ),
        CheckConstraint("amount >= 0", name="amount"),
        Index("ix_credit_entries_org_id_period_start", "org_id", "period_start"),
    )

    id: Mapped[str]
    phase: Mapped[str]
    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"))
    period_start: Mapped[Instant]
    debit: Mapped[str]
    credit: Mapped[str]
    amount: Mapped[Counter]
    created_at: Mapped[Instant]


class BudgetAlertRow(Row):
    """What an organisation was told of a period: each `kind` (`threshold:80`, `exhausted`, ...) once."""

    __tablename__ = "budget_alerts"
    __table_args__ = (PrimaryKeyConstraint("org_id", "period_start", "kind"),)

    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"))
    period_start: Mapped[Instant]
    kind: Mapped[str]
    created_at: Mapped[Instant]

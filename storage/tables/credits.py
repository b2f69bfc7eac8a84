"""Credit accounts, one per organisation and period, and the holds that calls place on them."""

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.schema import Credits, Instant, Row, Ulid, UlidKey


class AccountRow(Row):
    """What a period may cost and has cost. A new period is a new row: no counter is ever set back."""

    __tablename__ = "credit_accounts"
    __table_args__ = (CheckConstraint("posted >= 0 and pending >= 0", name="balance"),)

    org_id: Mapped[Ulid] = mapped_column(ForeignKey("organizations.id"), primary_key=True)
    period_start: Mapped[Instant] = mapped_column(primary_key=True)
    period_end: Mapped[Instant]
    allotment: Mapped[Credits]
    spend_cap: Mapped[Credits | None]
    posted: Mapped[Credits] = mapped_column(server_default=text("0"))
    pending: Mapped[Credits] = mapped_column(server_default=text("0"))


class HoldRow(Row):
    """Credits set aside for one call. Leaves `open` once; `expired` may still be settled late, and then charges."""

    __tablename__ = "credit_holds"
    __table_args__ = (
        ForeignKeyConstraint(["org_id", "period_start"], ["credit_accounts.org_id", "credit_accounts.period_start"]),
        CheckConstraint("state in ('open', 'settled', 'voided', 'expired')", name="state"),
        CheckConstraint("amount >= 0 and charged >= 0", name="amounts"),
        Index("ix_credit_holds_expires_at_open", "expires_at", postgresql_where="state = 'open'"),
    )

    id: Mapped[UlidKey]
    org_id: Mapped[Ulid]
    period_start: Mapped[Instant]
    amount: Mapped[Credits]
    state: Mapped[str] = mapped_column(server_default="open")
    charged: Mapped[Credits | None]
    expires_at: Mapped[Instant]
    closed_at: Mapped[Instant | None]

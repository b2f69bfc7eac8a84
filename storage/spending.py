"""What one holder of an account used and may use, for those who show or change it."""

from datetime import datetime

from sqlalchemy import ColumnElement, ScalarSelect, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.ids import OrganizationId
from storage.tables import AccountRow


def used_by(holder: ColumnElement[str], org: OrganizationId, now: datetime) -> ScalarSelect[int]:
    """What `holder` used in the period that runs, the latest that has begun.

    Looked up for each row shown: joined, the accounts of all would be read.
    """
    latest = (
        select(func.max(AccountRow.period_start))
        .where(AccountRow.org_id == org, AccountRow.period_start <= now)
        .scalar_subquery()
    )
    return (
        select(AccountRow.posted)
        .where(
            AccountRow.org_id == org,
            AccountRow.period_start == latest,
            AccountRow.holder == holder,
            AccountRow.period_end > now,
        )
        .scalar_subquery()
    )


async def cap_accounts(
    session: AsyncSession, org: OrganizationId, holder: str, cap: int | None, *, now: datetime
) -> None:
    """Have `cap` hold in the period that runs, and in later ones: whose clock is ahead may have opened the next."""
    accounts = (AccountRow.org_id == org, AccountRow.holder == holder, AccountRow.period_end > now)
    # Calls lock accounts in the order of their periods.
    locked = select(AccountRow.period_start).where(*accounts).order_by(AccountRow.period_start).with_for_update()
    await session.execute(locked)
    await session.execute(update(AccountRow).where(*accounts).values(spend_cap=cap))

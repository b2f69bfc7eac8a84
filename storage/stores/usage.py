"""What an organisation used in a period."""

from datetime import datetime

from sqlalchemy import BigInteger, Cast, ColumnElement, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from gateway.credits.period import Period, period_of
from gateway.ids import OrganizationId
from gateway.inference.records import UsageLine, UsageSummary
from storage.tables import AccountRow, OrganizationRow, UsageRow

_DAY = func.to_char(UsageRow.created_at.op("at time zone")("UTC"), "YYYY-MM-DD")


class UsageReader:
    def __init__(self, session: AsyncSession, org: OrganizationId) -> None:
        self._session = session
        self._org = org

    async def summary(self, now: datetime) -> UsageSummary:
        """Totals of the period that `now` falls in."""
        period = period_of(now)
        allotment, spend_cap, used, held = await self._account(period)
        by_model = await self._lines(period, UsageRow.model)
        return UsageSummary(
            period_start=period.start,
            period_end=period.end,
            allotment=allotment,
            used=used,
            held=held,
            spend_cap=spend_cap,
            requests=sum(line.requests for line in by_model),
            by_model=by_model,
            by_key=await self._lines(period, func.coalesce(UsageRow.key_id, "")),
            by_day=await self._lines(period, _DAY),
        )

    async def _account(self, period: Period) -> tuple[int, int | None, int, int]:
        """Allotment, cap, posted and pending; an organisation that has not called this period has no account yet."""
        query = select(AccountRow.allotment, AccountRow.spend_cap, AccountRow.posted, AccountRow.pending).where(
            AccountRow.org_id == self._org, AccountRow.period_start == period.start
        )
        account = (await self._session.execute(query)).first()
        if account is not None:
            return account.allotment, account.spend_cap, account.posted, account.pending
        promised = (
            await self._session.execute(
                select(OrganizationRow.credits_allotment, OrganizationRow.spend_cap).where(
                    OrganizationRow.id == self._org
                )
            )
        ).one()
        return promised.credits_allotment, promised.spend_cap, 0, 0

    async def _lines(
        self, period: Period, label: ColumnElement[str] | InstrumentedAttribute[str]
    ) -> tuple[UsageLine, ...]:
        written = UsageRow.cache_write_5m_tokens + UsageRow.cache_write_1h_tokens
        query = (
            select(
                label.label("label"),
                func.count(),
                _total(UsageRow.input_tokens + UsageRow.cache_read_tokens + written),
                _total(UsageRow.output_tokens),
                _total(UsageRow.credits),
                _total(UsageRow.cost_micro_usd),
            )
            .where(UsageRow.org_id == self._org, UsageRow.period_start == period.start)
            .group_by("label")
            .order_by("label")
        )
        return tuple(
            UsageLine(name, requests, tokens_in, tokens_out, charged, cost)
            for name, requests, tokens_in, tokens_out, charged, cost in await self._session.execute(query)
        )


def _total(amounts: ColumnElement[int] | InstrumentedAttribute[int] | InstrumentedAttribute[int | None]) -> Cast[int]:
    # PostgreSQL sums bigint to numeric; no sum of ours outgrows a bigint.
    return cast(func.coalesce(func.sum(amounts), 0), BigInteger)

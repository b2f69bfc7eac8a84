"""What an organisation used in a period."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import BigInteger, Cast, ColumnElement, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from gateway.credits.budget import Balance
from gateway.credits.period import Cycle, Period, period_of
from gateway.ids import OrganizationId
from gateway.inference.records import UsageLine, UsageSummary
from storage.accounts import ORGANIZATION
from storage.tables import AccountRow, ApiKeyRow, OrganizationRow, UsageRow

_DAY = func.to_char(UsageRow.created_at.op("at time zone")("UTC"), "YYYY-MM-DD")


class UsageReader:
    def __init__(self, session: AsyncSession, org: OrganizationId) -> None:
        self._session = session
        self._org = org

    async def summary(self, now: datetime) -> UsageSummary:
        """Totals of the period that `now` falls in."""
        balance = await self.balance(now)
        period = balance.period
        by_model = await self._lines(period, UsageRow.model)
        return UsageSummary(
            period_start=period.start,
            period_end=period.end,
            allotment=balance.allotment,
            used=balance.used,
            held=balance.held,
            spend_cap=balance.spend_cap,
            requests=sum(line.requests for line in by_model),
            by_model=by_model,
            by_key=await self._lines(period, func.coalesce(UsageRow.key_id, "")),
            by_day=await self._lines(period, _DAY),
        )

    async def key_names(self) -> Mapping[str, str]:
        """Names of the organisation's keys by their ids, revoked ones too: they may have been used."""
        query = select(ApiKeyRow.id, ApiKeyRow.name).where(ApiKeyRow.org_id == self._org)
        return {row.id: row.name for row in await self._session.execute(query)}

    async def balance(self, now: datetime) -> Balance:
        """Credits of the period that `now` falls in; one without a call yet is what the organisation was promised."""
        around = (
            select(AccountRow)
            .where(AccountRow.org_id == self._org, AccountRow.holder == ORGANIZATION, AccountRow.period_start <= now)
            .order_by(AccountRow.period_start.desc())
            .limit(1)
        )
        account = await self._session.scalar(around)
        if account is not None and account.allotment is not None and now < account.period_end:
            return Balance(
                Period(account.period_start, account.period_end),
                account.allotment + account.carried,
                account.spend_cap,
                account.posted,
                account.pending,
            )
        promised = (
            await self._session.execute(select(OrganizationRow).where(OrganizationRow.id == self._org))
        ).scalar_one()
        period = period_of(now, Cycle(promised.time_zone, promised.anchor_day))
        start = max(period.start, account.period_end) if account else period.start
        return Balance(Period(start, period.end), promised.credits_allotment, promised.spend_cap, used=0, held=0)

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
                cast(func.sum(UsageRow.cost_micro_usd), BigInteger),
            )
            .where(UsageRow.org_id == self._org, UsageRow.period_start == period.start)
            .group_by("label")
            .order_by("label")
        )
        return tuple(
            UsageLine(name, requests, tokens_in, tokens_out, charged, cost)
            for name, requests, tokens_in, tokens_out, charged, cost in await self._session.execute(query)
        )


def _total(amounts: ColumnElement[int] | InstrumentedAttribute[int]) -> Cast[int]:
    # PostgreSQL sums bigint to numeric; no sum of ours outgrows a bigint.
    return cast(func.coalesce(func.sum(amounts), 0), BigInteger)

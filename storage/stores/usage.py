"""What an organisation used in a period."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, Cast, ColumnElement, Date, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from gateway.credits.budget import Balance
from gateway.credits.period import Cycle, Period, period_of
from gateway.ids import OrganizationId
from gateway.inference.records import UsageLine, UsageSummary
from storage.accounts import ORGANIZATION
from storage.tables import AccountRow, AgentRow, ApiKeyRow, OrganizationRow, UsageRow

_AN_INSTANT = timedelta(microseconds=1)


class UsageReader:
    def __init__(self, session: AsyncSession, org: OrganizationId) -> None:
        self._session = session
        self._org = org

    async def summary(self, balance: Balance) -> UsageSummary:
        """What was used in the period of `balance`: by model, key, agent, and day where the organisation is now."""
        zone = (await self._organization()).time_zone
        grouped: dict[str, list[UsageLine]] = {"model": [], "key": [], "agent": [], "day": []}
        for group, line in await self._lines(balance.period, zone):
            grouped[group].append(line)
        return UsageSummary(
            balance=balance,
            zone=zone,
            by_model=tuple(grouped["model"]),
            by_key=tuple(grouped["key"]),
            by_agent=tuple(grouped["agent"]),
            by_day=tuple(grouped["day"]),
        )

    async def key_names(self) -> Mapping[str, str]:
        """Names of the organisation's keys by their ids, revoked ones too: they may have been used."""
        query = select(ApiKeyRow.id, ApiKeyRow.name).where(ApiKeyRow.org_id == self._org)
        return {row.id: row.name for row in await self._session.execute(query)}

    async def agent_names(self) -> Mapping[str, str]:
        """Names of the organisation's agents by their ids, archived ones too."""
        query = select(AgentRow.id, AgentRow.name).where(AgentRow.org_id == self._org)
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
        if account is not None and now < account.period_end:
            return _balance(account)
        organization = await self._organization()
        cycle = Cycle(organization.time_zone, organization.anchor_day)
        period = period_of(now, cycle, ended=account.period_end if account else None)
        return Balance(period, organization.credits_allotment, spend_cap=organization.spend_cap)

    async def balance_on(self, day: date, now: datetime) -> Balance | None:
        """Credits of the period that `day` falls in where the organisation is; None for one that is not on record.

        A period is on record from its first call on, and the one that `now` falls in always.
        """
        organization = await self._organization()
        first, last = (
            cast(func.timezone(organization.time_zone, instant), Date)
            for instant in (AccountRow.period_start, AccountRow.period_end - _AN_INSTANT)
        )
        found = await self._session.scalar(
            select(AccountRow)
            .where(AccountRow.org_id == self._org, AccountRow.holder == ORGANIZATION, AccountRow.period_start <= now)
            .where(first <= day, last >= day)
            .order_by(AccountRow.period_start.desc())
            .limit(1)
        )
        if found is not None:
            return _balance(found)
        current = await self.balance(now)
        zone = ZoneInfo(organization.time_zone)
        first_day, last_day = (
            instant.astimezone(zone).date() for instant in (current.period.start, current.period.end - _AN_INSTANT)
        )
        return current if first_day <= day <= last_day else None

    async def _organization(self) -> OrganizationRow:
        # Loaded once a session.
        return await self._session.get_one(OrganizationRow, self._org)

    async def _lines(self, period: Period, zone: str) -> list[tuple[str, UsageLine]]:
        """Totals with the group that each is of, in one pass over the period's rows."""
        written = UsageRow.cache_write_5m_tokens + UsageRow.cache_write_1h_tokens
        rows = (
            select(
                UsageRow.model.label("model"),
                func.coalesce(UsageRow.key_id, "").label("key"),
                func.coalesce(UsageRow.agent_id, "").label("agent"),
                cast(func.timezone(zone, UsageRow.created_at), Date).label("day"),
                (UsageRow.input_tokens + UsageRow.cache_read_tokens + written).label("tokens_in"),
                UsageRow.output_tokens.label("tokens_out"),
                UsageRow.credits.label("credits"),
                UsageRow.cost_micro_usd.label("cost"),
            )
            .where(UsageRow.org_id == self._org, UsageRow.period_start == period.start)
            # A fence: else the planner takes every row for a day of its own, and sorts a million of them on disk.
            .offset(0)
            .subquery()
        )
        query = select(
            rows.c.model,
            rows.c.key,
            rows.c.agent,
            rows.c.day,
            func.count(),
            _total(rows.c.tokens_in),
            _total(rows.c.tokens_out),
            _total(rows.c.credits),
            cast(func.sum(rows.c.cost), BigInteger),
        ).group_by(func.grouping_sets(rows.c.model, rows.c.key, rows.c.agent, rows.c.day))
        lines: list[tuple[str, UsageLine]] = []
        for model, key, agent, day, *totals in await self._session.execute(query):
            groups = (("model", model), ("key", key), ("agent", agent), ("day", day and day.isoformat()))
            # Of keys what agents used is nobody's, and of agents what keys used.
            lines += [(group, UsageLine(label, *totals)) for group, label in groups if label]
        return sorted(lines, key=lambda line: line[1].label)


def _balance(account: AccountRow) -> Balance:
    return Balance(
        Period(account.period_start, account.period_end),
        account.allotment or 0,
        account.carried,
        account.spend_cap,
        account.posted,
        account.pending,
        account.overrun,
    )


def _total(amounts: ColumnElement[int] | InstrumentedAttribute[int]) -> Cast[int]:
    # PostgreSQL sums bigint to numeric; no sum of ours outgrows a bigint.
    return cast(func.coalesce(func.sum(amounts), 0), BigInteger)

"""What was used in any span of time, of an organisation or of one of its users."""

from datetime import timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, cast, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from gateway.credits.usage_report import Span, UsageGroup, UsagePage
from gateway.ids import OrganizationId
from gateway.inference.records import UsageLine
from gateway.tenancy import Principal
from storage.tables import AgentRow, ApiKeyRow, UsageRow

_LONGEST_PERIOD = timedelta(days=62)
"""A period is a month, or two where the day that it begins on was moved."""


class UsageReportReader:
    def __init__(self, session: AsyncSession, org: OrganizationId) -> None:
        self._session = session
        self._org = org

    async def page(
        self, span: Span, group: UsageGroup, *, own: Principal | None, limit: int, offset: int = 0
    ) -> UsagePage:
        """Lines of the whole organisation, or of what is `own` to a caller.

        A key's own is what all keys of its owner used; of a key without one, what its line of successors did.
        """
        label = _LABELS[group]
        read = UsageRow.input_tokens + UsageRow.cache_read_tokens
        written = UsageRow.cache_write_5m_tokens + UsageRow.cache_write_1h_tokens
        spent = _total(UsageRow.credits)
        query = (
            select(
                label,
                func.count(),
                _total(read + written),
                _total(UsageRow.output_tokens),
                spent,
                cast(func.sum(UsageRow.cost_micro_usd), BigInteger),
            )
            .join(ApiKeyRow, ApiKeyRow.id == UsageRow.key_id, isouter=True)
            .join(AgentRow, AgentRow.id == UsageRow.agent_id, isouter=True)
            .where(UsageRow.org_id == self._org)
            # The index is by period.
            .where(UsageRow.period_start < span.end, UsageRow.period_start > span.start - _LONGEST_PERIOD)
            .where(UsageRow.created_at >= span.start, UsageRow.created_at < span.end)
            .group_by(label)
            .order_by(spent.desc(), label)
            .limit(limit + 1)
            .offset(offset)
        )
        if own is not None:
            query = query.where(await self._is_own(own))
        rows = (await self._session.execute(query)).all()
        return UsagePage(tuple(UsageLine(*row) for row in rows[:limit]), has_more=len(rows) > limit)

    async def _is_own(self, principal: Principal) -> ColumnElement[bool]:
        if principal.delegation is not None:
            return UsageRow.agent_id == principal.delegation.agent
        owner = await self._session.scalar(select(ApiKeyRow.owner).where(ApiKeyRow.id == principal.key))
        return ApiKeyRow.family == principal.family if owner is None else ApiKeyRow.owner == owner


_LABELS: dict[UsageGroup, ColumnElement[str]] = {
    UsageGroup.TOTAL: literal(""),
    UsageGroup.MODEL: func.coalesce(UsageRow.model, ""),
    UsageGroup.USER: func.coalesce(ApiKeyRow.owner, AgentRow.owner, ""),
}


def _total(amounts: ColumnElement[int] | InstrumentedAttribute[int]) -> ColumnElement[Any]:
    # PostgreSQL sums bigint to numeric; no sum of ours outgrows a bigint.
    return cast(func.coalesce(func.sum(amounts), 0), BigInteger)

"""Upkeep of credit holds."""

from dataclasses import dataclass

from temporalio import activity

from activities.surface import surfaced
from gateway.clock import Clock
from storage.agents.invocations import forget_lapsed
from storage.agents.tool_uses import forget_tool_uses
from storage.holds import expire_lapsed
from storage.pool import Pool


@dataclass(frozen=True, slots=True)
class ExpiredPage:
    expired: int


class HoldActivities:
    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    @activity.defn(name="hold.expire_page")
    @surfaced
    async def expire_page(self) -> ExpiredPage:
        """Expire one page of lapsed holds in one transaction. A second run finds those closed and expires others.

        The places that the same processes had taken for agents' calls go with them, and old counts of tools' uses.
        """
        await forget_lapsed(self._pool, self._clock)
        await forget_tool_uses(self._pool, self._clock)
        return ExpiredPage(await expire_lapsed(self._pool, self._clock))

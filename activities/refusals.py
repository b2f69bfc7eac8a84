"""Refusals that were only counted are told of."""

from dataclasses import dataclass

from temporalio import activity

from activities.surface import surfaced
from gateway.clock import Clock
from storage.pool import Pool
from storage.refusal_summaries import sum_up


@dataclass(frozen=True, slots=True)
class SummedPage:
    entries: int


class RefusalActivities:
    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    @activity.defn(name="refusal.sum_up_page")
    @surfaced
    async def sum_up_page(self) -> SummedPage:
        """Turn one page of counts into audit entries in one transaction. A second run finds others, or none."""
        return SummedPage(await sum_up(self._pool, self._clock))

"""Keys that end are told of."""

from dataclasses import dataclass

from temporalio import activity

from activities.surface import surfaced
from gateway.clock import Clock
from storage.key_notices import tell_due
from storage.pool import Pool


@dataclass(frozen=True, slots=True)
class ToldPage:
    notices: int


class KeyNoticeActivities:
    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    @activity.defn(name="key.tell_page")
    @surfaced
    async def tell_page(self) -> ToldPage:
        """Tell of one page of due notices in one transaction. A second run finds those closed and tells of others."""
        return ToldPage(await tell_due(self._pool, self._clock))

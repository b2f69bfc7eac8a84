"""The nightly proof of the books, a page of periods at a time."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta

import structlog
from temporalio import activity

from activities.surface import surfaced
from storage.pool import Pool
from storage.proof import BooksPeriod, Place, periods_after, prove, raise_alarm

log = structlog.get_logger()

MOST_ACCUSED = 50
"""Named in a result; all of them are in the audit log."""
_PERIODS = 200
_BEAT_S = 5.0
_RECENT = timedelta(days=35)
"""A period is proven every night until so long after its end: late settlements and its closing fall into that time."""


@dataclass(frozen=True, slots=True)
class ProofPage:
    """Periods behind a place; the recent ones or `everything`. `at` is when the proof began, in ISO 8601."""

    at: str
    everything: bool
    after_org: str = Place().org
    after_start: str = Place().start


@dataclass(frozen=True, slots=True)
class ProvenPage:
    """What a page came to, and behind which place the next begins. `accused` are checks with organisations' ids."""

    after_org: str
    after_start: str
    periods: int = 0
    discrepancies: int = 0
    accused: list[str] = field(default_factory=list[str])
    is_last: bool = False


class BooksActivities:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @activity.defn(name="books.prove_page")
    @surfaced
    async def prove_page(self, page: ProofPage) -> ProvenPage:
        """Prove periods and raise the alarm for what does not agree, once a day each however often this runs.

        Goes on from its last heartbeat; a worker that stops hands on what is left.
        """
        proven = _resumed() or ProvenPage(page.after_org, page.after_start)
        at = datetime.fromisoformat(page.at)
        async with _beating(lambda: proven):
            place = Place(proven.after_org, proven.after_start)
            periods = await periods_after(self._pool, place, since=at - _RECENT, limit=_PERIODS)
            for period in periods:
                if activity.is_worker_shutdown():
                    return proven
                if page.everything or period.is_recent:
                    proven = await self._prove(period, proven, at)
                proven = replace(proven, after_org=period.place.org, after_start=period.place.start)
        return replace(proven, is_last=len(periods) < _PERIODS)

    async def _prove(self, period: BooksPeriod, proven: ProvenPage, at: datetime) -> ProvenPage:
        found = await prove(self._pool, period, at=at)
        if found:
            for each in await raise_alarm(self._pool, found, at=at):
                log.error("books_discrepancy", org_id=each.org, check=each.check, count=each.count)
        accused = list(dict.fromkeys([*proven.accused, *(f"{each.check} {each.org}" for each in found)]))
        return replace(
            proven,
            periods=proven.periods + 1,
            discrepancies=proven.discrepancies + len(found),
            accused=accused[:MOST_ACCUSED],
        )


def _resumed() -> ProvenPage | None:
    """How far a run that died had come."""
    details = activity.info().heartbeat_details
    return ProvenPage(**details[0]) if details else None


@asynccontextmanager
async def _beating(progress: Callable[[], ProvenPage]) -> AsyncGenerator[None]:
    """Beat with how far it has come, also while one long period is read."""

    async def beat() -> None:
        while True:
            activity.heartbeat(asdict(progress()))
            await asyncio.sleep(_BEAT_S)

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()

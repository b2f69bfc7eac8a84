"""Buckets in PostgreSQL: what calls draw at once is decided in one statement, one round trip.

Its table is unlogged and its commits flush nothing: a limit that a crash
forgets is full again, and money is counted elsewhere.
"""

from collections.abc import Sequence

from gateway.clock import Clock
from gateway.limits.buckets import GRAINS, Draw, Drawn
from storage.group_commit import GroupCommit
from storage.limits.grouped import grouped
from storage.limits.moment import microseconds
from storage.pool import Pool, fetch

_DRAW = """
select at, admitted, used from hasp_draw(
  %(keys)s::text[], %(limits)s::bigint[], %(daily)s::bool[],
  %(draws)s::int[], %(buckets)s::int[], %(costs)s::bigint[], %(forced)s::bool[], %(at)s::bigint)
"""


class PostgresBuckets:
    """Implements `gateway.limits.buckets.Buckets`. `clock` is the database's own unless one is given."""

    def __init__(self, pool: Pool, *, clock: Clock | None = None) -> None:
        self._pool = pool
        self._clock = clock
        self._drawing = GroupCommit(self._draw_group)

    async def draw(self, draw: Draw) -> Drawn:
        return await self._drawing.submit(draw)

    async def close(self) -> None:
        await self._drawing.close()

    async def _draw_group(self, draws: Sequence[Draw]) -> Sequence[Drawn]:
        group = grouped(draws)
        lines = [
            (number, group.places[bucket.key], cost * GRAINS, draw.forced)
            for number, draw in enumerate(draws)
            for bucket, cost in zip(draw.buckets, draw.costs, strict=True)
        ]
        numbers, buckets, costs, forced = zip(*lines, strict=True)
        # Sent again after a lost connection, a draw may count twice; the next minute has forgotten it.
        ((at, admitted, used),) = await fetch(
            self._pool,
            _DRAW,
            {
                "keys": [bucket.key for bucket in group.buckets],
                "limits": [bucket.limit for bucket in group.buckets],
                "daily": [bucket.is_daily for bucket in group.buckets],
                "draws": [*numbers],
                "buckets": [*buckets],
                "costs": [*costs],
                "forced": [*forced],
                "at": None if self._clock is None else microseconds(self._clock),
            },
        )
        levels = iter(used)
        return [
            Drawn(fits, at, tuple(next(levels) for _ in draw.buckets))
            for draw, fits in zip(draws, admitted, strict=True)
        ]

"""Whether this machine's clock is in step with the database's, and so with everybody's who writes there.

What is audited under a clock that is wrong stays wrong for ever: no proof of the log accepts times that go back.
"""

from datetime import timedelta

from gateway.clock import Clock
from storage.pool import Pool, fetch

MOST_APART = timedelta(minutes=1)
"""A process whose clock is further off is not ready, and seals nothing. Proofs accept fifteen times as much."""


async def apart(pool: Pool, clock: Clock) -> timedelta:
    """How far off `clock` is at least, however long the question took. Raises `UnavailableError`."""
    before = clock.now()
    ((theirs,),) = await fetch(pool, "select clock_timestamp()")
    return max(before - theirs, theirs - clock.now(), timedelta())

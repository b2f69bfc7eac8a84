"""Upkeep of idempotency keys."""

from dataclasses import dataclass

from temporalio import activity

from activities.surface import surfaced
from gateway.clock import Clock
from storage.idempotency import forget_keys
from storage.pool import Pool

_FORGOTTEN_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class ForgottenKeys:
    keys: int


class IdempotencyActivities:
    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    @activity.defn(name="idempotency.forget")
    @surfaced
    async def forget(self) -> ForgottenKeys:
        """Delete keys that no longer count, a bounded page at a time. Safe to run twice, also at once."""
        keys = 0
        while not activity.is_worker_shutdown():
            page = await forget_keys(self._pool, self._clock, limit=_FORGOTTEN_AT_ONCE)
            keys += page
            if page < _FORGOTTEN_AT_ONCE:
                break
        return ForgottenKeys(keys)

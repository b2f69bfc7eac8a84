"""The leases on holds of the calls that run in this process."""

import asyncio
import time
from contextlib import suppress
from datetime import timedelta

import structlog

from gateway.clock import Clock
from storage.pool import Pool, fetch

log = structlog.get_logger()

# In order of id, like everybody who locks more than one hold.
_RENEW = """
update credit_holds set expires_at = %(until)s
where id in (select id from credit_holds where id = any(%(ids)s) and state = 'open' order by id for update)
"""


class Leases:
    """Renews every hold taken until it is dropped, but for no longer than a call can last: nothing is held for ever."""

    def __init__(self, pool: Pool, *, clock: Clock, lease: timedelta, longest_call: timedelta) -> None:
        self.lease = lease
        self._pool = pool
        self._clock = clock
        self._longest_s = longest_call.total_seconds()
        self._taken: dict[str, float] = {}
        self._renewing = asyncio.create_task(self._renew_forever())

    def take(self, hold: str) -> None:
        self._taken[hold] = time.monotonic()

    def drop(self, hold: str) -> None:
        self._taken.pop(hold, None)

    async def renew(self) -> None:
        """Extend what is taken by a lease from now. Raises `UnavailableError`."""
        oldest = time.monotonic() - self._longest_s
        self._taken = {hold: at for hold, at in self._taken.items() if at > oldest}
        if self._taken:
            await fetch(self._pool, _RENEW, {"ids": list(self._taken), "until": self._clock.now() + self.lease})

    async def close(self) -> None:
        self._renewing.cancel()
        with suppress(asyncio.CancelledError):
            await self._renewing

    async def _renew_forever(self) -> None:
        while True:
            await asyncio.sleep(self.lease.total_seconds() / 3)
            try:
                await self.renew()
            except Exception as error:  # noqa: BLE001 - whatever it was, the next renewal may be in time
                log.warning("holds_not_renewed", held=len(self._taken), cause=type(error).__name__)

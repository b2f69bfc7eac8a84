"""Holds a database to the tombstones: whom an older dump brought back is erased again, before anybody is served."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from itertools import islice

import structlog

from gateway.audit import AuditAction
from gateway.clock import Clock
from gateway.end_users.certificate import keys_gone_on
from gateway.end_users.exports import ExportState
from gateway.errors import UnavailableError
from gateway.events import Event, EventType
from gateway.ids import OrganizationId
from gateway.logs import raised_at
from storage.agreements import NothingToDoError
from storage.end_users.tombstones import Tombstone, Tombstones, TombstonesError
from storage.pool import Pool, fetch
from storage.transaction import Transaction

log = structlog.get_logger()

_BATCH = 500
"""Tombstones that the database is asked about at once."""
_RETRY_S = 1.0

_BROUGHT_BACK = """
select u.id from end_users u left join end_user_keys k on k.end_user_id = u.id
where u.id = any(%(ids)s) and (u.state <> 'erased' or k.sealed is not null)
"""

Begin = Callable[[OrganizationId], AbstractAsyncContextManager[Transaction]]


@dataclass(frozen=True, slots=True)
class Replayed:
    tombstones: int
    erased: int
    """Whom the database knew, though they had been erased."""


class TombstoneReplay:
    """One per process. Until it is done, nobody is let in (`AccessCache`) and no workflow goes on."""

    def __init__(
        self, pool: Pool, tombstones: Tombstones, begin: Begin, clock: Clock, *, backup_keep_days: int
    ) -> None:
        self._pool = pool
        self._tombstones = tombstones
        self._begin = begin
        self._clock = clock
        self._backup_keep_days = backup_keep_days
        self.is_done = tombstones.path is None

    async def run(self) -> Replayed:
        """Erase again whom the database should not know. Safe to run twice, also at once.

        Raises `UnavailableError` without a database and `TombstonesError` for a file that cannot be used.
        """
        stones, seen, erased = self._tombstones.read(), 0, 0
        # In a thread: the file is on a disk, perhaps one across a network.
        while batch := await asyncio.to_thread(lambda: [*islice(stones, _BATCH)]):
            rows = await fetch(self._pool, _BROUGHT_BACK, {"ids": [stone.end_user for stone in batch]})
            known = {end_user for (end_user,) in rows}
            for stone in {each.end_user: each for each in batch if each.end_user in known}.values():
                with suppress(NothingToDoError):
                    await self._erase_again(stone)
                    erased += 1
            seen += len(batch)
        self.is_done = True
        return Replayed(seen, erased)

    async def run_until_done(self) -> None:
        """The same, once the database is there and the file can be used."""
        while not self.is_done:
            try:
                replayed = await self.run()
            except (UnavailableError, TombstonesError) as failure:
                log.warning("tombstones_not_replayed", cause=str(failure))
            except Exception as failure:  # noqa: BLE001 - such as a schema of before: whatever it is, nobody is served
                log.warning(
                    "tombstones_not_replayed", cause=type(failure).__name__, raised_at=raised_at(failure.__traceback__)
                )
            else:
                log.info("tombstones_replayed", count=replayed.erased)
                return
            await asyncio.sleep(_RETRY_S)

    async def _erase_again(self, stone: Tombstone) -> None:
        """The key goes now; its workflow takes away what is left and scans, as after any erasure."""
        # No copy of this database is older than the one that it was restored from.
        gone_on = keys_gone_on(self._clock.now(), self._backup_keep_days)
        async with self._begin(stone.org) as tx:
            if not await tx.revived.is_known(stone):
                raise NothingToDoError
            await tx.end_user_erasures.shred(stone.end_user, at=stone.erased_at)
            exports = await tx.end_user_exports.destroy_all_of(stone.end_user, ExportState.CANCELLED)
            erasure = await tx.revived.take_up(stone, exports=exports, keys_gone_on=gone_on)
            tx.audit(
                AuditAction.END_USER_ERASED_AGAIN,
                entity_type="end_user_erasure",
                entity_id=erasure,
                metadata={"end_user_id": stone.end_user, "exports": len(exports)},
                subject=stone.digest,
            )
            tx.tell(Event(EventType.END_USER_ERASURE_REQUESTED, {"erasure_id": erasure}))
            for export in exports:
                tx.tell(Event(EventType.END_USER_EXPORT_CANCELLED, {"export_id": export}))

"""Seals audit entries into one gap-free hash chain per organisation.

Writers never touch the chain: they leave entries, and one sequencer at a time
(an advisory lock elects it) gives each its place. So no two writers race for
a place, and no writer waits for another.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, LiteralString

import structlog

from gateway.audit import GENESIS, AuditEntry, seal_hash
from gateway.clock import Clock
from gateway.errors import UnavailableError
from storage.chain import COLUMNS, entry_of
from storage.pool import Connection, Pool, durable

log = structlog.get_logger()

_LOCK = 0x5EA1
_LARGEST = 1000
_IDLE_S = 0.1
_AWAY_S = 1.0

_TAKE = (
    "with taken as (delete from audit_pending where entry_id in"  # noqa: S608 - joins two constants
    " (select entry_id from audit_pending order by entry_id limit %s) returning entry_id) select "
    + COLUMNS
    + " from audit_entries e join taken on taken.entry_id = e.id order by e.id"
)

_HEADS = """
select o.org_id, s.seq, s.hash
from unnest(%s::text[]) as o(org_id)
cross join lateral (select seq, hash from audit_seals where org_id = o.org_id order by seq desc limit 1) as s
"""

_SEAL = """
insert into audit_seals (entry_id, org_id, seq, prev_hash, hash, sealed_at)
select *, %s from unnest(%s::text[], %s::text[], %s::bigint[], %s::text[], %s::text[])
"""


class Sequencer:
    """Runs in every worker; only the one that holds the lock seals."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def run(self) -> None:
        """Seal until cancelled. A database that is away is waited for."""
        while True:
            try:
                sealed = await self.seal()
            except UnavailableError:
                log.warning("audit_not_sealed")
                await asyncio.sleep(_AWAY_S)
                continue
            if sealed < _LARGEST:
                await asyncio.sleep(_IDLE_S)

    async def seal(self) -> int:
        """Seal one batch in one transaction; returns its size, 0 when another worker is the sequencer."""
        async with durable(self._pool) as connection, connection.transaction():
            if not await _is_elected(connection):
                return 0
            entries = [entry_of(row) for row in await _rows(connection, _TAKE, [_LARGEST])]
            if entries:
                await self._append(connection, entries)
            return len(entries)

    async def _append(self, connection: Connection, entries: Sequence[AuditEntry]) -> None:
        orgs = list({entry.org for entry in entries})
        heads = {org: (seq, head) for org, seq, head in await _rows(connection, _HEADS, [orgs])}
        columns: tuple[list[str], list[str], list[int], list[str], list[str]] = ([], [], [], [], [])
        for entry in entries:
            seq, prev_hash = heads.get(entry.org, (0, GENESIS))
            sealed = seal_hash(entry, seq=seq + 1, prev_hash=prev_hash)
            heads[entry.org] = (seq + 1, sealed)
            for column, value in zip(columns, (entry.id, entry.org, seq + 1, prev_hash, sealed), strict=True):
                column.append(value)  # pyright: ignore[reportArgumentType] - each value is its own column's
        await connection.execute(_SEAL, [self._clock.now(), *columns])


async def _is_elected(connection: Connection) -> bool:
    ((elected,),) = await _rows(connection, "select pg_try_advisory_xact_lock(%s)", [_LOCK])
    return elected


async def _rows(connection: Connection, query: LiteralString, parameters: Sequence[Any]) -> list[Any]:
    return await (await connection.execute(query, parameters)).fetchall()

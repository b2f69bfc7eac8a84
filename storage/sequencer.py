"""Seals audit entries into one gap-free hash chain per organisation, and signs each seal.

Writers never touch the chain: they leave entries, and one sequencer at a time
(an advisory lock elects it) gives each its place. So no two writers race for
a place, and no writer waits for another.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, LiteralString

import structlog

from gateway.audit import GENESIS, AuditEntry, seal_hash
from gateway.audit.signing import SigningKey
from gateway.clock import Clock
from gateway.errors import UnavailableError
from gateway.ids import OrganizationId
from storage.audit_keys import SEALING, KeyNotActiveError, active_key
from storage.chain import COLUMNS, entry_of
from storage.clock_check import MOST_APART, apart
from storage.pool import Connection, Pool, durable
from storage.unsealed import overdue

log = structlog.get_logger()

_LARGEST = 1000
_IDLE_S = 0.1
_AWAY_S = 1.0
_LOOK_S = 2.0

_TAKE = (
    "with taken as (delete from audit_pending where entry_id in"  # noqa: S608 - joins two constants
    " (select entry_id from audit_pending order by entry_id limit %s) returning entry_id) select "
    + COLUMNS
    + " from audit_entries e join taken on taken.entry_id = e.id order by e.id"
)

_HEADS = """
select o.org_id, s.seq, s.hash, coalesce(s.signed_at, s.sealed_at)
from unnest(%s::text[]) as o(org_id)
cross join lateral (
  select seq, hash, sealed_at, signed_at from audit_seals where org_id = o.org_id order by seq desc limit 1) as s
"""

_SEAL = """
insert into audit_seals (entry_id, org_id, seq, prev_hash, hash, sealed_at, key_id, signature)
select entry_id, org_id, seq, prev_hash, hash, sealed_at, %s, signature
from unnest(%s::text[], %s::text[], %s::bigint[], %s::text[], %s::text[], %s::timestamptz[], %s::text[])
  as s(entry_id, org_id, seq, prev_hash, hash, sealed_at, signature)
"""

_UNSIGNED = "select entry_id, hash from audit_seals where signature is null order by org_id, seq limit %s"

_SIGN = """
update audit_seals s set key_id = %s, signature = u.signature, signed_at = %s
from unnest(%s::text[], %s::text[]) as u(entry_id, signature)
where s.entry_id = u.entry_id and s.signature is null
"""

_Head = tuple[int, str, datetime]
_Row = tuple[str, str, int, str, str, datetime, str]


class Sequencer:
    """Runs in every worker; only the one that holds the lock seals."""

    def __init__(self, pool: Pool, clock: Clock, key: SigningKey) -> None:
        self._pool = pool
        self._clock = clock
        self._key = key
        self._all_signed = False
        self._looked_at = float("-inf")
        self.overdue = False
        """Whether an entry has waited too long, whichever worker should have sealed it."""
        self.in_step = True
        """Whether the clock agrees with the database's: else nothing is sealed here."""

    async def run(self) -> None:
        """Seal until cancelled. A database that is away is waited for."""
        while True:
            await self._look()
            try:
                sealed = await self.seal() if self.in_step else await self._wait()
            except KeyNotActiveError:
                log.error("audit_key_not_active", key_id=self._key.key_id)  # noqa: TRY400 - the event says it all
                sealed = await self._wait()
            except UnavailableError:
                log.warning("audit_not_sealed")
                sealed = await self._wait()
            if sealed < _LARGEST:
                await asyncio.sleep(_IDLE_S)

    async def seal(self) -> int:
        """Seal one batch in one transaction; returns its size, 0 when another worker is the sequencer.

        Seals of before there were signatures are signed first, so that the times of signing follow the chain.
        Raises `KeyNotActiveError` when the key was retired or revoked.
        """
        async with durable(self._pool) as connection, connection.transaction():
            if not await _is_elected(connection):
                return 0
            published = await active_key(connection, self._key, self._clock)
            now = max(self._clock.now(), published.published_at)
            if not self._all_signed and (signed := await self._sign_earlier(connection, now)):
                return signed
            entries = [entry_of(row) for row in await _rows(connection, _TAKE, [_LARGEST])]
            if entries:
                await self._append(connection, entries, now)
        self._all_signed = True  # and none is made without a signature: a constraint holds that
        return len(entries)

    async def _append(self, connection: Connection, entries: Sequence[AuditEntry], now: datetime) -> None:
        orgs = list({entry.org for entry in entries})
        heads: dict[OrganizationId, _Head] = {
            OrganizationId(org): (seq, head, max(at, now))
            for org, seq, head, at in await _rows(connection, _HEADS, [orgs])
        }
        # In a thread: a full batch is tens of milliseconds of hashing and signing.
        rows = await asyncio.to_thread(self._chained, entries, heads, now)
        await connection.execute(_SEAL, [self._key.key_id, *(list(column) for column in zip(*rows, strict=True))])

    def _chained(self, entries: Sequence[AuditEntry], heads: dict[OrganizationId, _Head], now: datetime) -> list[_Row]:
        """Each entry in its place. A clock that was set back does not show: no seal is older than the one before."""
        rows: list[_Row] = []
        for entry in entries:
            seq, prev_hash, at = heads.get(entry.org, (0, GENESIS, now))
            sealed = seal_hash(entry, seq=seq + 1, prev_hash=prev_hash)
            heads[entry.org] = (seq + 1, sealed, at)
            rows.append((entry.id, entry.org, seq + 1, prev_hash, sealed, at, self._key.sign(sealed)))
        return rows

    async def _sign_earlier(self, connection: Connection, now: datetime) -> int:
        rows = await _rows(connection, _UNSIGNED, [_LARGEST])
        if rows:
            signatures = [self._key.sign(sealed) for _, sealed in rows]
            await connection.execute(_SIGN, [self._key.key_id, now, [entry_id for entry_id, _ in rows], signatures])
        return len(rows)

    async def _wait(self) -> int:
        await asyncio.sleep(_AWAY_S)
        return 0

    async def _look(self) -> None:
        """Every other second, also while another worker seals: one that hangs does not tell."""
        if monotonic() - self._looked_at < _LOOK_S:
            return
        self._looked_at = monotonic()
        try:
            off = await apart(self._pool, self._clock)
            behind = await overdue(self._pool, now=self._clock.now())
        except UnavailableError:
            return
        self.in_step = off <= MOST_APART
        if not self.in_step:
            log.error("clock_differs", duration_ms=off // timedelta(milliseconds=1))
        self.overdue = behind is not None
        if behind:
            log.error("audit_overdue", duration_ms=behind.longest // timedelta(milliseconds=1), count=behind.count)


async def _is_elected(connection: Connection) -> bool:
    ((elected,),) = await _rows(connection, "select pg_try_advisory_xact_lock(%s)", [SEALING])
    return elected


async def _rows(connection: Connection, query: LiteralString, parameters: Sequence[Any]) -> list[Any]:
    return await (await connection.execute(query, parameters)).fetchall()

"""The calls of agents that run in this process: their places, which are leases, and what ends them.

A place is taken on every credential of a call's chain. It is renewed while the call runs, given back when its record
closes (in the closing statement itself), and lapses when the process dies. While any runs, the process asks whether
one of their chains was cut: when a change of access is announced, and every `_LOOK_S` in any case.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
import structlog
from psycopg.types.json import Jsonb

from gateway.agents.delegation import Delegation
from gateway.agents.running import (
    CredentialRevokedError,
    CredentialUnverifiedError,
    Running,
    TooManyInvocationsError,
)
from gateway.clock import Clock
from gateway.errors import UnavailableError
from gateway.ids import CredentialId, InferenceId, OrganizationId
from gateway.inference.shielding import uninterrupted
from gateway.tenancy import Principal
from storage.agents.usable import CUT, USABLE
from storage.group_commit import GroupCommit
from storage.pool import Connection, Pool, durable, fetch, repeatable

log = structlog.get_logger()

_LOOK_S = 0.4
_ANSWER_S = 1.5
"""For how long one look waits for the database, before the next is tried."""
UNVERIFIED_S = 5.0
"""For how long a call runs on when the database cannot be asked: as long as a snapshot of access is believed."""
_GRACE = timedelta(seconds=5)
"""Clocks of processes differ a little: a place is not counted any more long before its row goes."""
_LARGEST = 1_000
_BETWEEN_LOOKS_S = 0.02
"""Announcements come in crowds."""

# One at a time takes places on a credential. In order of id, like everybody who locks more than one.
_LOCK = "select id from agent_credentials where id = any(%(chains)s) order by id for no key update"

# A statement of its own, after the locks: one that had waited for them would count with its old snapshot.
_ROOM = f"""
select c.id, {USABLE}, c.max_concurrent_invocations,
  (select count(*) from agent_invocations i
   where i.credential_id = c.id and i.expires_at > %(now)s and i.id <> all(%(calls)s))
from agent_credentials c join agents g on g.id = c.agent_id
where c.id = any(%(chains)s)
"""  # noqa: S608 - constants of ours

# What was sent already, and whose answer was lost, is there.
_TAKE = """
insert into agent_invocations (id, org_id, credential_id, started_at, expires_at)
select w.id, w.org_id, one, w.started_at, w.expires_at
from jsonb_to_recordset(%(rows)s) as w(
  id text, org_id text, chain text[], started_at timestamptz, expires_at timestamptz)
cross join unnest(w.chain) as one
on conflict (id, credential_id) do nothing
"""

_RENEW = """
with mine as (
  select id, credential_id from agent_invocations
  where id = any(%(ids)s) and expires_at > %(now)s order by id, credential_id for update)
update agent_invocations i set expires_at = %(until)s from mine
where i.id = mine.id and i.credential_id = mine.credential_id
returning i.id
"""

_CUT = f"""
select c.id from agent_credentials c join agents g on g.id = c.agent_id where c.id = any(%(ids)s) and {CUT}
"""  # noqa: S608 - constants of ours

_RETURN = "delete from agent_invocations where id = any(%(ids)s)"

_LAPSED = """
delete from agent_invocations i
using (select id, credential_id from agent_invocations where expires_at < %(before)s
       order by expires_at limit %(limit)s for update skip locked) as old
where i.id = old.id and i.credential_id = old.credential_id
"""


@dataclass(frozen=True, slots=True)
class _Asked:
    id: InferenceId
    org: OrganizationId
    chain: tuple[CredentialId, ...]
    started_at: datetime


@dataclass(slots=True)
class _Taken:
    running: Running
    credential: CredentialId
    since: float
    known_at: float
    """When it was last known to be allowed."""


class Invocations:
    """One per process."""

    def __init__(self, pool: Pool, *, clock: Clock, lease: timedelta, longest_call: timedelta) -> None:
        self._pool = pool
        self._clock = clock
        self._lease = lease
        self._longest_s = longest_call.total_seconds()
        self._taken: dict[InferenceId, _Taken] = {}
        self._told: set[InferenceId] = set()
        """Calls that were ended and whose record is not closed yet."""
        self._any = asyncio.Event()
        self._heard = asyncio.Event()
        self._taking = GroupCommit(self._take_group)
        self._renew_at = 0.0
        self._watching = asyncio.create_task(self._watch_forever())

    async def take(self, call: InferenceId, org: OrganizationId, delegation: Delegation, running: Running) -> None:
        """A place on each credential of the chain, until `forget` and the closing of the record; then `running` is
        ended when the chain is cut.

        Raises:
            CredentialRevokedError: the chain does not hold now, whatever anybody's cache believes.
            TooManyInvocationsError: one of the chain runs as many calls as it may.
            UnavailableError: the database cannot say.
        """
        at = time.monotonic()
        await self._taking.submit(_Asked(call, org, delegation.chain, self._clock.now()))
        self._taken[call] = _Taken(running, delegation.credential, at, at)
        self._any.set()

    @asynccontextmanager
    async def during(self, call: InferenceId, principal: Principal) -> AsyncGenerator[Running]:
        """The places of an agent's call that leaves no record, for the length of the block; of others none.

        Raises as `take` does.
        """
        running = Running()
        if principal.delegation is None:
            yield running
            return
        await self.take(call, principal.org, principal.delegation, running)
        try:
            yield running
        finally:
            await uninterrupted(self.give_back(call))

    def forget(self, call: InferenceId) -> None:
        """It is over. Its places are given back with its record, or lapse."""
        self._taken.pop(call, None)
        self._told.discard(call)
        if not self._taken:
            self._any.clear()

    async def give_back(self, call: InferenceId) -> None:
        """The places of a call that has no record. Where the database cannot be told, they lapse."""
        self.forget(call)
        with suppress(UnavailableError):
            await self._return([call])

    def heard(self) -> None:
        """Access changed somewhere: look at once."""
        if self._taken:
            self._heard.set()

    async def close(self) -> None:
        self._watching.cancel()
        with suppress(asyncio.CancelledError):
            await self._watching
        await self._taking.close()

    async def _take_group(self, asked: Sequence[_Asked]) -> Sequence[Exception | None]:
        return await repeatable(self._pool, lambda connection: self._take_all(connection, asked))

    async def _take_all(self, connection: Connection, asked: Sequence[_Asked]) -> list[Exception | None]:
        chains = sorted({credential for each in asked for credential in each.chain})
        named = {"chains": chains, "calls": [each.id for each in asked], "now": self._clock.now()}
        async with connection.transaction():
            await connection.execute(_LOCK, named)
            rows = await (await connection.execute(_ROOM, named)).fetchall()
            results = _admitted(asked, rows)
            taken = [self._row(each) for each, refused in zip(asked, results, strict=True) if refused is None]
            if taken:
                await connection.execute(_TAKE, {"rows": Jsonb(taken, dumps=orjson.dumps)})
        return results

    def _row(self, asked: _Asked) -> dict[str, Any]:
        return {
            "id": asked.id,
            "org_id": asked.org,
            "chain": asked.chain,
            "started_at": asked.started_at,
            "expires_at": self._clock.now() + self._lease,
        }

    async def _watch_forever(self) -> None:
        while True:
            await self._any.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await self._heard.wait()
            self._heard.clear()
            try:
                await self._look()
            except Exception as error:  # noqa: BLE001 - whatever it was, nobody runs on unasked for long
                log.warning("agent_calls_unverified", count=len(self._taken), cause=type(error).__name__)
                self._end_unverified()
            await asyncio.sleep(_BETWEEN_LOOKS_S)

    async def _look(self) -> None:
        """End what was cut, renew what runs. Raises `UnavailableError` and `TimeoutError`."""
        at = time.monotonic()
        async with asyncio.timeout(_ANSWER_S):
            await self._end_cut(at)
            if self._told:
                # Ended a while ago. What is still open is between us and a vendor that goes on, or a slow record.
                await self._return([*self._told])
                for call in [*self._told]:
                    self.forget(call)
            if at >= self._renew_at:
                await self._renew()
                self._renew_at = at + self._lease.total_seconds() / 3
        self._told |= {call for call, taken in self._taken.items() if taken.running.ended}

    async def _end_cut(self, at: float) -> None:
        looked_at = dict(self._taken)
        rows = await fetch(self._pool, _CUT, {"ids": list({taken.credential for taken in looked_at.values()})})
        cut = {row[0] for row in rows}
        for taken in looked_at.values():
            if taken.credential in cut:
                taken.running.end(CredentialRevokedError())
            else:
                taken.known_at = max(taken.known_at, at)

    async def _renew(self) -> None:
        """Extend the leases; a call whose lease has lapsed, in a process that slept, may have lost its place."""
        oldest = time.monotonic() - self._longest_s
        for call in [call for call, taken in self._taken.items() if taken.since <= oldest]:
            self.forget(call)
        ours, now = dict(self._taken), self._clock.now()
        if not ours:
            return
        rows = await fetch(self._pool, _RENEW, {"ids": [*ours], "now": now, "until": now + self._lease})
        kept = {row[0] for row in rows}
        for call, taken in ours.items():
            if call not in kept and call in self._taken:
                taken.running.end(CredentialUnverifiedError())

    def _end_unverified(self) -> None:
        before = time.monotonic() - UNVERIFIED_S
        for taken in [*self._taken.values()]:
            if taken.known_at < before:
                taken.running.end(CredentialUnverifiedError())

    async def _return(self, calls: Iterable[InferenceId]) -> None:
        await fetch(self._pool, _RETURN, {"ids": [*calls]})


async def forget_lapsed(pool: Pool, clock: Clock) -> int:
    """Delete some places whose processes died, oldest first; returns how many. Nobody counts them. Safe to repeat."""
    async with durable(pool) as connection:
        return (await connection.execute(_LAPSED, {"before": clock.now() - _GRACE, "limit": _LARGEST})).rowcount


def _admitted(asked: Sequence[_Asked], rows: Sequence[tuple[Any, ...]]) -> list[Exception | None]:
    """For each that asks None, or why it is refused; first come, first served."""
    usable = {row[0] for row in rows if row[1]}
    left = {credential: most - running for credential, _, most, running in rows}
    return [_place(each, usable, left) for each in asked]


def _place(asked: _Asked, usable: set[str], left: dict[str, int]) -> Exception | None:
    if asked.chain[-1] not in usable:
        return CredentialRevokedError()
    if any(left.get(credential, 0) <= 0 for credential in asked.chain):
        return TooManyInvocationsError()
    for credential in asked.chain:
        left[credential] -= 1
    return None

"""From a presented token to what its bearer may do: one cached snapshot, never older than its bound.

A change to a key, an organisation or an agreement is announced on a
PostgreSQL channel by a trigger, in the changing transaction. Every process
listens and drops what it cached. While a process cannot hear, it reads every
time; and no snapshot outlives `_FRESH_S` in any case.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

import psycopg
import structlog

from gateway.clock import Clock
from gateway.errors import InvalidApiKeyError, UnavailableError
from gateway.ids import OrganizationId, new_ulid
from gateway.keys.api_key import OutsideNetworksError, digest, digests
from gateway.keys.networks import Network, admits
from gateway.tenancy import Access, Principal
from storage.access_rows import Bearers, ended, is_well_formed, policy_of
from storage.encryption import ContentCipher
from storage.keyring import Ring
from storage.last_use import LastUse
from storage.pool import Pool, libpq_url
from storage.terms import open_terms

log = structlog.get_logger()

CHANNEL = "hasp_access"
_FRESH_S = 5.0
_PING_S = 0.5
_SILENT_S = 2.0
_MOST_SNAPSHOTS = 50_000
_LAST_USED_S = 15.0


@dataclass(frozen=True, slots=True)
class _Snapshot:
    access: Access
    expires_at: datetime | None
    networks: tuple[Network, ...]
    awaited: bool
    """Whether a key that it replaces waits for its first use."""
    until: float


FirstUse = Callable[[Principal, str | None], Coroutine[None, None, None]]
"""Told before a key that replaces another is let in, with the client's address; may be told more than once."""


class AccessCache:
    """Resolves tokens. `listening` tells whether announcements reach this process."""

    def __init__(
        self,
        pool: Pool,
        database_url: str,
        peppers: Ring,
        cipher: ContentCipher,
        clock: Clock,
        first_use: FirstUse,
        *,
        may_serve: Callable[[], bool],
    ) -> None:
        """`may_serve` says whether the database may be trusted yet, as after a restore it may not."""
        self._pool = pool
        self._cipher = cipher
        self._clock = clock
        self._first_use = first_use
        self._may_serve = may_serve
        self._beginning: dict[Principal, asyncio.Task[None]] = {}
        self._url = libpq_url(database_url)
        self._peppers = peppers
        self._snapshots: dict[bytes, _Snapshot] = {}
        self._tokens: dict[OrganizationId, set[bytes]] = {}
        self._epoch = 0
        self._heard_at = float("-inf")
        self._told: list[Callable[[], None]] = []
        self._bearers = Bearers(pool, clock)
        self._used = LastUse(pool)
        self._tasks = [asyncio.create_task(self._listen_forever()), asyncio.create_task(self._note_use_forever())]

    def on_change(self, told: Callable[[], None]) -> None:
        """Have `told` called when an announcement comes, of whatever organisation."""
        self._told.append(told)

    @property
    def listening(self) -> bool:
        return time.monotonic() - self._heard_at < _SILENT_S

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self._bearers.close()
        with suppress(Exception):
            await self._used.write()

    async def resolve(self, token: str, *, address: str | None = None) -> Access:
        """Who bears `token`, and what their organisation allows. `address` is the client's, as far as it is known.

        Raises:
            InvalidApiKeyError: malformed or unknown; `RevokedApiKeyError` when it was revoked or has expired, and
                `UnusableCredentialError` when it is an agent's and that, or anything above it, was.
            OutsideNetworksError: the key may not be used from `address`.
            UnavailableError: the database cannot say, or may not be trusted yet, or the organisation's own terms do
                not open, or the first use of a key that replaces another cannot be recorded.
        """
        if not is_well_formed(token):
            raise InvalidApiKeyError
        if not self._may_serve():
            raise UnavailableError
        # The cache is keyed by a digest too: a dump of this process's memory should not be a list of keys.
        cached_as = digest(token, self._peppers.keys[self._peppers.newest])
        snapshot = self._snapshots.get(cached_as)
        if snapshot is None or not self.listening or snapshot.until <= time.monotonic():
            snapshot = await self._read(token, cached_as)
        access = self._use(snapshot, address)
        if snapshot.awaited:
            await self._begin_use(access.principal, address)
        return access

    async def _begin_use(self, principal: Principal, address: str | None) -> None:
        """Calls that come at once wait for one record of it, and the snapshot that told of it is read anew."""
        begun = self._beginning.get(principal)
        if begun is None:
            begun = self._beginning[principal] = asyncio.create_task(self._first_use(principal, address))
            begun.add_done_callback(lambda _: self._beginning.pop(principal, None))
        await asyncio.shield(begun)
        self._forget(principal.org)

    def _use(self, snapshot: _Snapshot, address: str | None) -> Access:
        """Time and place are of each request: what is cached is what they are compared with."""
        principal, now = snapshot.access.principal, self._clock.now()
        if snapshot.expires_at is not None and snapshot.expires_at <= now:
            raise ended(principal, expired=True)
        if principal.key is not None and not admits(snapshot.networks, address):
            raise OutsideNetworksError(principal.org, principal.key)
        self._used.note(principal, now)
        return snapshot.access

    async def _read(self, token: str, cached_as: bytes) -> _Snapshot:
        epoch, until = self._epoch, time.monotonic() + _FRESH_S
        bearer = await self._bearers.find(token, digests(token, self._peppers.keys))
        if bearer is None:
            raise InvalidApiKeyError
        principal = bearer.principal
        if bearer.has_ended:
            raise ended(principal, expired=False)
        terms = await open_terms(self._cipher, principal.org, bearer.terms)
        snapshot = _Snapshot(
            self._sharing(Access(principal, policy_of(bearer.policy, terms), bearer.choices)),
            expires_at=bearer.expires_at,
            networks=bearer.networks,
            awaited=bearer.is_awaited,
            until=until,
        )
        # An announcement that came while we read may be of what we read too early: use it once, keep nothing.
        if epoch == self._epoch:
            self._keep(cached_as, snapshot)
        return snapshot

    def _sharing(self, access: Access) -> Access:
        """With the policy that another key of the organisation brought, if it is the same: lists of terms are large."""
        for cached_as in self._tokens.get(access.principal.org, ()):
            policy = self._snapshots[cached_as].access.policy
            return replace(access, policy=policy) if policy == access.policy else access
        return access

    def _keep(self, cached_as: bytes, snapshot: _Snapshot) -> None:
        if len(self._snapshots) >= _MOST_SNAPSHOTS:
            self._forget_all()
        self._snapshots[cached_as] = snapshot
        self._tokens.setdefault(snapshot.access.principal.org, set()).add(cached_as)

    def _forget(self, org: OrganizationId) -> None:
        self._epoch += 1
        for cached_as in self._tokens.pop(org, ()):
            self._snapshots.pop(cached_as, None)

    def _forget_all(self) -> None:
        self._epoch += 1
        self._snapshots.clear()
        self._tokens.clear()

    async def _listen_forever(self) -> None:
        while True:
            try:
                await self._listen()
            except (psycopg.Error, OSError, TimeoutError) as error:
                log.warning("access_channel_lost", cause=type(error).__name__)
            self._heard_at = float("-inf")
            self._forget_all()
            await asyncio.sleep(_PING_S)

    async def _listen(self) -> None:
        """Hear announcements until the channel fails.

        A connection can die without a word, so each process also announces to
        itself: no echo within two seconds means that nothing else arrives either.
        """
        echo = f"echo:{new_ulid()}"
        async with await psycopg.AsyncConnection.connect(
            self._url, autocommit=True, connect_timeout=5, application_name="hasp-access"
        ) as connection:
            await connection.execute(f"listen {CHANNEL}")
            self._forget_all()
            while True:
                async with asyncio.timeout(_SILENT_S):
                    await connection.execute("select pg_notify(%s, %s)", [CHANNEL, echo])
                    async for notice in connection.notifies(timeout=_PING_S):
                        if notice.payload == echo:
                            self._heard_at = time.monotonic()
                        elif not notice.payload.startswith("echo:"):
                            self._forget(OrganizationId(notice.payload))
                            for told in self._told:
                                told()

    async def _note_use_forever(self) -> None:
        while True:
            await asyncio.sleep(_LAST_USED_S)
            try:
                await self._used.write()
            except Exception as error:  # noqa: BLE001 - a note for people, never worth a request
                log.warning("key_use_not_noted", cause=type(error).__name__)

"""The installation's published audit keys: which one signs, and which ones signed before.

One key is active at a time. A change of that waits for the batch that the sequencer is sealing, so that a retired
key has signed nothing after the moment at which it was retired.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import LiteralString

from gateway.audit import AuditAction
from gateway.audit.chain import CLOCK_TOLERANCE
from gateway.audit.signing import KeyStatus, PublishedKey, SigningKey, is_signed, raw_public_key
from gateway.clock import Clock
from gateway.errors import GatewayError, Kind, NotFoundError
from storage.keyring import Ring
from storage.platform_log import write_entry
from storage.pool import Connection, Pool, durable, fetch

FRESH_S = 5.0

SEALING = 0x5EA1
"""The advisory lock of whoever seals, or changes what it seals with."""

_KEYS: LiteralString = (
    "select key_id, public_key_pem, published_at, status, retired_at, revoked_at from audit_keys order by published_at"
)

_ADD = """
insert into audit_keys (key_id, public_key_pem, status, published_at) values (%s, %s, 'active', %s)
"""

_RETIRE = """
update audit_keys set status = 'retired', retired_at = greatest(%(at)s, published_at)
where status = 'active' and (%(key_id)s::text is null or key_id = %(key_id)s) returning key_id
"""

_REVOKE = """
update audit_keys set status = 'revoked', revoked_at = greatest(%(at)s, published_at),
  retired_at = coalesce(retired_at, greatest(%(at)s, published_at))
where status <> 'revoked' and key_id = %(key_id)s returning key_id
"""


class KeyNotActiveError(GatewayError):
    """The keyring's newest audit key was retired or revoked: nothing may be signed with it any more."""

    kind, code = Kind.UNAVAILABLE, "AUDIT_KEY_NOT_ACTIVE"
    message = "The keyring's newest audit key is not active. `hasp keyring rotate audit` makes another."
    retryable = True


@dataclass(frozen=True, slots=True)
class AuditKey:
    """A published key, and when it was revoked if it was."""

    key: PublishedKey
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class SealingKey:
    """A key as the installation itself knows it. What it signed before it was revoked stays good here: whether to
    trust it is for whoever reads an export.
    """

    raw: bytes
    since: datetime
    until: datetime | None

    def has_signed(self, digest: str, signature: str, at: datetime) -> bool:
        """Whether it signed `digest`, and could at `at`."""
        ended = self.until is not None and at - self.until > CLOCK_TOLERANCE
        return not ended and self.since - at <= CLOCK_TOLERANCE and is_signed(digest, signature, self.raw)


class PublishedKeys:
    """What everybody may read, and so read at most every few seconds."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._keys: list[AuditKey] = []
        self._until = float("-inf")
        self._reading = asyncio.Lock()

    async def all(self) -> list[AuditKey]:
        """Every key, oldest first; as of `FRESH_S` ago at most. Raises `UnavailableError`."""
        async with self._reading:
            if self._until <= monotonic():
                self._keys = await audit_keys(self._pool)
                self._until = monotonic() + FRESH_S
        return self._keys


def signing_key(ring: Ring) -> SigningKey:
    """The one that signs from now on."""
    return SigningKey(ring.keys[ring.newest])


async def audit_keys(pool: Pool) -> list[AuditKey]:
    """All that were ever published, oldest first."""
    return [_audit_key(*row) for row in await fetch(pool, _KEYS)]


async def strangers(pool: Pool, ring: Ring) -> list[str]:
    """Published keys that are not `ring`'s: who writes to the database can add one, and seal history again by it."""
    own = {key.public_key_pem for key in map(SigningKey, ring.keys.values())}
    return [known.key.key_id for known in await audit_keys(pool) if known.key.public_key_pem not in own]


async def sealing_keys(pool: Pool) -> dict[str, SealingKey]:
    """All of them by id."""
    return {known.key.key_id: _sealing_key(known.key) for known in await audit_keys(pool)}


async def active_key(connection: Connection, key: SigningKey, clock: Clock) -> PublishedKey:
    """`key` as published. One that never was is published now, and the one before it is retired.

    To be called with the lock `SEALING` held, in its transaction. Raises `KeyNotActiveError`.
    """
    known = {row[0]: _audit_key(*row) for row in await (await connection.execute(_KEYS)).fetchall()}
    if key.key_id not in known:
        now = clock.now()
        await _change(connection, _RETIRE, None, AuditAction.AUDIT_KEY_RETIRED, "system:sequencer", now)
        await connection.execute(_ADD, [key.key_id, key.public_key_pem, now])
        await _audit(connection, AuditAction.AUDIT_KEY_PUBLISHED, key.key_id, "system:sequencer", now)
        return PublishedKey(key.key_id, key.public_key_pem, now, KeyStatus.ACTIVE)
    published = known[key.key_id].key
    if published.status is not KeyStatus.ACTIVE:
        raise KeyNotActiveError
    return published


async def published_key(pool: Pool, key: SigningKey, clock: Clock) -> PublishedKey:
    """The same for what is signed beside the log. Raises `KeyNotActiveError`."""
    async with durable(pool) as connection, connection.transaction():
        await connection.execute("select pg_advisory_xact_lock(%s)", [SEALING])
        return await active_key(connection, key, clock)


async def retire(pool: Pool, key_id: str, *, at: datetime, by: str) -> bool:
    """Have `key_id` sign nothing more; False when it does not already. Raises `NotFoundError` for an unknown key."""
    return await _changed(pool, _RETIRE, key_id, AuditAction.AUDIT_KEY_RETIRED, by, at)


async def revoke(pool: Pool, key_id: str, *, at: datetime, by: str) -> bool:
    """Tell the world to trust nothing that `key_id` signed; False when that was said. Raises `NotFoundError`."""
    return await _changed(pool, _REVOKE, key_id, AuditAction.AUDIT_KEY_REVOKED, by, at)


async def _changed(
    pool: Pool, statement: LiteralString, key_id: str, action: AuditAction, by: str, at: datetime
) -> bool:
    if key_id not in {known.key.key_id for known in await audit_keys(pool)}:
        raise NotFoundError("There is no audit key of that id.")
    async with durable(pool) as connection, connection.transaction():
        await connection.execute("select pg_advisory_xact_lock(%s)", [SEALING])
        return await _change(connection, statement, key_id, action, by, at)


async def _change(
    connection: Connection, statement: LiteralString, key_id: str | None, action: AuditAction, by: str, at: datetime
) -> bool:
    rows = await (await connection.execute(statement, {"key_id": key_id, "at": at})).fetchall()
    for (changed,) in rows:
        await _audit(connection, action, changed, by, at)
    return bool(rows)


async def _audit(connection: Connection, action: AuditAction, key_id: str, by: str, at: datetime) -> None:
    await write_entry(connection, action, entity_type="audit_key", entity_id=key_id, by=by, at=at)


def _sealing_key(key: PublishedKey) -> SealingKey:
    return SealingKey(raw_public_key(key.public_key_pem), key.published_at, key.retired_at)


def _audit_key(
    key_id: str,
    pem: str,
    published_at: datetime,
    status: str,
    retired_at: datetime | None,
    revoked_at: datetime | None,
) -> AuditKey:
    return AuditKey(PublishedKey(key_id, pem, published_at, KeyStatus(status), retired_at), revoked_at)

"""Envelope encryption of content: root key, then a data key per organisation, then the value (AES-256-GCM).

A sealed value is a format byte, the data key's version (4 bytes), a nonce
and the ciphertext. Where it belongs (organisation, column, row) is bound to
it, so a value copied to another row or tenant does not open.
"""

import asyncio
import os
import time
from dataclasses import dataclass

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.errors import UnavailableError
from gateway.ids import OrganizationId
from storage.pool import Pool, durable, fetch
from storage.root_keys import RootKeys, UnwrapError

_FORMAT = b"\x01"
_NONCE_BYTES = 12
_HEAD_BYTES = 1 + 4 + _NONCE_BYTES
_CACHE_S = 60.0


class SealedValueError(Exception):
    """A sealed value does not open: it was changed, moved, or its key is gone."""


@dataclass(slots=True)
class _DataKeys:
    """An organisation's unwrapped keys, for at most a minute: a destroyed key must stop working soon."""

    ciphers: dict[int, AESGCM]
    newest: int
    until: float


class ContentCipher:
    """Seals and opens values of any organisation."""

    def __init__(self, pool: Pool, root_keys: RootKeys) -> None:
        self._pool = pool
        self._root_keys = root_keys
        self._cached: dict[OrganizationId, _DataKeys] = {}
        self._loading: dict[OrganizationId, asyncio.Lock] = {}

    async def seal(self, org: OrganizationId, place: str, value: bytes) -> bytes:
        """`value` sealed for `place` (`"inferences.answer_content/<id>"`). Raises `UnavailableError` without a key."""
        keys = await self._keys(org)
        nonce = os.urandom(_NONCE_BYTES)
        head = _FORMAT + keys.newest.to_bytes(4, "big") + nonce
        return head + keys.ciphers[keys.newest].encrypt(nonce, value, _context(org, place))

    async def open(self, org: OrganizationId, place: str, sealed: bytes) -> bytes:
        """Raises `SealedValueError` for a value that is not what was sealed for this place."""
        version = int.from_bytes(sealed[1:5], "big")
        cipher = (await self._keys(org)).ciphers.get(version)
        if cipher is None:
            # Another process may have added a data key since we looked.
            self._cached.pop(org, None)
            cipher = (await self._keys(org)).ciphers.get(version)
        if cipher is None or sealed[:1] != _FORMAT:
            raise SealedValueError
        try:
            return cipher.decrypt(sealed[5:_HEAD_BYTES], sealed[_HEAD_BYTES:], _context(org, place))
        except InvalidTag:
            raise SealedValueError from None

    async def _keys(self, org: OrganizationId) -> _DataKeys:
        cached = self._cached.get(org)
        if cached is not None and cached.until > time.monotonic():
            return cached
        async with self._loading.setdefault(org, asyncio.Lock()):
            cached = self._cached.get(org)
            if cached is not None and cached.until > time.monotonic():
                return cached
            self._cached[org] = loaded = await self._load(org)
            return loaded

    async def _load(self, org: OrganizationId) -> _DataKeys:
        rows = await fetch(self._pool, "select version, wrapped from data_keys where org_id = %s", [org])
        if not rows:
            raise UnavailableError("The organization has no data key.")
        try:
            ciphers = {
                version: AESGCM(await self._root_keys.unwrap(bytes(wrapped), context=key_context(org, version)))
                for version, wrapped in rows
            }
        except UnwrapError:
            raise UnavailableError from None
        return _DataKeys(ciphers, max(ciphers), time.monotonic() + _CACHE_S)


async def new_data_key(root_keys: RootKeys, org: OrganizationId, version: int) -> bytes:
    """A fresh data key, wrapped. Raises `UnavailableError` when the root key's holder does not answer."""
    try:
        return await root_keys.wrap(AESGCM.generate_key(256), context=key_context(org, version))
    except UnwrapError:
        raise UnavailableError from None


async def rewrap_data_keys(pool: Pool, root_keys: RootKeys) -> int:
    """Wrap every data key under the newest root key; content is not touched. Returns how many; safe to repeat."""
    done = 0
    async with durable(pool) as connection:
        cursor = await connection.execute(
            "select org_id, version, wrapped from data_keys where root_key <> %s", [root_keys.name]
        )
        for org, version, wrapped in await cursor.fetchall():
            context = key_context(org, version)
            fresh = await root_keys.wrap(await root_keys.unwrap(bytes(wrapped), context=context), context=context)
            await connection.execute(
                "update data_keys set wrapped = %s, root_key = %s where org_id = %s and version = %s and wrapped = %s",
                [fresh, root_keys.name, org, version, wrapped],
            )
            done += 1
    return done


def key_context(org: OrganizationId, version: int) -> bytes:
    return orjson.dumps(["data_key", org, version])


def _context(org: OrganizationId, place: str) -> bytes:
    return orjson.dumps([org, place])

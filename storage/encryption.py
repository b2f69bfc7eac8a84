"""Envelope encryption: a root key wraps an organisation's keys, and those seal its values (AES-256-GCM).

A sealed value is a format byte, the key's number (4 bytes), a nonce and the
ciphertext. Format 2 is content, under the key of a UTC day, which can be
destroyed; its number counts days from 1970 on. Format 1 is everything else,
and content from before there were keys by day, under a version of the
organisation's data key. Where a value belongs (organisation, column, row) is
bound to it, so a value copied to another row or tenant does not open.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.ids import OrganizationId
from storage.content_keys import ContentKeys
from storage.data_keys import DataKeys
from storage.pool import Pool
from storage.root_keys import RootKeys

_DATA = b"\x01"
_CONTENT = b"\x02"
_NONCE_BYTES = 12
_HEAD_BYTES = 1 + 4 + _NONCE_BYTES
_EPOCH = date(1970, 1, 1).toordinal()

_Number = tuple[bytes, int]
"""A key of an organisation as a sealed value names it: the format and the number."""


class SealedValueError(Exception):
    """A sealed value does not open: it was changed, moved, or its key is gone."""


class DestroyedError(SealedValueError):
    """The key of that day's content was destroyed, as it was meant to be."""


@dataclass(frozen=True, slots=True)
class SealingKey:
    """One unwrapped key of one organisation."""

    org: OrganizationId
    number: _Number
    cipher: AESGCM

    def seal(self, place: str, value: bytes) -> bytes:
        """`value` sealed for `place` (`"inferences.answer_content/<id>"`)."""
        kind, number = self.number
        nonce = os.urandom(_NONCE_BYTES)
        return b"".join(
            (kind, number.to_bytes(4, "big"), nonce, self.cipher.encrypt(nonce, value, _context(self.org, place)))
        )


class ContentCipher:
    """Seals and opens values of any organisation. One per process."""

    def __init__(self, pool: Pool, root_keys: RootKeys) -> None:
        self._data_keys = DataKeys(pool, root_keys)
        self._content_keys = ContentKeys(pool, root_keys)

    async def seal(self, org: OrganizationId, place: str, value: bytes) -> bytes:
        """`value` sealed for `place`, beyond the reach of every purge. Raises `UnavailableError` without a key."""
        versions = await self._data_keys.of(org)
        newest = max(versions)
        return SealingKey(org, (_DATA, newest), versions[newest]).seal(place, value)

    async def content_key(self, org: OrganizationId, day: date) -> SealingKey:
        """What seals the content of `day`, without asking anybody any more.

        Raises `UnavailableError` when it cannot be had, also because it was destroyed.
        """
        number = day.toordinal() - _EPOCH
        return SealingKey(org, (_CONTENT, number), await self._content_keys.to_seal(org, day))

    async def open(self, org: OrganizationId, place: str, sealed: bytes) -> bytes:
        """Raises `SealedValueError` for a value that is not what was sealed for this place.

        `DestroyedError` for content that was destroyed; `UnavailableError` when keys cannot be read or unwrapped.
        """
        (opened,) = await self.open_all(org, [(place, sealed)])
        if opened is None:
            raise DestroyedError
        return opened

    async def open_all(self, org: OrganizationId, values: Sequence[tuple[str, bytes]]) -> list[bytes | None]:
        """Values by their places, opened; None for those that were destroyed. Asks for all their keys at once.

        Raises as `open` does.
        """
        numbers = [_number(sealed) for _, sealed in values]
        keys = await self._keys(org, set(numbers))
        return [
            None if (key := keys[number]) is None else _opened(key, org, place, sealed)
            for number, (place, sealed) in zip(numbers, values, strict=True)
        ]

    async def _keys(self, org: OrganizationId, numbers: Collection[_Number]) -> Mapping[_Number, AESGCM | None]:
        keys: dict[_Number, AESGCM | None] = {}
        if versions := {number for kind, number in numbers if kind == _DATA}:
            known = await self._data_keys.of(org)
            if not versions <= known.keys():
                known = await self._data_keys.looked_up(org)
            keys |= {(_DATA, version): known[version] for version in versions & known.keys()}
        if days := {_day(number) for kind, number in numbers if kind == _CONTENT}:
            of_days = await self._content_keys.of(org, days)
            keys |= {(_CONTENT, day.toordinal() - _EPOCH): key for day, key in of_days.items()}
        if not keys.keys() >= set(numbers):
            raise SealedValueError
        return keys


def _number(sealed: bytes) -> _Number:
    if len(sealed) < _HEAD_BYTES:
        raise SealedValueError
    return sealed[:1], int.from_bytes(sealed[1:5], "big")


def _day(number: int) -> date:
    try:
        return date.fromordinal(_EPOCH + number)
    except (ValueError, OverflowError):
        raise SealedValueError from None


def _opened(key: AESGCM, org: OrganizationId, place: str, sealed: bytes) -> bytes:
    try:
        return key.decrypt(sealed[5:_HEAD_BYTES], sealed[_HEAD_BYTES:], _context(org, place))
    except InvalidTag:
        raise SealedValueError from None


def _context(org: OrganizationId, place: str) -> bytes:
    return orjson.dumps([org, place])

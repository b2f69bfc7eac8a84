"""Envelope encryption: a root key wraps an organisation's keys, and those seal its values (AES-256-GCM).

A sealed value is a format byte, a number (4 bytes), in formats 3 and 4 the id
of an end user (16 bytes), a nonce and the ciphertext. Where a value belongs
(organisation, column, row) is bound to it, so a value copied to another row or
tenant does not open.

1. Everything that no purge may reach, and content from before there were keys by day: under the version `number` of
   the organisation's data key.
2. Content, under the key of a UTC day, which can be destroyed; `number` counts days from 1970 on.
3. Content that an end user was named with: under a key derived from the day's and from the end user's own. It is gone
   when either of them is.
4. What else is of an end user, whatever the day: under a key derived from theirs alone; `number` is 0.
"""

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from ulid import ULID

from gateway.ids import EndUserId, OrganizationId
from storage.content_keys import ContentKeys
from storage.data_keys import DataKeys, Versions
from storage.end_users.keys import EndUserKeys
from storage.pool import Pool
from storage.root_keys import RootKeys
from storage.symmetric import SymmetricKey, sealed_with

_DATA = b"\x01"
_CONTENT = b"\x02"
_CONTENT_OF_END_USER = b"\x03"
_OF_END_USER = b"\x04"
_NONCE_BYTES = 12
_NUMBER_ENDS = 1 + 4
_END_USER_ENDS = _NUMBER_ENDS + 16
_MOST_IDS = 16_384
"""Whose calls come again and again: an id takes as long to read as a key to be derived."""
_EPOCH = date(1970, 1, 1).toordinal()


class SealedValueError(Exception):
    """A sealed value does not open: it was changed, moved, or its key is gone."""


class DestroyedError(SealedValueError):
    """The key that the value was sealed under was destroyed, as it was meant to be."""


@dataclass(frozen=True, slots=True)
class _KeyName:
    """A key of an organisation as a sealed value names it."""

    kind: bytes
    number: int
    end_user: EndUserId | None = None

    @property
    def is_of_day(self) -> bool:
        return self.kind in (_CONTENT, _CONTENT_OF_END_USER)

    @property
    def day(self) -> date:
        """Raises `SealedValueError` for a day that no calendar has."""
        try:
            return date.fromordinal(_EPOCH + self.number)
        except (ValueError, OverflowError):
            raise SealedValueError from None

    @property
    def head(self) -> bytes:
        of = _bytes_of(self.end_user) if self.end_user else b""
        return self.kind + self.number.to_bytes(4, "big") + of

    @classmethod
    def of(cls, sealed: bytes) -> "_KeyName":
        """Raises `SealedValueError` for what is too short to be sealed."""
        kind = sealed[:1]
        if kind not in (_DATA, _CONTENT, _CONTENT_OF_END_USER, _OF_END_USER):
            raise SealedValueError
        has_end_user = kind in (_CONTENT_OF_END_USER, _OF_END_USER)
        ends = _END_USER_ENDS if has_end_user else _NUMBER_ENDS
        if len(sealed) < ends + _NONCE_BYTES:
            raise SealedValueError
        end_user = str(ULID(sealed[_NUMBER_ENDS:_END_USER_ENDS])) if has_end_user else None
        number = int.from_bytes(sealed[1:_NUMBER_ENDS], "big")
        return cls(kind, number, EndUserId(end_user) if end_user else None)


@dataclass(frozen=True, slots=True)
class SealingKey:
    """One unwrapped key of one organisation."""

    org: OrganizationId
    head: bytes
    cipher: AESGCM

    def seal(self, place: str, value: bytes) -> bytes:
        """`value` sealed for `place` (`"inferences.answer_content/<id>"`)."""
        return sealed_with(self.cipher, value, _context(self.org, place), head=self.head)


class ContentCipher:
    """Seals and opens values of any organisation. One per process."""

    def __init__(self, pool: Pool, root_keys: RootKeys) -> None:
        self._data_keys = DataKeys(pool, root_keys)
        self._content_keys = ContentKeys(pool, root_keys)
        self._end_user_keys = EndUserKeys(pool, open_sealed=self.open)

    async def seal(self, org: OrganizationId, place: str, value: bytes) -> bytes:
        """`value` sealed for `place`, beyond the reach of every purge. Raises `UnavailableError` without a key."""
        versions = await self._data_keys.of(org)
        newest = max(versions)
        return SealingKey(org, _KeyName(_DATA, newest).head, versions[newest]).seal(place, value)

    async def content_key(
        self, org: OrganizationId, day: date, of: tuple[EndUserId, SymmetricKey] | None = None
    ) -> SealingKey:
        """What seals the content of `day`, without asking anybody any more; `of` an end user, whose key is known.

        Raises `UnavailableError` when it cannot be had, also because it was destroyed.
        """
        number = day.toordinal() - _EPOCH
        key = await self._content_keys.to_seal(org, day)
        if of is None:
            return SealingKey(org, _KeyName(_CONTENT, number).head, key.cipher)
        end_user, secret = of
        return SealingKey(
            org, _KeyName(_CONTENT_OF_END_USER, number, end_user).head, _derived(secret, org, end_user, day=key)
        )

    def end_user_key(self, org: OrganizationId, end_user: EndUserId, secret: SymmetricKey) -> SealingKey:
        """What seals what is of an end user, whatever the day."""
        return SealingKey(org, _KeyName(_OF_END_USER, 0, end_user).head, _derived(secret, org, end_user))

    async def key_of_end_user(self, org: OrganizationId, end_user: EndUserId) -> SealingKey | None:
        """The same of one that is known by id alone; None: its key was destroyed, or there never was one."""
        secret = (await self._end_user_keys.of(org, [end_user])).get(end_user)
        return None if secret is None else self.end_user_key(org, end_user, secret)

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
        names = [_KeyName.of(sealed) for _, sealed in values]
        keys = await self._keys(org, set(names))
        return [
            None if (key := keys[name]) is None else _opened(key, name, org, place, sealed)
            for name, (place, sealed) in zip(names, values, strict=True)
        ]

    async def _keys(self, org: OrganizationId, names: Collection[_KeyName]) -> Mapping[_KeyName, AESGCM | None]:
        versions = await self._versions(org, {name.number for name in names if name.kind == _DATA})
        days = await self._content_keys.of(org, {name.day for name in names if name.is_of_day})
        end_users = await self._end_user_keys.of(org, {name.end_user for name in names if name.end_user is not None})
        try:
            return {
                name: versions[name.number] if name.kind == _DATA else _key(name, org, days, end_users)
                for name in names
            }
        except KeyError:
            raise SealedValueError from None

    async def _versions(self, org: OrganizationId, wanted: Set[int]) -> Versions:
        if not wanted:
            return {}
        known = await self._data_keys.of(org)
        return known if known.keys() >= wanted else await self._data_keys.looked_up(org)


def _key(
    name: _KeyName,
    org: str,
    days: Mapping[date, SymmetricKey | None],
    end_users: Mapping[EndUserId, SymmetricKey | None],
) -> AESGCM | None:
    """None: it was destroyed. Raises `KeyError` when there never was one."""
    day = days[name.day] if name.is_of_day else None
    if name.end_user is None:
        return day and day.cipher
    own = end_users[name.end_user]
    if own is None or (name.is_of_day and day is None):
        return None
    return _derived(own, org, name.end_user, day=day)


@lru_cache(maxsize=_MOST_IDS)
def _bytes_of(end_user: str) -> bytes:
    return ULID.from_str(end_user).bytes


def _derived(own: SymmetricKey, org: str, end_user: str, *, day: SymmetricKey | None = None) -> AESGCM:
    kind = "end_user" if day is None else "content_of_end_user"
    return own.derive(orjson.dumps([kind, org, end_user]), with_key=day)


def _opened(key: AESGCM, name: _KeyName, org: OrganizationId, place: str, sealed: bytes) -> bytes:
    starts = _NUMBER_ENDS if name.end_user is None else _END_USER_ENDS
    ends = starts + _NONCE_BYTES
    try:
        return key.decrypt(sealed[starts:ends], sealed[ends:], _context(org, place))
    except InvalidTag:
        raise SealedValueError from None


def _context(org: OrganizationId, place: str) -> bytes:
    return orjson.dumps([org, place])

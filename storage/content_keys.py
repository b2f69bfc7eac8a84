"""The keys that content is sealed under, one for each UTC day of an organisation: a day's content dies with its key.

A day's key is made by the first call of that day and committed before anything
is sealed under it. Destroyed, its row stays without it: a process that slept
finds that row, and cannot make the key anew.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime

import orjson

from gateway.errors import UnavailableError
from gateway.ids import OrganizationId
from storage.pool import Connection, Pool, fetch
from storage.root_keys import RootKeys, UnwrapError
from storage.symmetric import SymmetricKey
from storage.unwrapped import Unwrapped

_MOST_DAYS = 8192
"""Of all organisations. More than a history of seven years has."""
_UNWRAPPED_AT_ONCE = 32

_READ = """
select day, wrapped from content_keys where org_id = %(org)s and day = any(%(days)s)
"""

_MAKE = """
insert into content_keys (org_id, day, wrapped, root_key, created_at)
values (%(org)s, %(day)s, %(wrapped)s, %(root_key)s, now()) on conflict do nothing
"""

_DESTROY = """
update content_keys set wrapped = null, root_key = null, destroyed_at = %(at)s
where org_id = %(org)s and day = any(%(days)s) and destroyed_at is null
"""

_Day = tuple[OrganizationId, date]


class ContentKeys:
    """One per process."""

    def __init__(self, pool: Pool, root_keys: RootKeys) -> None:
        self._pool = pool
        self._root_keys = root_keys
        self._unwrapped = Unwrapped[_Day, SymmetricKey | None](self._load, most=_MOST_DAYS)
        self._making: dict[_Day, asyncio.Task[None]] = {}

    async def of(self, org: OrganizationId, days: Collection[date]) -> Mapping[date, SymmetricKey | None]:
        """Of `days`, which are distinct, those that have a key; None: it was destroyed.

        Raises `UnavailableError` when they cannot be read or unwrapped.
        """
        found = await self._unwrapped.get([(org, day) for day in days])
        return {day: key for (_, day), key in found.items()}

    async def to_seal(self, org: OrganizationId, day: date) -> SymmetricKey:
        """The day's key, made if there is none yet, and durable. What was read back seals, never what was only sent.

        Raises `UnavailableError` when it cannot be had, also because it was destroyed.
        """
        found = await self.of(org, [day])
        if day not in found:
            await self._made(org, day)
            found = await self.of(org, [day])
        if day not in found:
            # We joined another's look, which had begun before the key was there. The next one begins after.
            found = await self.of(org, [day])
        key = found.get(day)
        if key is None:
            raise UnavailableError("There is no key to keep the content of this day under.")
        return key

    async def _made(self, org: OrganizationId, day: date) -> None:
        """Calls that come at once wait for one key."""
        making = self._making.get((org, day))
        if making is None:
            making = self._making[org, day] = asyncio.create_task(self._make(org, day))
            making.add_done_callback(lambda _: self._making.pop((org, day)))
        await asyncio.shield(making)

    async def _make(self, org: OrganizationId, day: date) -> None:
        try:
            wrapped = await self._root_keys.wrap(SymmetricKey.fresh().secret, context=content_key_context(org, day))
        except UnwrapError:
            raise UnavailableError from None
        row = {"org": org, "day": day, "wrapped": wrapped, "root_key": self._root_keys.name}
        await fetch(self._pool, _MAKE, row)

    async def _load(self, names: Sequence[_Day]) -> Mapping[_Day, SymmetricKey | None]:
        # They are asked for by organisation.
        org = names[0][0]
        rows = await fetch(self._pool, _READ, {"org": org, "days": [day for _, day in names]})
        loaded: dict[_Day, SymmetricKey | None] = {(org, day): None for day, wrapped in rows if wrapped is None}
        usable = [(day, bytes(wrapped)) for day, wrapped in rows if wrapped is not None]
        for first in range(0, len(usable), _UNWRAPPED_AT_ONCE):
            some = usable[first : first + _UNWRAPPED_AT_ONCE]
            keys = await asyncio.gather(*(self._unwrap(org, day, wrapped) for day, wrapped in some))
            loaded |= {(org, day): key for (day, _), key in zip(some, keys, strict=True)}
        return loaded

    async def _unwrap(self, org: OrganizationId, day: date, wrapped: bytes) -> SymmetricKey:
        try:
            return SymmetricKey.of(await self._root_keys.unwrap(wrapped, context=content_key_context(org, day)))
        except UnwrapError:
            raise UnavailableError from None


async def destroy(connection: Connection, org: OrganizationId, days: Collection[date], *, at: datetime) -> int:
    """Destroy the keys of `days` in the connection's transaction; returns how many there were. Safe to run twice.

    Processes that have unwrapped them go on opening content for a minute at most.
    """
    cursor = await connection.execute(_DESTROY, {"org": org, "days": [*days], "at": at})
    return cursor.rowcount


def content_key_context(org: str, day: date) -> bytes:
    return orjson.dumps(["content_key", org, day])

"""Days whose keys tests make and destroy, and the service that wraps them."""

from collections.abc import Collection
from datetime import UTC, date, datetime

from gateway.ids import OrganizationId
from storage import Storage
from storage.content_keys import destroy
from storage.pool import durable
from storage.root_keys import RootKeys, UnwrapError

DAY = date(2026, 3, 1)


class KeyService:
    """Root keys that count what they are asked for, and may be away."""

    def __init__(self, root_keys: RootKeys) -> None:
        self._root_keys = root_keys
        self.unwrapped = 0
        self.away = False

    @property
    def name(self) -> str:
        return self._root_keys.name

    async def wrap(self, data_key: bytes, *, context: bytes) -> bytes:
        return await self._root_keys.wrap(data_key, context=context)

    async def unwrap(self, wrapped: bytes, *, context: bytes) -> bytes:
        if self.away:
            raise UnwrapError("away")
        self.unwrapped += 1
        return await self._root_keys.unwrap(wrapped, context=context)

    async def close(self) -> None:
        await self._root_keys.close()


async def destroyed(storage: Storage, org: OrganizationId, days: Collection[date]) -> int:
    async with durable(storage.pool) as connection:
        return await destroy(connection, org, days, at=datetime.now(UTC))

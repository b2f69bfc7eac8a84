"""An organisation's own data keys: what they seal stays readable whatever is purged of its content."""

from collections.abc import Mapping, Sequence

import orjson
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.errors import UnavailableError
from gateway.ids import OrganizationId
from storage.pool import Pool, fetch
from storage.root_keys import RootKeys, UnwrapError
from storage.unwrapped import Unwrapped

_MOST_ORGANIZATIONS = 4096

Versions = Mapping[int, AESGCM]


class DataKeys:
    """Every version that an organisation's data key has had; the highest seals."""

    def __init__(self, pool: Pool, root_keys: RootKeys) -> None:
        self._pool = pool
        self._root_keys = root_keys
        self._unwrapped = Unwrapped[OrganizationId, Versions](self._load, most=_MOST_ORGANIZATIONS)

    async def of(self, org: OrganizationId) -> Versions:
        """Raises `UnavailableError` for an organisation that has none, and when they cannot be unwrapped."""
        found = await self._unwrapped.get([org])
        if org not in found:
            raise UnavailableError("The organization has no data key.")
        return found[org]

    async def looked_up(self, org: OrganizationId) -> Versions:
        """As `of`, with a version that another process has added since we looked."""
        self._unwrapped.forget(org)
        return await self.of(org)

    async def _load(self, organizations: Sequence[OrganizationId]) -> Mapping[OrganizationId, Versions]:
        rows = await fetch(
            self._pool, "select org_id, version, wrapped from data_keys where org_id = any(%s)", [[*organizations]]
        )
        loaded: dict[OrganizationId, dict[int, AESGCM]] = {}
        try:
            for org, version, wrapped in rows:
                key = await self._root_keys.unwrap(bytes(wrapped), context=data_key_context(org, version))
                loaded.setdefault(OrganizationId(org), {})[version] = AESGCM(key)
        except UnwrapError:
            raise UnavailableError from None
        return loaded


async def new_data_key(root_keys: RootKeys, org: OrganizationId, version: int) -> bytes:
    """A fresh data key, wrapped. Raises `UnavailableError` when the root key's holder does not answer."""
    try:
        return await root_keys.wrap(AESGCM.generate_key(256), context=data_key_context(org, version))
    except UnwrapError:
        raise UnavailableError from None


def data_key_context(org: str, version: int) -> bytes:
    return orjson.dumps(["data_key", org, version])

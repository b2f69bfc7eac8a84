"""The keys of end users: what is sealed of one dies with theirs (decision 0020).

Each is sealed under the organisation's data key, so that a rotation of the root
key wraps no more than before. Destroyed, its row stays without it.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

from gateway.ids import EndUserId, OrganizationId
from storage.pool import Pool, fetch
from storage.symmetric import SymmetricKey
from storage.unwrapped import Unwrapped

_MOST = 16_384
"""In memory, of all organisations."""

_READ = "select end_user_id, sealed from end_user_keys where org_id = %(org)s and end_user_id = any(%(ids)s)"

OpenSealed = Callable[[OrganizationId, str, bytes], Awaitable[bytes]]

_Name = tuple[OrganizationId, EndUserId]


class EndUserKeys:
    """One per process. `open_sealed` opens what is sealed under an organisation's data key."""

    def __init__(self, pool: Pool, *, open_sealed: OpenSealed) -> None:
        self._pool = pool
        self._open_sealed = open_sealed
        self._unwrapped = Unwrapped[_Name, SymmetricKey | None](self._load, most=_MOST)

    async def of(
        self, org: OrganizationId, end_users: Collection[EndUserId]
    ) -> Mapping[EndUserId, SymmetricKey | None]:
        """Of `end_users`, those that have a key; None: it was destroyed. Raises `UnavailableError`."""
        found = await self._unwrapped.get([(org, end_user) for end_user in end_users])
        return {end_user: key for (_, end_user), key in found.items()}

    async def _load(self, names: Sequence[_Name]) -> Mapping[_Name, SymmetricKey | None]:
        # They are asked for by organisation.
        org = names[0][0]
        rows = await fetch(self._pool, _READ, {"org": org, "ids": [end_user for _, end_user in names]})
        return {
            (org, end_user): None
            if sealed is None
            else SymmetricKey.of(await self._open_sealed(org, key_place(end_user), bytes(sealed)))
            for end_user, sealed in rows
        }


def key_place(end_user: str) -> str:
    return f"end_user_keys.sealed/{end_user}"

"""By which name an end user is known where theirs must not stand: a keyed digest, of their organisation alone.

It is also how audit entries name them (`subject_id_hmac`). An organisation's key is made once and never changed:
another one would make everybody unknown.
"""

import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence

from gateway.errors import UnavailableError
from gateway.ids import OrganizationId
from storage.end_users.keys import OpenSealed
from storage.pool import Pool, fetch
from storage.symmetric import SymmetricKey
from storage.unwrapped import Unwrapped

_MOST = 4096

_READ = "select org_id, sealed from end_user_digest_keys where org_id = any(%s)"

_MAKE = """
insert into end_user_digest_keys (org_id, sealed, created_at) values (%s, %s, now()) on conflict do nothing
"""

Seal = Callable[[OrganizationId, str, bytes], Awaitable[bytes]]


class Digests:
    """One per process. `seal` and `open_sealed` are of an organisation's data key."""

    def __init__(self, pool: Pool, *, seal: Seal, open_sealed: OpenSealed) -> None:
        self._pool = pool
        self._seal = seal
        self._open_sealed = open_sealed
        self._unwrapped = Unwrapped[OrganizationId, bytes](self._load, most=_MOST)

    async def find(self, org: OrganizationId, original: str) -> str | None:
        """Of `original`, in hexadecimal; None: the organisation has named nobody yet. Raises `UnavailableError`."""
        key = (await self._unwrapped.get([org])).get(org)
        return None if key is None else digest_under(key, original)

    async def of(self, org: OrganizationId, original: str) -> str:
        """The same; the organisation's key is made if there is none. What was read back counts, never what was sent."""
        if (found := await self.find(org, original)) is not None:
            return found
        fresh = SymmetricKey.fresh().secret
        await fetch(self._pool, _MAKE, [org, await self._seal(org, digest_key_place(org), fresh)])
        # The first look may be another's, which had begun before the key was there.
        found = await self.find(org, original) or await self.find(org, original)
        if found is None:
            raise UnavailableError
        return found

    async def _load(self, organizations: Sequence[OrganizationId]) -> Mapping[OrganizationId, bytes]:
        rows = await fetch(self._pool, _READ, [[*organizations]])
        return {
            OrganizationId(org): await self._open_sealed(OrganizationId(org), digest_key_place(org), bytes(sealed))
            for org, sealed in rows
        }


def digest_under(key: bytes, original: str) -> str:
    """In hexadecimal; `key` is an organisation's, opened."""
    # Surrogates cannot come from JSON that was read; a digest of one must not fail all the same.
    return hmac.digest(key, original.encode("utf-8", "surrogatepass"), "sha256").hex()


def digest_key_place(org: str) -> str:
    return f"end_user_digest_keys.sealed/{org}"

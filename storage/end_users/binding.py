"""Whom a call names (`metadata.user_id`), found by a digest of it, or kept from now on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.errors import UnavailableError
from gateway.ids import EndUserId, OrganizationId, new_ulid
from storage.encryption import ContentCipher, SealedValueError
from storage.end_users.digests import Digests
from storage.end_users.keys import key_place
from storage.pool import Pool, fetch
from storage.symmetric import SymmetricKey
from storage.unwrapped import Unwrapped

_MOST = 16_384

_READ = """
select u.digest, u.id, k.sealed from end_users u join end_user_keys k on k.end_user_id = u.id
where u.org_id = %(org)s and u.digest = any(%(digests)s) and u.state = 'active' and k.sealed is not null
"""

_MAKE = """
with made as (
  -- Whoever is named as somebody who is held is held, also while that one is being erased.
  insert into end_users (id, org_id, digest, original, created_at, held_at, hold_reason, held_by)
  select %(id)s, %(org)s, %(digest)s, %(original)s, now(), h.held_at, h.hold_reason, h.held_by
  from (values (1)) as one left join (
    select held_at, hold_reason, held_by from end_users
    where org_id = %(org)s and digest = %(digest)s and held_at is not null and erased_at is null limit 1) h on true
  on conflict (org_id, digest) where state = 'active' do nothing returning id)
insert into end_user_keys (end_user_id, org_id, sealed, created_at)
select id, %(org)s, %(sealed)s, now() from made
"""


@dataclass(frozen=True, slots=True)
class EndUser:
    """A person as one organisation names them. `digest` is `subject_id_hmac` in the audit log."""

    id: EndUserId
    digest: str
    key: SymmetricKey = field(repr=False)


class EndUsers:
    """One per process. Whom it has found it knows for a minute: an erasure waits that long before it destroys."""

    def __init__(self, pool: Pool, cipher: ContentCipher) -> None:
        self._pool = pool
        self._cipher = cipher
        self.digests = Digests(pool, seal=cipher.seal, open_sealed=cipher.open)
        self._known = Unwrapped[tuple[OrganizationId, str], EndUser](self._load, most=_MOST)

    async def of(self, org: OrganizationId, original: str) -> EndUser:
        """Whom `original` names, with their key, which is durable. Raises `UnavailableError`."""
        digest = await self.digests.of(org, original)
        if (found := await self._find(org, digest)) is not None:
            return found
        await self._make(org, digest, original)
        # The first look may be another's, which had begun before.
        found = await self._find(org, digest) or await self._find(org, digest)
        if found is None:
            raise UnavailableError
        return found

    async def _find(self, org: OrganizationId, digest: str) -> EndUser | None:
        return (await self._known.get([(org, digest)])).get((org, digest))

    async def _make(self, org: OrganizationId, digest: str, original: str) -> None:
        end_user, key = EndUserId(new_ulid()), SymmetricKey.fresh()
        named = original.encode("utf-8", "surrogatepass")
        row = {
            "id": end_user,
            "org": org,
            "digest": digest,
            "original": self._cipher.end_user_key(org, end_user, key).seal(original_place(end_user), named),
            "sealed": await self._cipher.seal(org, key_place(end_user), key.secret),
        }
        await fetch(self._pool, _MAKE, row)

    async def _load(self, names: Sequence[tuple[OrganizationId, str]]) -> Mapping[tuple[OrganizationId, str], EndUser]:
        # They are asked for by organisation.
        org = names[0][0]
        rows = await fetch(self._pool, _READ, {"org": org, "digests": [digest for _, digest in names]})
        try:
            return {
                (org, digest): EndUser(
                    EndUserId(end_user),
                    digest,
                    SymmetricKey.of(await self._cipher.open(org, key_place(end_user), bytes(sealed))),
                )
                for digest, end_user, sealed in rows
            }
        except SealedValueError:
            raise UnavailableError from None


def original_place(end_user: str) -> str:
    return f"end_users.original/{end_user}"

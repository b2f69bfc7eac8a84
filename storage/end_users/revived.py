"""People whom an older copy of the database brought back after they had been erased."""

from collections.abc import Collection
from datetime import date

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.ids import ErasureId, OrganizationId
from storage.end_users.tombstones import Tombstone

_LOCK = text("select 1 from end_users where org_id = :org and id = :end_user for update")
_KNOWN = text(
    """
    select 1 from end_users u left join end_user_keys k on k.end_user_id = u.id
    where u.org_id = :org and u.id = :end_user and (u.state <> 'erased' or k.sealed is not null)
    """
)

# Of what that copy knew of an erasure, a request that was under way stays the one.
_TAKE_UP = text(
    """
    with under_way as (
      update end_user_erasures set state = 'shredded', reasons = '{}', shredded_at = :erased_at,
        restricted_at = coalesce(restricted_at, :erased_at), keys_gone_on = :keys_gone_on,
        counts = counts || jsonb_build_object('profile', 1, 'exports', cast(:exports as bigint))
      where org_id = :org and end_user_id = :end_user and state not in ('done', 'held') returning id),
    taken_up as (
      insert into end_user_erasures (id, org_id, end_user_id, digest, state, counts, requested_at, restricted_at,
        shredded_at, keys_gone_on)
      select :erasure, :org, :end_user, :digest, 'shredded',
        jsonb_build_object('profile', 1, 'exports', cast(:exports as bigint)),
        :erased_at, :erased_at, :erased_at, :keys_gone_on
      where not exists (select from under_way)
      on conflict (id) do update set state = 'shredded', reasons = '{}', shredded_at = excluded.shredded_at,
        keys_gone_on = excluded.keys_gone_on, counts = excluded.counts, scan = null, certificate = null,
        certificate_pdf = null, finished_at = null
      where end_user_erasures.org_id = excluded.org_id and end_user_erasures.end_user_id = excluded.end_user_id
      returning id)
    select id from under_way union all select id from taken_up
    """
)


class RevivedStore:
    def __init__(self, session: AsyncSession, org: OrganizationId) -> None:
        self._session = session
        self._org = org

    async def is_known(self, stone: Tombstone) -> bool:
        """Whether the database has a name or a key of theirs. Others who would erase them wait."""
        named = {"org": self._org, "end_user": stone.end_user}
        # The look comes after the wait: in one statement it would be at the key as it was before.
        await self._session.execute(_LOCK, named)
        return (await self._session.execute(_KNOWN, named)).first() is not None

    async def take_up(self, stone: Tombstone, *, exports: Collection[str], keys_gone_on: date) -> ErasureId:
        """The erasure as it stands once the key is destroyed, for its workflow to go on from there.

        `exports` are those that went along. Safe to run twice.
        """
        named = {
            "org": self._org,
            "end_user": stone.end_user,
            "digest": stone.digest,
            "erasure": stone.erasure,
            "erased_at": stone.erased_at,
            "exports": len(exports),
            "keys_gone_on": keys_gone_on,
        }
        return ErasureId((await self._session.execute(_TAKE_UP, named)).scalar_one())

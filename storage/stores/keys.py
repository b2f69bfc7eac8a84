"""API keys of one organisation."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.clock import Clock
from gateway.errors import NotFoundError
from gateway.ids import ApiKeyId, OrganizationId, new_ulid
from gateway.keys import api_key
from gateway.keys.api_key import ApiKey, KeyChanges
from gateway.keys.networks import Network, stored_networks
from gateway.paging import Page, cursor_after, read_cursor
from gateway.tenancy import KeyMode, Scope
from storage.keyring import Ring
from storage.tables import ApiKeyRow


class KeyReader:
    def __init__(self, session: AsyncSession, org: OrganizationId) -> None:
        self._session = session
        self._org = org

    async def page(self, *, cursor: str | None, limit: int) -> Page[ApiKey]:
        """Keys that are not revoked, newest first. Raises `ValidationFailedError` for a foreign cursor."""
        query = (
            select(ApiKeyRow)
            .where(ApiKeyRow.org_id == self._org, ApiKeyRow.revoked_at.is_(None))
            .order_by(ApiKeyRow.id.desc())
            .limit(limit + 1)
        )
        after = read_cursor(cursor)
        if after is not None:
            query = query.where(ApiKeyRow.id < after)
        rows = list(await self._session.scalars(query))
        more = len(rows) > limit
        return Page(
            items=tuple(_key(row) for row in rows[:limit]),
            next_cursor=cursor_after(rows[limit - 1].id) if more else None,
        )


class KeyStore(KeyReader):
    def __init__(self, session: AsyncSession, org: OrganizationId, peppers: Ring, clock: Clock) -> None:
        super().__init__(session, org)
        self._peppers = peppers
        self._clock = clock

    async def add(
        self,
        *,
        name: str,
        scopes: Collection[Scope],
        mode: KeyMode,
        expires_at: datetime | None = None,
        networks: Collection[Network] = (),
    ) -> tuple[ApiKey, str]:
        """A new key and its plaintext, which nothing keeps."""
        token = api_key.mint(mode)
        row = ApiKeyRow(
            id=new_ulid(),
            org_id=self._org,
            name=name,
            mode=mode,
            prefix=api_key.prefix(mode),
            last_four=token[-4:],
            digest=api_key.digest(token, self._peppers.keys[self._peppers.newest]),
            pepper=self._peppers.newest,
            scopes=sorted(set(scopes)),
            created_at=self._clock.now(),
            expires_at=expires_at,
            networks=[*map(str, networks)],
            last_used_at=None,
            revoked_at=None,
        )
        self._session.add(row)
        await self._session.flush()
        return _key(row), token

    async def revoke(self, key_id: ApiKeyId) -> ApiKey:
        """Revoke a key; every API process hears of it when this commits.

        Raises `NotFoundError` for a key that is unknown, another organisation's, or revoked already.
        """
        row = await self._locked(key_id)
        row.revoked_at = self._clock.now()
        await self._session.flush()
        return _key(row)

    async def lock(self, key_id: ApiKeyId) -> ApiKey:
        """A key that nobody else changes until this transaction ends. Raises as `revoke` does."""
        return _key(await self._locked(key_id))

    async def change(self, key_id: ApiKeyId, changes: KeyChanges) -> ApiKey:
        """The key with `changes`; every API process hears of them when this commits. Raises as `revoke` does."""
        row = await self._locked(key_id)
        if "name" in changes:
            row.name = changes["name"]
        if "expires_at" in changes:
            row.expires_at = changes["expires_at"]
        if "networks" in changes:
            row.networks = [*map(str, changes["networks"])]
        await self._session.flush()
        return _key(row)

    async def _locked(self, key_id: ApiKeyId) -> ApiKeyRow:
        row = await self._session.scalar(
            select(ApiKeyRow)
            .where(ApiKeyRow.id == key_id, ApiKeyRow.org_id == self._org, ApiKeyRow.revoked_at.is_(None))
            .with_for_update()
        )
        if row is None:
            raise NotFoundError("The API key does not exist.", param="key_id")
        return row


def _key(row: ApiKeyRow) -> ApiKey:
    return ApiKey(
        id=ApiKeyId(row.id),
        name=row.name,
        prefix=row.prefix,
        last_four=row.last_four,
        scopes=tuple(map(Scope, row.scopes)),
        mode=KeyMode(row.mode),
        created_at=row.created_at,
        expires_at=row.expires_at,
        networks=stored_networks(row.networks),
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )

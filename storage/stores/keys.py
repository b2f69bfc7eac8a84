"""API keys of one organisation."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from sqlalchemy import Select, delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.clock import Clock
from gateway.errors import AlreadyRotatedError, NotFoundError, ValidationFailedError
from gateway.ids import ApiKeyId, OrganizationId, new_ulid
from gateway.keys import api_key
from gateway.keys.api_key import ApiKey, KeyChanges
from gateway.keys.networks import Network, stored_networks
from gateway.keys.notices import notices_of
from gateway.paging import Page, cursor_after, read_cursor
from gateway.tenancy import AutoMode, KeyMode, Scope
from storage.accounts import key_holder
from storage.auto_modes import auto_mode_of, choose_auto_mode, find_auto_mode, read_auto_mode
from storage.keyring import Ring
from storage.spending import cap_accounts, used_by
from storage.tables import ApiKeyRow, KeyNoticeRow


class KeyReader:
    def __init__(self, session: AsyncSession, org: OrganizationId) -> None:
        self._session = session
        self._org = org

    async def page(self, *, cursor: str | None, limit: int, now: datetime) -> Page[ApiKey]:
        """Keys that are not revoked, newest first. Raises `ValidationFailedError` for a foreign cursor."""
        query = self._keys(now).where(ApiKeyRow.revoked_at.is_(None)).order_by(ApiKeyRow.id.desc()).limit(limit + 1)
        after = read_cursor(cursor)
        if after is not None:
            query = query.where(ApiKeyRow.id < after)
        rows = (await self._session.execute(query)).all()
        more = len(rows) > limit
        return Page(
            items=tuple(_key(row, _Shared.read(used, mode)) for row, used, mode in rows[:limit]),
            next_cursor=cursor_after(rows[limit - 1][0].id) if more else None,
        )

    async def get(self, key_id: ApiKeyId, *, now: datetime) -> ApiKey:
        """Raises `NotFoundError` for a key that is unknown, another organisation's, or revoked."""
        found = (await self._session.execute(self._keys(now).where(ApiKeyRow.id == key_id))).first()
        if found is None or found[0].revoked_at is not None:
            raise NotFoundError("The API key does not exist.", param="key_id")
        row, used, mode = found
        return _key(row, _Shared.read(used, mode))

    def _keys(self, now: datetime) -> Select[ApiKeyRow, int, str]:
        """Each key with what its line used in the period that runs, the latest that has begun, and its `auto` mode."""
        used = used_by(literal(key_holder(ApiKeyId(""))) + ApiKeyRow.family, self._org, now)
        return select(ApiKeyRow, func.coalesce(used, 0), auto_mode_of(self._org)).where(ApiKeyRow.org_id == self._org)


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
        credit_cap: int | None = None,
        owner: str | None = None,
        replaces: ApiKey | None = None,
        grace_s: int | None = None,
    ) -> tuple[ApiKey, str]:
        """A new key and its plaintext, which nothing keeps."""
        token, key_id = api_key.mint(mode), ApiKeyId(new_ulid())
        row = ApiKeyRow(
            id=key_id,
            org_id=self._org,
            name=name,
            owner=owner,
            mode=mode,
            prefix=api_key.prefix(mode),
            last_four=token[-4:],
            digest=api_key.digest(token, self._peppers.keys[self._peppers.newest]),
            pepper=self._peppers.newest,
            scopes=sorted(set(scopes)),
            created_at=self._clock.now(),
            expires_at=expires_at,
            networks=[*map(str, networks)],
            replaces=replaces.id if replaces else None,
            grace_s=grace_s,
            retires_at=None,
            family=replaces.family if replaces else key_id,
            credit_cap=credit_cap,
            last_used_at=None,
            revoked_at=None,
            model_shorthands={**replaces.model_shorthands} if replaces else {},
            model_shorthands_enabled=replaces is not None and replaces.model_shorthands_enabled,
        )
        self._session.add(row)
        await self._session.flush()
        await self._expect_notices(row)
        return _key(
            row, _Shared(replaces.credits_used if replaces else 0, await find_auto_mode(self._session, row))
        ), token

    async def revoke(self, key_id: ApiKeyId) -> ApiKey:
        """Revoke a key; every API process hears of it when this commits.

        Raises `NotFoundError` for a key that is unknown, another organisation's, or revoked already.
        """
        row, shared = await self._locked(key_id)
        row.revoked_at = self._clock.now()
        await self._session.flush()
        await self._forget_notices(row)
        return _key(row, shared)

    async def lock(self, key_id: ApiKeyId) -> ApiKey:
        """A key that nobody else changes until this transaction ends. Raises as `revoke` does."""
        return _key(*await self._locked(key_id))

    async def change(self, key_id: ApiKeyId, changes: KeyChanges) -> ApiKey:
        """The key with `changes`; every API process hears of them when this commits.

        A cap is its whole line's, and holds in the period that runs from then on; a mode is of all keys of the owner
        that it has by then. Raises as `revoke` does.
        """
        row, shared = await self._locked(key_id)
        ended_at = _key(row, shared).ends_at
        if "name" in changes:
            row.name = changes["name"]
        if "expires_at" in changes:
            row.expires_at = changes["expires_at"]
        if "networks" in changes:
            row.networks = [*map(str, changes["networks"])]
        if "owner" in changes:
            row.owner = changes["owner"]
        if "model_shorthands" in changes:
            row.model_shorthands = {**changes["model_shorthands"]}
        if "model_shorthands_enabled" in changes:
            row.model_shorthands_enabled = changes["model_shorthands_enabled"]
        await self._session.flush()
        if "credit_cap" in changes:
            await self._cap_line(row, changes["credit_cap"])
        if "auto_mode" in changes:
            await choose_auto_mode(self._session, row, changes["auto_mode"])
        shared = _Shared(shared.used, await find_auto_mode(self._session, row))
        if _key(row, shared).ends_at != ended_at:
            await self._expect_notices(row)
        return _key(row, shared)

    async def rotate(self, key_id: ApiKeyId, *, grace_s: int) -> tuple[ApiKey, str]:
        """A successor that is like the key, and its plaintext. The key itself changes at the successor's first use.

        Raises as `revoke` does, and:
            AlreadyRotatedError: it has a successor, or is one that nobody has used yet.
            ValidationFailedError: it has expired, as its successor would have.
        """
        row, shared = await self._locked(key_id)
        now = self._clock.now()
        if row.retires_at is not None and row.retires_at <= now:
            raise NotFoundError("The API key does not exist.", param="key_id")
        if row.expires_at is not None and row.expires_at <= now:
            raise ValidationFailedError("The API key has expired. Change `expires_at` first.", param="expires_at")
        if await self._successor(row.id) is not None:
            raise AlreadyRotatedError
        if row.replaces is not None and await self._awaited(row.replaces) is not None:
            raise AlreadyRotatedError("The API key replaces another one and has not been used yet.")
        old = _key(row, shared)
        return await self.add(
            name=old.name,
            scopes=old.scopes,
            mode=old.mode,
            expires_at=old.expires_at,
            networks=old.networks,
            credit_cap=old.credit_cap,
            owner=old.owner,
            replaces=old,
            grace_s=grace_s,
        )

    async def retire_replaced(self, successor: ApiKeyId) -> ApiKey:
        """Start the grace of the key that `successor` replaces.

        Raises `NotFoundError` when there is none, it is revoked, or its grace runs: what was set is never moved.
        """
        row = await self._session.get(ApiKeyRow, successor)
        if row is None or row.replaces is None or row.grace_s is None or row.org_id != self._org:
            raise NotFoundError("The API key does not exist.")
        replaced, shared = await self._locked(ApiKeyId(row.replaces))
        if replaced.retires_at is not None:
            raise NotFoundError("The API key does not exist.")
        ended_at = _key(replaced, shared).ends_at
        replaced.retires_at = self._clock.now() + timedelta(seconds=row.grace_s)
        await self._session.flush()
        if _key(replaced, shared).ends_at != ended_at:
            await self._expect_notices(replaced)
        return _key(replaced, shared)

    async def _successor(self, key_id: str) -> str | None:
        return await self._session.scalar(
            select(ApiKeyRow.id).where(ApiKeyRow.replaces == key_id, ApiKeyRow.revoked_at.is_(None))
        )

    async def _awaited(self, key_id: str) -> str | None:
        """The key, if it still waits for its successor's first use."""
        return await self._session.scalar(
            select(ApiKeyRow.id).where(
                ApiKeyRow.id == key_id, ApiKeyRow.retires_at.is_(None), ApiKeyRow.revoked_at.is_(None)
            )
        )

    async def _cap_line(self, row: ApiKeyRow, cap: int | None) -> None:
        line = (ApiKeyRow.org_id == self._org, ApiKeyRow.family == row.family)
        await self._session.execute(update(ApiKeyRow).where(*line).values(credit_cap=cap))
        holder = key_holder(ApiKeyId(row.family))
        await cap_accounts(self._session, self._org, holder, cap, now=self._clock.now())

    async def _expect_notices(self, row: ApiKeyRow) -> None:
        """In place of what was to be told of another end; what was told of this one before is not told again."""
        await self._forget_notices(row)
        key = _key(row, _Shared(0, AutoMode.PERFORMANCE))
        wanted = [
            {"key_id": key.id, "ends_at": key.ends_at, "kind": each.kind, "org_id": self._org, "due_at": each.due_at}
            for each in notices_of(key, now=self._clock.now())
        ]
        if wanted:
            await self._session.execute(insert(KeyNoticeRow).values(wanted).on_conflict_do_nothing())

    async def _forget_notices(self, row: ApiKeyRow) -> None:
        waiting = (KeyNoticeRow.key_id == row.id, KeyNoticeRow.closed_at.is_(None))
        await self._session.execute(delete(KeyNoticeRow).where(*waiting))

    async def _locked(self, key_id: ApiKeyId) -> tuple[ApiKeyRow, "_Shared"]:
        """The key's row, and what it shares with others.

        Its whole line is locked, in the order of ids, as everybody does who locks more than one: a cap is of all,
        and an account that is opened meanwhile must not miss it.
        """
        line = select(ApiKeyRow.family).where(ApiKeyRow.id == key_id, ApiKeyRow.org_id == self._org).scalar_subquery()
        rows = await self._session.execute(
            self._keys(self._clock.now())
            .where(ApiKeyRow.family == line)
            .order_by(ApiKeyRow.id)
            # Others may refer to it meanwhile.
            .with_for_update(key_share=True, of=ApiKeyRow)
        )
        for row, used, mode in rows:
            if row.id == key_id and row.revoked_at is None:
                return row, _Shared.read(used, mode)
        raise NotFoundError("The API key does not exist.", param="key_id")


@dataclass(frozen=True, slots=True)
class _Shared:
    """What a key has in common with others: its line's credits, its owner's mode."""

    used: int
    auto_mode: AutoMode

    @classmethod
    def read(cls, used: int, mode: str | None) -> Self:
        return cls(used, read_auto_mode(mode))


def _key(row: ApiKeyRow, shared: _Shared) -> ApiKey:
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
        replaces=ApiKeyId(row.replaces) if row.replaces else None,
        retires_at=row.retires_at,
        family=ApiKeyId(row.family),
        credit_cap=row.credit_cap,
        credits_used=shared.used,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
        owner=row.owner,
        model_shorthands={name: str(model) for name, model in row.model_shorthands.items()},
        model_shorthands_enabled=row.model_shorthands_enabled,
        auto_mode=shared.auto_mode,
    )

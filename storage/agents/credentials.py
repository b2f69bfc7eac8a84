"""Credentials of the agents of one organisation."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, and_, func, not_, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agents import credential
from gateway.agents.agent import Agent, AgentArchivedError, AgentStatus, RevocationPolicy
from gateway.agents.credential import (
    MOST_BELOW,
    AlreadyRotatedCredentialError,
    Credential,
    CredentialEndedError,
    CredentialStatus,
    TooManyCredentialsError,
)
from gateway.agents.grants import dump, load
from gateway.agents.issuing import NewCredential
from gateway.clock import Clock
from gateway.errors import NotFoundError
from gateway.ids import AgentId, CredentialId, OrganizationId, new_ulid
from gateway.keys.api_key import digest
from gateway.paging import Page, cursor_after, read_cursor
from gateway.tenancy import KeyMode
from storage.agents.usable import USABLE
from storage.keyring import Ring
from storage.tables import AgentCredentialRow

# Whoever archives an agent locks it and then its credentials: so do these.
_HOLD_AGENTS = text("""
select from agents where id in (select agent_id from agent_credentials where org_id = :org and id = any(:chain))
order by id for share
""")

_HOLD_CREDENTIALS = text("""
select from agent_credentials where org_id = :org and id = any(:chain) order by id for share
""")

# A statement that waits for a lock has its old view of everything else: who may be used is asked by another, after it.
_MAY_BE_USED = text(f"""
select {USABLE.replace("%(now)s", ":now")} from agent_credentials c join agents g on g.id = c.agent_id
where c.org_id = :org and c.id = :last
""")  # noqa: S608 - joins constants

_BELOW = text("""
select count(*) from (
  select from agent_credentials
  where path && array[:first] and org_id = :org and revoked_at is null and least(expires_at, retires_at) > :now
  limit :most) below
""")


class CredentialReader:
    def __init__(self, session: AsyncSession, org: OrganizationId) -> None:
        self._session = session
        self._org = org

    async def page(
        self, agent_id: AgentId, *, status: CredentialStatus | None, cursor: str | None, limit: int, now: datetime
    ) -> Page[Credential]:
        """Of one agent, newest first; of any status when None. Raises `ValidationFailedError` for a foreign cursor."""
        query = self._credentials(agent_id).order_by(AgentCredentialRow.id.desc()).limit(limit + 1)
        if status is not None:
            query = query.where(_has(status, now))
        after = read_cursor(cursor)
        if after is not None:
            query = query.where(AgentCredentialRow.id < after)
        rows = (await self._session.scalars(query)).all()
        more = len(rows) > limit
        return Page(
            items=tuple(map(shown, rows[:limit])), next_cursor=cursor_after(rows[limit - 1].id) if more else None
        )

    async def get(self, agent_id: AgentId, credential_id: CredentialId) -> Credential:
        """Raises `NotFoundError` for one that is unknown, another agent's or another organisation's."""
        row = await self._session.scalar(self._credentials(agent_id).where(AgentCredentialRow.id == credential_id))
        if row is None:
            raise NotFoundError("The credential does not exist.", param="credential_id")
        return shown(row)

    def _credentials(self, agent_id: AgentId) -> Select[AgentCredentialRow]:
        query = select(AgentCredentialRow).where(
            AgentCredentialRow.org_id == self._org, AgentCredentialRow.agent_id == agent_id
        )
        # What this transaction has read before may have waited for a lock, or been changed by a statement, since.
        return query.execution_options(populate_existing=True)


class CredentialStore(CredentialReader):
    def __init__(self, session: AsyncSession, org: OrganizationId, peppers: Ring, clock: Clock) -> None:
        super().__init__(session, org)
        self._peppers = peppers
        self._clock = clock

    async def issue(
        self, agent: Agent, wanted: NewCredential, *, by: str | None, replaces: Credential | None = None
    ) -> tuple[Credential, str]:
        """A new credential of `agent`, which the caller holds, and its token, which nothing keeps.

        Raises `AgentArchivedError`, and `CredentialEndedError` where its end is over before it begins.
        """
        if agent.status is not AgentStatus.ACTIVE:
            raise AgentArchivedError
        now = self._clock.now()
        if wanted.expires_at <= now:
            raise CredentialEndedError
        token, credential_id = credential.mint(wanted.mode), CredentialId(new_ulid())
        row = AgentCredentialRow(
            id=credential_id,
            org_id=self._org,
            agent_id=agent.id,
            agent_epoch=agent.epoch,
            name=wanted.name,
            description=wanted.description,
            mode=wanted.mode,
            last_four=token[-4:],
            digest=digest(token, self._peppers.keys[self._peppers.newest]),
            pepper=self._peppers.newest,
            grants=[*map(dump, wanted.grants)],
            delegating_user=wanted.delegating_user,
            parent_id=wanted.path[-1] if wanted.path else None,
            path=[*wanted.path],
            family=replaces.family if replaces else credential_id,
            replaces=replaces.id if replaces else None,
            revocation_policy=wanted.revocation_policy,
            max_concurrent_invocations=wanted.max_concurrent_invocations,
            issued_by=by,
            created_at=now,
            expires_at=wanted.expires_at,
        )
        self._session.add(row)
        await self._session.flush()
        return shown(row), token

    async def hold_chain(self, chain: Sequence[CredentialId]) -> tuple[Credential, ...]:
        """The credentials of `chain`, the first first.

        Whoever revokes any of them, or archives an agent of theirs, waits until this transaction ends, and then sees
        what was issued below them. Raises `CredentialEndedError` when the last may not be used any more.
        """
        await self._hold(chain)
        await self._require_usable(chain[-1])
        query = select(AgentCredentialRow).where(
            AgentCredentialRow.org_id == self._org, AgentCredentialRow.id.in_(chain)
        )
        found = {row.id: row for row in await self._session.scalars(query)}
        return tuple(shown(found[each]) for each in chain)

    async def require_room(self, first: CredentialId) -> None:
        """Raises `TooManyCredentialsError` where as much has come from the first of a chain as can.

        Some that come at once may be a few too many.
        """
        asked = {"org": self._org, "first": first, "now": self._clock.now(), "most": MOST_BELOW}
        if (await self._session.scalar(_BELOW, asked) or 0) >= MOST_BELOW:
            raise TooManyCredentialsError

    async def rotate(
        self, agent: Agent, credential_id: CredentialId, *, overlap: timedelta, by: str | None
    ) -> tuple[Credential, Credential, str]:
        """The credential, which ends after `overlap` at the latest, a successor like it, and that one's token.

        Raises `NotFoundError`, `AgentArchivedError`, `CredentialEndedError`, and `AlreadyRotatedCredentialError`.
        """
        await self._hold((await self.get(agent.id, credential_id)).path)
        query = self._credentials(agent.id).where(AgentCredentialRow.id == credential_id)
        row = (await self._session.scalars(query.with_for_update(key_share=True))).one()
        old = shown(row)
        if agent.status is not AgentStatus.ACTIVE:
            raise AgentArchivedError
        if old.status(self._clock.now()) is CredentialStatus.ACTIVE and old.retires_at is not None:
            raise AlreadyRotatedCredentialError
        await self._require_usable(old.id)
        wanted = NewCredential(
            name=old.name,
            description=old.description,
            mode=old.mode,
            grants=old.grants,
            delegating_user=old.delegating_user,
            path=old.path,
            revocation_policy=old.revocation_policy,
            max_concurrent_invocations=old.max_concurrent_invocations,
            expires_at=old.expires_at,
        )
        successor, token = await self.issue(agent, wanted, by=by, replaces=old)
        row.retires_at = min(row.expires_at, self._clock.now() + overlap)
        await self._session.flush()
        return shown(row), successor, token

    async def _hold(self, chain: Sequence[CredentialId]) -> None:
        for statement in (_HOLD_AGENTS, _HOLD_CREDENTIALS):
            await self._session.execute(statement, {"org": self._org, "chain": [*chain]})

    async def _require_usable(self, credential_id: CredentialId) -> None:
        asked = {"org": self._org, "last": credential_id, "now": self._clock.now()}
        if not await self._session.scalar(_MAY_BE_USED, asked):
            raise CredentialEndedError


def _has(status: CredentialStatus, now: datetime) -> ColumnElement[bool]:
    """`CredentialStatus` as SQL: least() leaves out an end that is not set."""
    ended = func.least(AgentCredentialRow.expires_at, AgentCredentialRow.retires_at) <= now
    revoked = AgentCredentialRow.revoked_at.is_not(None)
    match status:
        case CredentialStatus.REVOKED:
            return revoked
        case CredentialStatus.EXPIRED:
            return and_(not_(revoked), ended)
        case CredentialStatus.ACTIVE:
            return not_(or_(revoked, ended))


def shown(row: AgentCredentialRow) -> Credential:
    return Credential(
        id=CredentialId(row.id),
        agent_id=AgentId(row.agent_id),
        name=row.name,
        description=row.description,
        mode=KeyMode(row.mode),
        last_four=row.last_four,
        grants=tuple(map(load, row.grants)),
        delegating_user=row.delegating_user,
        path=tuple(map(CredentialId, row.path)),
        family=CredentialId(row.family),
        replaces=CredentialId(row.replaces) if row.replaces else None,
        revocation_policy=RevocationPolicy(row.revocation_policy),
        max_concurrent_invocations=row.max_concurrent_invocations,
        issued_by=row.issued_by,
        created_at=row.created_at,
        expires_at=row.expires_at,
        retires_at=row.retires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
        revocation_reason=row.revocation_reason,
    )

"""The agents of one organisation."""

from collections.abc import Container
from datetime import datetime

from sqlalchemy import Select, func, literal, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agents.agent import (
    MOST_AGENTS,
    Agent,
    AgentChanges,
    AgentNameTakenError,
    AgentStatus,
    NewAgent,
    RevocationPolicy,
    TooManyAgentsError,
)
from gateway.clock import Clock
from gateway.errors import NotFoundError, PreconditionFailedError
from gateway.ids import AgentId, OrganizationId, new_ulid
from gateway.paging import Page, cursor_after, read_cursor
from storage.accounts import agent_holder
from storage.spending import cap_accounts, used_by
from storage.tables import AgentRow, OrganizationRow

_NAMES = "uq_agents_org_id_name"


class AgentReader:
    def __init__(self, session: AsyncSession, org: OrganizationId) -> None:
        self._session = session
        self._org = org

    async def page(self, *, status: AgentStatus | None, cursor: str | None, limit: int, now: datetime) -> Page[Agent]:
        """Newest first; of any status when None. Raises `ValidationFailedError` for a foreign cursor."""
        query = self._agents(now).order_by(AgentRow.id.desc()).limit(limit + 1)
        if status is not None:
            query = query.where(AgentRow.status == status)
        after = read_cursor(cursor)
        if after is not None:
            query = query.where(AgentRow.id < after)
        rows = (await self._session.execute(query)).all()
        more = len(rows) > limit
        return Page(
            items=tuple(_agent(row, used) for row, used in rows[:limit]),
            next_cursor=cursor_after(rows[limit - 1][0].id) if more else None,
        )

    async def get(self, agent_id: AgentId, *, now: datetime) -> Agent:
        """Raises `NotFoundError` for an agent that is unknown or another organisation's."""
        found = (await self._session.execute(self._agents(now).where(AgentRow.id == agent_id))).first()
        if found is None:
            raise NotFoundError("The agent does not exist.", param="agent_id")
        return _agent(*found)

    def _agents(self, now: datetime) -> Select[AgentRow, int]:
        """Each agent with what its credentials used in the period that runs."""
        used = used_by(literal(agent_holder(AgentId(""))) + AgentRow.id, self._org, now)
        return select(AgentRow, func.coalesce(used, 0)).where(AgentRow.org_id == self._org)


class AgentStore(AgentReader):
    def __init__(self, session: AsyncSession, org: OrganizationId, clock: Clock) -> None:
        super().__init__(session, org)
        self._clock = clock

    async def add(self, wanted: NewAgent, *, by: str | None) -> Agent:
        """Raises `AgentNameTakenError`, also for an archived agent's, and `TooManyAgentsError`."""
        await self._require_room()
        now = self._clock.now()
        row = AgentRow(
            id=new_ulid(),
            org_id=self._org,
            name=wanted.name,
            description=wanted.description,
            owner=wanted.owner,
            capabilities=[*wanted.capabilities],
            default_expiry_hours=wanted.default_expiry_hours,
            default_revocation_policy=wanted.default_revocation_policy,
            allowed_scope_types=_list(wanted.allowed_scope_types),
            allowed_models=_list(wanted.allowed_models),
            credit_cap=wanted.credit_cap,
            status=AgentStatus.ACTIVE,
            epoch=0,
            version=1,
            created_by=by,
            created_at=now,
            updated_at=now,
            archived_at=None,
        )
        self._session.add(row)
        await self._flush_named()
        return _agent(row, 0)

    async def change(
        self, agent_id: AgentId, changes: AgentChanges, *, only_versions: Container[int] | None = None
    ) -> Agent:
        """The agent with `changes`; a cap holds in the period that runs from then on.

        Raises `NotFoundError`, `AgentNameTakenError`, and `PreconditionFailedError` when its version is none of
        `only_versions`.
        """
        row, used = await self._locked(agent_id)
        before = _agent(row, used)
        if only_versions is not None and before.version not in only_versions:
            raise PreconditionFailedError("The agent has changed since it was read.")
        for name, value in changes.items():
            setattr(row, name, [*value] if isinstance(value, tuple | list) else value)
        if _agent(row, used) != before:
            self._touch(row)
        await self._flush_named()
        if row.credit_cap != before.credit_cap:
            holder = agent_holder(agent_id)
            await cap_accounts(self._session, self._org, holder, row.credit_cap, now=self._clock.now())
        return _agent(row, used)

    async def hold(self, agent_id: AgentId) -> Agent:
        """An agent that nobody changes or archives until this transaction ends; others may hold it too.

        Raises `NotFoundError`.
        """
        query = self._agents(self._clock.now()).where(AgentRow.id == agent_id).with_for_update(read=True, of=AgentRow)
        found = (await self._session.execute(query)).first()
        if found is None:
            raise NotFoundError("The agent does not exist.", param="agent_id")
        return _agent(*found)

    async def lock(self, agent_id: AgentId) -> Agent:
        """An agent that nobody else holds or changes until this transaction ends. Raises `NotFoundError`."""
        return _agent(*await self._locked(agent_id))

    async def archive(self, agent_id: AgentId) -> Agent:
        """The agent, archived, in a new epoch; every API process hears of it when this commits.

        Safe to repeat: one that is archived stays as it is. Raises `NotFoundError`.
        """
        row, used = await self._locked(agent_id)
        if row.status != AgentStatus.ARCHIVED:
            row.status, row.epoch = AgentStatus.ARCHIVED, row.epoch + 1
            self._touch(row)
            row.archived_at = row.updated_at
            await self._session.flush()
        return _agent(row, used)

    async def reactivate(self, agent_id: AgentId) -> Agent:
        """The agent, active again: it keeps its epoch, and none of its earlier credentials. Safe to repeat.

        Raises `NotFoundError`.
        """
        row, used = await self._locked(agent_id)
        if row.status != AgentStatus.ACTIVE:
            row.status, row.archived_at = AgentStatus.ACTIVE, None
            self._touch(row)
            await self._session.flush()
        return _agent(row, used)

    def _touch(self, row: AgentRow) -> None:
        row.version += 1
        row.updated_at = self._clock.now()

    async def _flush_named(self) -> None:
        try:
            await self._session.flush()
        except IntegrityError as failure:
            if _NAMES in str(failure.orig):
                # Without its cause, which carries the name.
                raise AgentNameTakenError(param="name") from None
            raise

    async def _require_room(self) -> None:
        # One request of an organisation at a time, or each would count without the others; calls are not held up.
        organization = select(OrganizationRow.id).where(OrganizationRow.id == self._org)
        await self._session.execute(organization.with_for_update(key_share=True))
        kept = await self._session.scalar(select(func.count()).where(AgentRow.org_id == self._org)) or 0
        if kept >= MOST_AGENTS:
            raise TooManyAgentsError

    async def _locked(self, agent_id: AgentId) -> tuple[AgentRow, int]:
        query = self._agents(self._clock.now()).where(AgentRow.id == agent_id)
        # Others may refer to it meanwhile.
        found = (await self._session.execute(query.with_for_update(key_share=True, of=AgentRow))).first()
        if found is None:
            raise NotFoundError("The agent does not exist.", param="agent_id")
        return found[0], found[1]


def _list(given: tuple[str, ...] | None) -> list[str] | None:
    return None if given is None else [*given]


def _agent(row: AgentRow, used: int) -> Agent:
    return Agent(
        id=AgentId(row.id),
        name=row.name,
        description=row.description,
        owner=row.owner,
        capabilities=tuple(row.capabilities),
        default_expiry_hours=row.default_expiry_hours,
        default_revocation_policy=RevocationPolicy(row.default_revocation_policy),
        allowed_scope_types=None if row.allowed_scope_types is None else tuple(row.allowed_scope_types),
        allowed_models=None if row.allowed_models is None else tuple(row.allowed_models),
        credit_cap=row.credit_cap,
        credits_used=used,
        status=AgentStatus(row.status),
        epoch=row.epoch,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        archived_at=row.archived_at,
    )

"""Cascades of one organisation: begun in the transaction that denies, read as receipts."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agents.cascade import (
    SUCCESSOR_REVOKED,
    Cascade,
    CascadeItem,
    CascadeState,
    Counts,
    ItemState,
)
from gateway.agents.credential import Credential
from gateway.clock import Clock
from gateway.errors import NotFoundError
from gateway.ids import AgentId, CascadeId, CredentialId, OrganizationId, new_ulid
from gateway.paging import Page, cursor_after, read_cursor
from storage.agents.credentials import shown
from storage.tables import AgentCascadeItemRow, AgentCascadeRow, AgentCredentialRow

# What came before it in its line goes with it, not what comes after; by what each replaced, for ids are of clocks that
# differ.
_BEFORE: Final = """
with recursive line as (
  select id, replaces from agent_credentials where org_id = :org and id = :credential
  union
  select c.id, c.replaces from line join agent_credentials c on c.id = line.replaces)
"""

# In order of id, like everybody who locks more than one.
_HOLD_LINE = text(f"""
{_BEFORE} select from agent_credentials where id in (select id from line) order by id for no key update
""")  # noqa: S608 - joins constants

_LINE = text(f"""
{_BEFORE}
update agent_credentials set revoked_at = :now, cuts_calls = :cuts_calls,
  revocation_reason = case when id = :credential then :reason else :successor_revoked end
where id in (select id from line) and revoked_at is null
returning id
""")  # noqa: S608 - joins constants

_OF_AGENT = text("""
with held as (
  select id from agent_credentials where org_id = :org and agent_id = :agent and revoked_at is null
  order by id for no key update)
update agent_credentials c set revoked_at = :now, cuts_calls = true, revocation_reason = :reason
from held where c.id = held.id
returning c.id
""")

_PLAN = text("""
insert into agent_cascade_items (cascade_id, credential_id, org_id, agent_id, depth)
select :cascade, id, org_id, agent_id, cardinality(path) from agent_credentials
where id = any(:roots) or path && :roots and org_id = :org and revoked_at is null
returning credential_id
""")

_OF_CREDENTIAL = text("""
select c.id from agent_cascades c
where c.org_id = :org and (c.credential_id = :credential or exists (
  select from agent_cascade_items i where i.cascade_id = c.id and i.credential_id = :credential))
order by c.credential_id is not distinct from :credential desc, c.id limit 1
""")


class CascadeReader:
    def __init__(self, session: AsyncSession, org: OrganizationId) -> None:
        self._session = session
        self._org = org

    async def get(self, cascade_id: CascadeId) -> Cascade:
        """Raises `NotFoundError`."""
        row = await self._session.scalar(
            select(AgentCascadeRow).where(AgentCascadeRow.org_id == self._org, AgentCascadeRow.id == cascade_id)
        )
        if row is None:
            raise NotFoundError("The cascade does not exist.", param="cascade_id")
        items = AgentCascadeItemRow
        counted = await self._session.execute(
            select(items.state, func.count()).where(items.cascade_id == cascade_id).group_by(items.state)
        )
        counts: dict[str, int] = dict(counted.all())
        along = await self._session.scalars(
            select(items.credential_id)
            .where(items.cascade_id == cascade_id, items.credential_id != (row.credential_id or ""))
            .order_by(items.credential_id)
        )
        return Cascade(
            id=CascadeId(row.id),
            agent_id=AgentId(row.agent_id),
            credential_id=CredentialId(row.credential_id) if row.credential_id else None,
            reason=row.reason,
            state=CascadeState(row.state),
            along=tuple(map(CredentialId, along)),
            counts=Counts(**{state.value: counts.get(state, 0) for state in ItemState}),
            created_at=row.created_at,
            finished_at=row.finished_at,
            rechecked_at=row.rechecked_at,
        )

    async def items(self, cascade_id: CascadeId, *, cursor: str | None, limit: int) -> Page[CascadeItem]:
        """In the order of their credentials. Raises `ValidationFailedError` for a foreign cursor."""
        row = AgentCascadeItemRow
        query = (
            select(row)
            .where(row.org_id == self._org, row.cascade_id == cascade_id)
            .order_by(row.credential_id)
            .limit(limit + 1)
        )
        after = read_cursor(cursor)
        if after is not None:
            query = query.where(row.credential_id > after)
        rows = (await self._session.scalars(query)).all()
        more = len(rows) > limit
        return Page(
            items=tuple(map(_item, rows[:limit])),
            next_cursor=cursor_after(rows[limit - 1].credential_id) if more else None,
        )


class CascadeStore(CascadeReader):
    def __init__(self, session: AsyncSession, org: OrganizationId, clock: Clock) -> None:
        super().__init__(session, org)
        self._clock = clock

    async def lock(self, credential_id: CredentialId) -> Credential:
        """A credential below which nobody issues any more until this transaction ends, nor below its predecessors.

        Raises `NotFoundError`.
        """
        await self._session.execute(_HOLD_LINE, {"org": self._org, "credential": credential_id})
        row = await self._session.scalar(
            select(AgentCredentialRow)
            .where(AgentCredentialRow.org_id == self._org, AgentCredentialRow.id == credential_id)
            .with_for_update(key_share=True)
        )
        if row is None:
            raise NotFoundError("The credential does not exist.", param="credential_id")
        return shown(row)

    async def begin_at_credential(self, credential: Credential, *, reason: str, cuts_calls: bool) -> Cascade:
        """Revoke `credential`, which the caller has locked, and plan what goes along."""
        named = {
            "org": self._org,
            "now": self._clock.now(),
            "credential": credential.id,
            "reason": reason,
            "successor_revoked": SUCCESSOR_REVOKED,
            "cuts_calls": cuts_calls,
        }
        line = (await self._session.scalars(_LINE, named)).all()
        return await self._plan(credential.agent_id, credential.id, reason, line)

    async def begin_at_agent(self, agent_id: AgentId, *, reason: str) -> Cascade:
        """Revoke all credentials of an agent that was archived in this transaction, and plan what goes along."""
        named = {"org": self._org, "now": self._clock.now(), "agent": agent_id, "reason": reason}
        own = (await self._session.scalars(_OF_AGENT, named)).all()
        return await self._plan(agent_id, None, reason, own)

    async def latest(self, agent_id: AgentId) -> Cascade | None:
        """That of the agent's last archiving."""
        found = await self._session.scalar(
            select(AgentCascadeRow.id)
            .where(
                AgentCascadeRow.org_id == self._org,
                AgentCascadeRow.agent_id == agent_id,
                AgentCascadeRow.root == "agent",
            )
            .order_by(AgentCascadeRow.id.desc())
            .limit(1)
        )
        return None if found is None else await self.get(CascadeId(found))

    async def with_credential(self, credential_id: CredentialId) -> Cascade:
        """That which began at a revoked credential, or the first that took it along."""
        found = await self._session.scalar(_OF_CREDENTIAL, {"org": self._org, "credential": credential_id})
        return await self.get(CascadeId(found))

    async def _plan(
        self, agent_id: AgentId, credential_id: CredentialId | None, reason: str, roots: Sequence[str]
    ) -> Cascade:
        cascade_id = CascadeId(new_ulid())
        self._session.add(
            AgentCascadeRow(
                id=cascade_id,
                org_id=self._org,
                root="agent" if credential_id is None else "credential",
                agent_id=agent_id,
                credential_id=credential_id,
                reason=reason,
                state=CascadeState.RUNNING,
                created_at=self._clock.now(),
            )
        )
        await self._session.flush()
        await self._session.execute(_PLAN, {"org": self._org, "cascade": cascade_id, "roots": [*roots]})
        return await self.get(cascade_id)


def _item(row: AgentCascadeItemRow) -> CascadeItem:
    return CascadeItem(
        credential_id=CredentialId(row.credential_id),
        agent_id=AgentId(row.agent_id),
        depth=row.depth,
        state=ItemState(row.state),
        settled_at=row.settled_at,
    )

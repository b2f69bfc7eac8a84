"""Agents come, change and come back: each time with its audit entry and its event, whoever asked.

How they go is told in `revocation`.
"""

from collections.abc import Container

from pydantic import JsonValue

from gateway.agents.agent import Agent, AgentChanges, AgentStatus, NewAgent
from gateway.audit import AuditAction
from gateway.events import Event, EventType
from gateway.ids import AgentId
from storage.transaction import Transaction


async def register_agent(tx: Transaction, wanted: NewAgent) -> Agent:
    """Raises as `AgentStore.add` does."""
    agent = await tx.agents.add(wanted, by=tx.actor)
    _audit(tx, AuditAction.AGENT_CREATED, agent.id, _bounds(agent))
    _tell(tx, EventType.AGENT_CREATED, agent.id)
    return agent


async def change_agent(
    tx: Transaction, agent_id: AgentId, changes: AgentChanges, *, only_versions: Container[int] | None = None
) -> Agent:
    """Raises as `AgentStore.change` does. What leaves an agent as it was is audited, and no event."""
    before = await tx.agents.lock(agent_id)
    after = await tx.agents.change(agent_id, changes, only_versions=only_versions)
    # Names and descriptions are free text: that they changed is told, not to what.
    about: dict[str, JsonValue] = {
        "changed": [*sorted(changes)],
        "before": _bounds(before),
        "after": _bounds(after),
    }
    _audit(tx, AuditAction.AGENT_UPDATED, agent_id, about)
    if after.version != before.version:
        _tell(tx, EventType.AGENT_UPDATED, agent_id)
    return after


async def reactivate_agent(tx: Transaction, agent_id: AgentId) -> Agent:
    """The agent, active; none of its earlier credentials is. Safe to repeat. Raises `NotFoundError`."""
    before = await tx.agents.lock(agent_id)
    agent = await tx.agents.reactivate(agent_id)
    if before.status is AgentStatus.ACTIVE:
        _audit(tx, AuditAction.AGENT_REACTIVATED, agent_id, {"again": True})
        return agent
    _audit(tx, AuditAction.AGENT_REACTIVATED, agent_id, {})
    _tell(tx, EventType.AGENT_REACTIVATED, agent_id)
    return agent


def _audit(tx: Transaction, action: AuditAction, agent_id: AgentId, metadata: dict[str, JsonValue]) -> None:
    tx.audit(action, entity_type="agent", entity_id=agent_id, metadata=metadata)


def _tell(tx: Transaction, kind: EventType, agent_id: AgentId) -> None:
    tx.tell(Event(kind, {"agent_id": agent_id}))


def _bounds(agent: Agent) -> dict[str, JsonValue]:
    """What it may be given, and who answers for it."""
    return {
        "owner": agent.owner,
        "default_expiry_hours": agent.default_expiry_hours,
        "default_revocation_policy": agent.default_revocation_policy.value,
        "allowed_scope_types": _list(agent.allowed_scope_types),
        "allowed_models": _list(agent.allowed_models),
        "credit_cap": agent.credit_cap,
    }


def _list(given: tuple[str, ...] | None) -> list[JsonValue] | None:
    return None if given is None else [*given]

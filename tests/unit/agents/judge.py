"""What a credential lets its bearer do, act by act: written anew from the published words, knowing nothing of `covers`.

A delegation that widens nothing lets a child do no act that its parent could not do, or have done, itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from gateway.agents.grants import (
    AgentDelegate,
    DataRead,
    DataWrite,
    ExternalToolInvoke,
    Grant,
    HumanEscalate,
    ToolInvoke,
)


@dataclass(frozen=True, slots=True)
class Read:
    app: str
    entity: str
    record: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Write:
    app: str
    entity: str
    field: str


@dataclass(frozen=True, slots=True)
class Use:
    """`how` is what whoever runs the tool holds against the constraints, `nth` its place among the hour's uses."""

    tool: str
    is_built_in: bool
    nth: int
    how: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Escalate:
    role: str


@dataclass(frozen=True, slots=True)
class HandOn:
    """Credentials of `agents`, one after another, below the one that is judged."""

    agents: tuple[str, ...]


Act = Read | Write | Use | Escalate | HandOn


def allows(grants: Sequence[Grant], act: Act) -> bool:
    return any(_allows(grant, act) for grant in grants)


def _allows(grant: Grant, act: Act) -> bool:
    if isinstance(grant, DataRead):
        return (
            isinstance(act, Read)
            and (grant.app_id is None or grant.app_id == act.app)
            and (grant.entities is None or act.entity in grant.entities)
            and _fits(grant.filters, act.record)
        )
    if isinstance(grant, DataWrite):
        return (
            isinstance(act, Write)
            and (grant.app_id is None or grant.app_id == act.app)
            and (grant.entities is None or act.entity in grant.entities)
            and (grant.fields is None or act.field in grant.fields)
        )
    if isinstance(grant, ToolInvoke):
        return isinstance(act, Use) and act.is_built_in and act.tool == grant.tool_id
    if isinstance(grant, ExternalToolInvoke):
        return (
            isinstance(act, Use)
            and not act.is_built_in
            and act.tool == grant.tool_id
            and (grant.rate_limit is None or act.nth <= grant.rate_limit)
            and _fits(grant.constraints, act.how)
        )
    if isinstance(grant, AgentDelegate):
        return (
            isinstance(act, HandOn) and act.agents[0] == grant.to_agent_id and len(act.agents) <= grant.max_chain_depth
        )
    assert isinstance(grant, HumanEscalate)
    return isinstance(act, Escalate) and act.role == grant.to_role


def _fits(wanted: Mapping[str, JsonValue], found: Mapping[str, JsonValue]) -> bool:
    return all(name in found and repr(found[name]) == repr(value) for name, value in wanted.items())

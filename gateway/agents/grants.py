"""What a credential may be used for, as rich authorization details (RFC 9396, spec B11).

Any one grant that is satisfied authorizes; all that it says must hold.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import ClassVar, Final

import orjson
from pydantic import JsonValue

DEEPEST: Final = 3
"""Credentials below the first of a chain."""
USER: Final = "{{delegating_user.id}}"
"""The one substitution, in filters: the user on whose behalf a credential acts."""


class GrantType(StrEnum):
    DATA_READ = "hasp.data.read"
    DATA_WRITE = "hasp.data.write"
    """Reading is not implied."""
    TOOL_INVOKE = "hasp.tool.invoke"
    """A tool that is built in."""
    EXTERNAL_TOOL_INVOKE = "external.tool.invoke"
    AGENT_DELEGATE = "agent.delegate"
    HUMAN_ESCALATE = "human.escalate"


@dataclass(frozen=True, slots=True)
class DataRead:
    """None: not restricted by it. A record is in reach if it fits all of `filters`."""

    type: ClassVar = GrantType.DATA_READ
    app_id: str | None = None
    entities: tuple[str, ...] | None = None
    filters: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])


@dataclass(frozen=True, slots=True)
class DataWrite:
    type: ClassVar = GrantType.DATA_WRITE
    app_id: str | None = None
    entities: tuple[str, ...] | None = None
    fields: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ToolInvoke:
    type: ClassVar = GrantType.TOOL_INVOKE
    tool_id: str


@dataclass(frozen=True, slots=True)
class ExternalToolInvoke:
    """`rate_limit` is uses an hour; `constraints` are for who runs the tool, who reads them by introspection."""

    type: ClassVar = GrantType.EXTERNAL_TOOL_INVOKE
    tool_id: str
    rate_limit: int | None = None
    constraints: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])


@dataclass(frozen=True, slots=True)
class AgentDelegate:
    """`max_chain_depth` is how many credentials may follow one another below the one that has it."""

    type: ClassVar = GrantType.AGENT_DELEGATE
    to_agent_id: str
    max_chain_depth: int = DEEPEST


@dataclass(frozen=True, slots=True)
class HumanEscalate:
    type: ClassVar = GrantType.HUMAN_ESCALATE
    to_role: str


Grant = DataRead | DataWrite | ToolInvoke | ExternalToolInvoke | AgentDelegate | HumanEscalate

KINDS: Final[Mapping[GrantType, type[Grant]]] = {
    kind.type: kind for kind in (DataRead, DataWrite, ToolInvoke, ExternalToolInvoke, AgentDelegate, HumanEscalate)
}


def dump(grant: Grant) -> dict[str, JsonValue]:
    """As it is kept and shown: what does not restrict is left out."""
    told: dict[str, JsonValue] = {"type": grant.type.value}
    for each in fields(grant):
        value = getattr(grant, each.name)
        if value is not None and value != {}:
            told[each.name] = [*value] if isinstance(value, tuple) else value
    return told


def load(kept: Mapping[str, JsonValue]) -> Grant:
    """What `dump` made; trusted."""
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in kept.items() if name != "type"}
    return KINDS[GrantType(str(kept["type"]))](**given)  # pyright: ignore[reportArgumentType] - as it was dumped


def dump_for(grant: Grant, *, user: str) -> dict[str, JsonValue]:
    """As a service reads it: for one user, so that nobody else has to know how to substitute."""
    told = dump(grant)
    if isinstance(grant, DataRead) and grant.filters:
        told["filters"] = {name: _substituted(value, user) for name, value in grant.filters.items()}
    return told


def _substituted(value: JsonValue, user: str) -> JsonValue:
    match value:
        case str():
            return user if value == USER else value
        case list():
            return [_substituted(each, user) for each in value]
        case dict():
            return {name: _substituted(each, user) for name, each in value.items()}
        case _:
            return value


def tools_of(grants: Iterable[Grant]) -> frozenset[str]:
    """The tools that may be used under any of `grants`."""
    return frozenset(grant.tool_id for grant in grants if isinstance(grant, ToolInvoke | ExternalToolInvoke))


def is_within(wanted: Grant, given: Sequence[Grant]) -> bool:
    """Whether one of `given` allows all that `wanted` would."""
    return any(covers(each, wanted) for each in given)


def covers(given: Grant, wanted: Grant) -> bool:
    """Whether whoever has `given` may hand `wanted` on: it restricts at least as much, in every respect."""
    match given, wanted:
        case DataRead(), DataRead():
            return _keeps_data(given, wanted) and _keeps_all(given.filters, wanted.filters)
        case DataWrite(), DataWrite():
            return _keeps_data(given, wanted) and _fits(given.fields, wanted.fields)
        case ToolInvoke(), ToolInvoke():
            return given.tool_id == wanted.tool_id
        case ExternalToolInvoke(), ExternalToolInvoke():
            return (
                given.tool_id == wanted.tool_id
                and _is_no_faster(given.rate_limit, wanted.rate_limit)
                and _keeps_all(given.constraints, wanted.constraints)
            )
        case AgentDelegate(), AgentDelegate():
            return given.to_agent_id == wanted.to_agent_id and wanted.max_chain_depth < given.max_chain_depth
        case HumanEscalate(), HumanEscalate():
            return given.to_role == wanted.to_role
        case _:
            return False


def _keeps_data(given: DataRead | DataWrite, wanted: DataRead | DataWrite) -> bool:
    return given.app_id in (None, wanted.app_id) and _fits(given.entities, wanted.entities)


def _fits(given: Sequence[str] | None, wanted: Sequence[str] | None) -> bool:
    return given is None or (wanted is not None and set(wanted) <= set(given))


def _is_no_faster(given: int | None, wanted: int | None) -> bool:
    return given is None or (wanted is not None and wanted <= given)


def _keeps_all(given: Mapping[str, JsonValue], wanted: Mapping[str, JsonValue]) -> bool:
    """Every restriction of `given` stands in `wanted` as it is; others may be added."""
    return all(name in wanted and _text(wanted[name]) == _text(value) for name, value in given.items())


def _text(value: JsonValue) -> bytes:
    # To Python, true is 1 and 1.0 too.
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)

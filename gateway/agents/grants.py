"""What a credential may be used for, as rich authorization details (RFC 9396, spec B11).

Any one grant that is satisfied authorizes; all that it says must hold.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import JsonValue


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
    """None: not restricted by it."""

    app_id: str | None = None
    entities: tuple[str, ...] | None = None
    filters: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])


@dataclass(frozen=True, slots=True)
class DataWrite:
    app_id: str | None = None
    entities: tuple[str, ...] | None = None
    fields: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ToolInvoke:
    tool_id: str


@dataclass(frozen=True, slots=True)
class ExternalToolInvoke:
    """`rate_limit` is uses an hour; `constraints` are for who runs the tool, who reads them by introspection."""

    tool_id: str
    rate_limit: int | None = None
    constraints: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])


@dataclass(frozen=True, slots=True)
class AgentDelegate:
    """`max_chain_depth` is how many credentials may come below the one that has it."""

    to_agent_id: str
    max_chain_depth: int = 3


@dataclass(frozen=True, slots=True)
class HumanEscalate:
    to_role: str


Grant = DataRead | DataWrite | ToolInvoke | ExternalToolInvoke | AgentDelegate | HumanEscalate

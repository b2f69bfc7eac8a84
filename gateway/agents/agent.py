"""Agents: named identities of an organisation. Registering one grants nothing (spec B10)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypedDict

from gateway.errors import GatewayError, Kind
from gateway.ids import AgentId

NAME_LENGTH = (2, 64)
LONGEST_DESCRIPTION = 1000
MOST_CAPABILITIES, LONGEST_CAPABILITY = 12, 32
EXPIRY_HOURS = (1, 720)
MOST_AGENTS = 10_000
"""Of one organisation, archived ones too."""


class AgentStatus(StrEnum):
    ACTIVE = "active"
    ARCHIVED = "archived"


class RevocationPolicy(StrEnum):
    """What becomes of the calls that run with a credential when it is revoked."""

    DRAIN = "drain"
    """They may finish."""
    KILL = "kill"
    """They end at once, in every process."""


@dataclass(frozen=True, slots=True)
class Agent:
    """`version` counts its changes, `epoch` how often it was archived."""

    id: AgentId
    name: str
    description: str | None
    owner: str | None
    capabilities: tuple[str, ...]
    default_expiry_hours: int
    default_revocation_policy: RevocationPolicy
    allowed_scope_types: tuple[str, ...] | None
    allowed_models: tuple[str, ...] | None
    credit_cap: int | None
    credits_used: int
    """By its credentials, in the period that runs."""
    status: AgentStatus
    epoch: int
    version: int
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewAgent:
    """What an agent is registered with. None of `allowed_...`: not restricted."""

    name: str
    description: str | None
    owner: str | None
    capabilities: tuple[str, ...]
    default_expiry_hours: int
    default_revocation_policy: RevocationPolicy
    allowed_scope_types: tuple[str, ...] | None
    allowed_models: tuple[str, ...] | None
    credit_cap: int | None


class AgentChanges(TypedDict, total=False):
    """What of an agent may change after its registration; what is not there stays."""

    name: str
    description: str | None
    owner: str | None
    capabilities: tuple[str, ...]
    default_expiry_hours: int
    default_revocation_policy: RevocationPolicy
    allowed_scope_types: tuple[str, ...] | None
    allowed_models: tuple[str, ...] | None
    credit_cap: int | None


class AgentArchivedError(GatewayError):
    kind, code = Kind.CONFLICT, "AGENT_ARCHIVED"
    message = "The agent is archived. Reactivate it first."


class AgentNameTakenError(GatewayError):
    kind, code = Kind.CONFLICT, "AGENT_NAME_TAKEN"
    message = "Another agent of the organization has this name, in whatever case; perhaps an archived one."


class TooManyAgentsError(GatewayError):
    kind, code = Kind.CONFLICT, "TOO_MANY_AGENTS"
    message = f"The organization has {MOST_AGENTS:,} agents, which is all it can have."

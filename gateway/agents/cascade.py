"""Cascades: what one revocation, or archiving, takes along, fixed when it began; told as a receipt."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.ids import AgentId, CascadeId, CredentialId

AGENT_ARCHIVED = "agent_archived"
PARENT_REVOKED = "parent_revoked"
SUCCESSOR_REVOKED = "successor_revoked"
"""Why credentials went that nobody named."""


class CascadeState(StrEnum):
    RUNNING = "running"
    DONE = "done"


class ItemState(StrEnum):
    PENDING = "pending"
    """Refused already; not marked yet, or calls with it still run."""
    DONE = "done"
    IRREVOCABLE = "irrevocable"
    """A process that does not answer holds a call with it, and nobody can end that before its lease lapses."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many credentials of a cascade are where."""

    pending: int
    done: int
    irrevocable: int


@dataclass(frozen=True, slots=True)
class Cascade:
    """`credential_id` is None where an agent was archived. `along` are all that it takes, the root not among them."""

    id: CascadeId
    agent_id: AgentId
    credential_id: CredentialId | None
    reason: str
    state: CascadeState
    along: Sequence[CredentialId]
    counts: Counts
    created_at: datetime
    finished_at: datetime | None
    rechecked_at: datetime | None


@dataclass(frozen=True, slots=True)
class CascadeItem:
    credential_id: CredentialId
    agent_id: AgentId
    depth: int
    state: ItemState
    settled_at: datetime | None

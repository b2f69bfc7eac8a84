"""What the pipeline asks of storage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from gateway.agents.delegation import Delegation
from gateway.audit.compliance import ComplianceEvent
from gateway.catalog import Model
from gateway.conversation import Turn
from gateway.errors import GatewayError
from gateway.ids import ConversationId, InferenceId, OrganizationId
from gateway.inference.call import Call, Outcome, Surface
from gateway.tenancy import Access


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that was turned away before anything was opened for it."""

    org: OrganizationId
    id: InferenceId
    error: GatewayError
    at: datetime
    surface: Surface | None = None
    actor: str | None = None
    delegation: Delegation | None = None
    """Of an agent: what it acted under."""
    ip_address: str | None = None
    path: str | None = None
    """The route's template, never the path as sent."""
    model: str | None = None
    """Only a model of the catalog: an unknown name is text of the caller's."""
    passed: tuple[ComplianceEvent, ...] = ()
    """What fired at the gates behind it."""
    history_turns: int = 0
    """How many stored turns were opened for it."""
    end_user: str | None = field(default=None, repr=False)
    """Whom it named."""


@dataclass(frozen=True, slots=True)
class History:
    """A conversation so far, and what stood in for which value in it, by placeholder body (`NAME_1`)."""

    turns: tuple[Turn, ...]
    placeholders: Mapping[str, str] = field(repr=False)


class Journal(Protocol):
    """The facts of inferences. Every method is one durable transaction, safe to repeat with the same id.

    Any of them raises `UnavailableError` when the fact could not be made durable.
    """

    async def history(self, access: Access, thread: ConversationId) -> History:
        """The stored turns of a conversation, oldest first. Raises `NotFoundError` for one the organisation lacks."""
        ...

    async def placeholders(self, access: Access, seals: Sequence[str]) -> Mapping[str, str]:
        """What stood in for which value when the newest answer that holds one of `seals` was made; nothing if unknown.

        `seals` are digests as `gateway.inference.seals` makes them.
        """
        ...

    async def open(self, call: Call, model: Model, ceiling: int) -> None:
        """Hold `ceiling` credits and write the shell row. Raises `CreditsExhaustedError` and writes nothing.

        An agent's call takes its places too, and is ended through `call.running` when its credential is cut: raises
        `CredentialRevokedError`, `TooManyInvocationsError` or `ToolRateLimitedError`.
        """
        ...

    async def close(self, outcome: Outcome) -> None:
        """Settle or void the hold; record, usage, findings, audit and outbox rows with it."""
        ...

    async def refuse(self, refusal: Refusal) -> None:
        """Audit a refusal."""
        ...

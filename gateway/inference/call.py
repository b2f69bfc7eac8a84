"""One inference, from an authenticated caller's wish to a recorded outcome."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from gateway.agents.running import Running
from gateway.audit.compliance import ComplianceEvent
from gateway.catalog import Model
from gateway.completion import Completion
from gateway.conversation import Conversation
from gateway.credits import pricing
from gateway.errors import GatewayError
from gateway.ids import ConversationId, InferenceId
from gateway.limits.limiter import UNLIMITED, Quota
from gateway.phi.report import PhiReport
from gateway.routing.route import Delivery
from gateway.tenancy import Access


class Surface(StrEnum):
    NATIVE = "native"
    MESSAGES = "messages"
    RESPONSES = "responses"
    CHAT_COMPLETIONS = "chat_completions"
    ANTHROPIC = "anthropic"
    HARNESS = "harness"

    @property
    def route(self) -> str:
        """Where inferences are asked for on it."""
        return _ROUTES[self]


_ROUTES: Mapping[Surface, str] = {
    Surface.NATIVE: "/v1/ai/chat",
    Surface.MESSAGES: "/v1/messages",
    Surface.RESPONSES: "/v1/openai/responses",
    Surface.CHAT_COMPLETIONS: "/v1/openai/chat/completions",
    Surface.ANTHROPIC: "/v1/anthropic/messages",
    Surface.HARNESS: "/v1/chat/completions",
}


class Status(StrEnum):
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    """The caller hung up; charged for what was produced."""
    BLOCKED = "blocked"
    """The PHI guard said no."""
    FAILED = "failed"
    LOST = "lost"
    """Its process died; the sweep returned the hold."""


@dataclass(frozen=True, slots=True)
class Call:
    """Who asks what of which model. Ids and times are made by the caller, so that a repeat writes the same rows."""

    id: InferenceId
    access: Access
    surface: Surface
    model: str
    conversation: Conversation
    received_at: datetime
    stream: bool = False
    store: bool = True
    thread: ConversationId | None = None
    """The conversation this call belongs to, on the native surface."""
    continues: bool = False
    """True when `thread` exists already and its turns come before this call's own."""
    own_turns: int | None = None
    """How many of the last turns are this call's own; None: all of them."""
    recalled_items: int = 0
    """How many parts of it were not sent with it, but opened from earlier answers."""
    known: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """What stood in for which value in the thread so far, by placeholder body (`NAME_1`)."""
    tool: str | None = None
    """The name of a tool of ours that is used, where no model is asked."""
    ip_address: str | None = None
    patience_s: float | None = None
    """For how many seconds the client said it would wait; None: it did not say."""
    open_by: datetime | None = None
    """Not to be opened later: a process that slept may find its idempotency key with another call."""
    quota: Quota = field(default=UNLIMITED, repr=False, compare=False)
    """Its part of the organisation's rate."""
    running: Running = field(default_factory=Running, repr=False, compare=False)
    """What ends it from outside, once it is opened for an agent."""
    passed: tuple[ComplianceEvent, ...] = ()
    """What fired at the gates behind it."""

    @property
    def keeps_content(self) -> bool:
        return self.store and self.access.policy.storage_mode != "none"

    @property
    def history_turns(self) -> int:
        """How many of its turns were not sent with it, but opened from earlier records."""
        return 0 if self.own_turns is None else len(self.conversation.turns) - self.own_turns


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call that was opened ended: what the journal closes it with."""

    call: Call
    model: Model
    """The one that answered; of a call without an answer, the one that was asked for."""
    status: Status
    at: datetime
    completion: Completion | None = None
    """Restored, as the caller saw it."""
    report: PhiReport | None = None
    placeholders: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """What stood in for which value at the provider; sealed with the content, or forgotten with it."""
    charge: int = 0
    """Credits."""
    delivery: Delivery | None = None
    """How the answer came about."""
    error: GatewayError | None = None

    @property
    def tokens(self) -> int:
        """Of every kind, as the vendor counts them."""
        return self.completion.usage.total if self.completion else 0


@dataclass(frozen=True, slots=True)
class Answer:
    """A completed, recorded call."""

    call: Call
    delivery: Delivery
    completion: Completion
    report: PhiReport
    charge: int
    sandboxed: bool
    placeholders: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """What stood in for which value at the provider."""

    @property
    def model(self) -> Model:
        """The one that answered."""
        return self.delivery.model

    @property
    def cost_micro_usd(self) -> int | None:
        """At list price; None for a model without prices."""
        return pricing.cost_micro_usd(self.model, self.completion.usage)

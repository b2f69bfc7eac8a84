"""What happens while a harness answers, in the order in which its caller is told."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.completion import StopReason, Usage
from gateway.ids import InferenceId


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Thought:
    """A piece of the model's reasoning."""

    text: str


@dataclass(frozen=True, slots=True)
class Called:
    """The model asked for a tool."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Answered:
    """A tool answered; what it said is the model's to tell."""

    id: str
    name: str
    is_error: bool


@dataclass(frozen=True, slots=True)
class Round:
    """One answer of a model's: what it used and cost."""

    id: InferenceId
    model: str
    usage: Usage
    charge: int
    cost_micro_usd: int | None


@dataclass(frozen=True, slots=True)
class ToolUsed:
    """`charge` in credits; `status` as its record has it."""

    id: InferenceId
    name: str
    status: str
    charge: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The end, and what all of it came to."""

    stop_reason: StopReason
    rounds: Sequence[Round]
    uses: Sequence[ToolUsed]
    sandboxed: bool

    @property
    def model(self) -> str:
        """The one that answered last."""
        return self.rounds[-1].model

    @property
    def charge(self) -> int:
        return sum(each.charge for each in self.rounds) + sum(each.charge for each in self.uses)

    @property
    def input_tokens(self) -> int:
        return sum(each.usage.total_input for each in self.rounds)

    @property
    def output_tokens(self) -> int:
        return sum(each.usage.output for each in self.rounds)

    @property
    def cost_micro_usd(self) -> int | None:
        """Of the models, at list price; None where one has no prices."""
        costs = [each.cost_micro_usd for each in self.rounds]
        known = [cost for cost in costs if cost is not None]
        return sum(known) if len(known) == len(costs) else None


HarnessEvent = Said | Thought | Called | Answered | Ended

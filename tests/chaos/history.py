"""What callers asked and were told: kept outside of the system, and believed over it."""

from dataclasses import dataclass, field, replace
from enum import StrEnum


class Outcome(StrEnum):
    OK = "ok"
    """The whole answer came: an answer of status 200, or a stream that said it was done."""
    FAILED = "failed"
    """The answer was that nothing was done."""
    UNKNOWN = "unknown"
    """The connection broke, the caller hung up, or the gateway could not say: it may have been done."""


@dataclass(slots=True)
class Asked:
    """One call, and what its caller learned of it."""

    number: int
    """Of what is asked: who asks the same again, under its idempotency key, has another call of the same number."""
    keyed: bool
    organization: str
    key: str
    model: str
    streamed: bool
    hangs_up: bool
    outcome: Outcome = Outcome.UNKNOWN
    status: int = 0
    """0: no status line came."""
    inference: str | None = None
    """As a header or the answer itself named it."""
    code: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def is_worth_another(self) -> bool:
        """Whether its caller may ask the same again, and learn of what was done instead of having it done twice."""
        is_open = self.outcome is Outcome.UNKNOWN or self.code == "IDEMPOTENCY_IN_PROGRESS"
        return self.keyed and is_open


def again(call: Asked) -> Asked:
    """The same, asked by somebody who stays for the answer."""
    return replace(call, hangs_up=False, outcome=Outcome.UNKNOWN, status=0, inference=None, code=None)


@dataclass(slots=True)
class History:
    calls: list[Asked] = field(default_factory=list[Asked])

    def of(self, outcome: Outcome) -> list[Asked]:
        return [call for call in self.calls if call.outcome is outcome]

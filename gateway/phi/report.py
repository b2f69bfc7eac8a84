"""What the guard found and did, without any of the text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gateway.errors import PhiBlockedError
from gateway.phi.findings import Entity, Finding
from gateway.tenancy import PhiMode

Action = Literal["none", "redacted", "allowed"]


@dataclass(frozen=True, slots=True)
class PhiReport:
    """`entity_types` and `redaction_count` are the prompt's; the count is 0 unless `action` is redacted."""

    mode: PhiMode
    action: Action
    entity_types: tuple[str, ...]
    redaction_count: int
    findings: tuple[Finding, ...]
    answer_findings: tuple[Finding, ...] | None = None
    """What the model itself wrote; values of the prompt's that were put back are not among them. None: not read."""
    unscanned: int = 0
    """Images and documents that were let through unread."""

    @classmethod
    def of(cls, mode: PhiMode, action: Action, findings: Sequence[Finding]) -> "PhiReport":
        count = len(phi_of(findings)) if action == "redacted" else 0
        return cls(mode, action, kinds(findings), count, tuple(findings))


class ScreenBlockedError(PhiBlockedError):
    """A refusal for PHI in the prompt or in the answer, with the findings for the record."""

    def __init__(self, report: PhiReport, blocking: Sequence[Finding]) -> None:
        super().__init__(param=blocking[0].slot, details={"entity_types": list(kinds(blocking))})
        self.report = report


def phi_of(findings: Sequence[Finding]) -> Sequence[Finding]:
    """Without text that only stepped aside."""
    return [finding for finding in findings if finding.entity is not Entity.PLACEHOLDER_TEXT]


def kinds(findings: Sequence[Finding]) -> tuple[str, ...]:
    """The kinds of PHI found, each once, in alphabetical order."""
    return tuple(sorted({finding.entity.value for finding in phi_of(findings)}))

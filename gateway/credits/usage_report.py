"""What was used in a span of time, by whoever asks: in all, by model, or by the users whose the keys are (spec U36)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.inference.records import UsageLine


class UsageGroup(StrEnum):
    TOTAL = "total"
    MODEL = "model"
    USER = "user"


@dataclass(frozen=True, slots=True)
class Span:
    start: datetime
    end: datetime
    """Not of it any more."""


@dataclass(frozen=True, slots=True)
class UsagePage:
    """The dearest first. The label of a total is empty, and so is that of users whom no key names."""

    lines: tuple[UsageLine, ...]
    has_more: bool

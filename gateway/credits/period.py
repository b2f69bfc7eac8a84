"""Billing periods: calendar months, in UTC."""

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` up to but not including `end`."""

    start: datetime
    end: datetime


def period_of(at: datetime) -> Period:
    """The period that `at` falls in."""
    start = datetime(at.year, at.month, 1, tzinfo=UTC)
    following = (at.year + 1, 1) if at.month == 12 else (at.year, at.month + 1)
    return Period(start, datetime(*following, 1, tzinfo=UTC))

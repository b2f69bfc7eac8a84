"""How an endpoint does: a circuit that opens when it only fails, and an end when it did so for days. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

DISABLED_AFTER: Final = timedelta(hours=120)
NOTICES_PERCENT: Final = (50, 70, 90)
"""Of `DISABLED_AFTER`: when its organisation is told that it will be disabled."""
LONGEST_WISH_S: Final = 900.0

_FAILURES_TO_OPEN = 5
_FAILURES_TO_DISABLE = 10
_REST = timedelta(seconds=30)
_LONGEST_REST = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Health:
    """`failures` is in a row, `failing_since` the first of them, as far as it counts.

    `rests` is how often the circuit opened since the last success: above 0 one delivery at a time is tried, once
    `rests_until` is past.
    """

    failures: int = 0
    failing_since: datetime | None = None
    noticed_percent: int = 0
    rests: int = 0
    opened_at: datetime | None = None
    rests_until: datetime | None = None

    @property
    def disabled_at(self) -> datetime | None:
        """When it is disabled if nothing gets better."""
        return self.failing_since and self.failing_since + DISABLED_AFTER


WELL: Final = Health()


@dataclass(frozen=True, slots=True)
class Tried:
    """A try of an endpoint: when it `began` and was `over`. `retry_after_s` is what it asked for, if it did."""

    is_delivered: bool
    began: datetime
    over: datetime
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """`notice` is a percentage that its organisation is to be told of now."""

    health: Health
    notice: int | None = None
    disables: bool = False


def after(health: Health, tried: Tried) -> Verdict:
    """How an endpoint of `health` does after a try. One success makes up for every failure."""
    if tried.is_delivered:
        return Verdict(WELL)
    failing = _counted(health, tried)
    failing = _rested(failing, tried)
    share = int((tried.over - (failing.failing_since or tried.over)) / DISABLED_AFTER * 100)
    passed = max((percent for percent in NOTICES_PERCENT if percent <= share), default=0)
    if passed > failing.noticed_percent:
        return Verdict(replace(failing, noticed_percent=passed), notice=passed)
    return Verdict(failing, disables=share >= 100 and failing.failures >= _FAILURES_TO_DISABLE)


def _counted(health: Health, tried: Tried) -> Health:
    """Time in which nothing was tried is nobody's failure: nobody is disabled without the last notice well before."""
    since = health.failing_since or tried.over
    if health.noticed_percent < NOTICES_PERCENT[-1]:
        since = max(since, tried.over - DISABLED_AFTER * NOTICES_PERCENT[-1] / 100)
    return replace(health, failures=health.failures + 1, failing_since=since)


def _rested(health: Health, tried: Tried) -> Health:
    """What was under way while the circuit opened does not open it again: a burst is one reason to rest, not many."""
    is_late = health.opened_at is not None and tried.began <= health.opened_at
    until = health.rests_until
    if health.failures >= _FAILURES_TO_OPEN and not is_late:
        health = replace(health, rests=health.rests + 1, opened_at=tried.over)
        until = _later(until, tried.over + _rest(health.rests))
    if tried.retry_after_s is not None:
        until = _later(until, tried.over + timedelta(seconds=min(tried.retry_after_s, LONGEST_WISH_S)))
    return replace(health, rests_until=until)


def _rest(rests: int) -> timedelta:
    """Doubles with each, from half a minute to a quarter of an hour."""
    return min(_REST * 2 ** min(rests - 1, 10), _LONGEST_REST)


def _later(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else max(one, other)

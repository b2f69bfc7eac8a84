"""Attempts, counted: how they ended and how long answers took, in a form that adds up across processes.

Latencies are counted in intervals that are the same everywhere, each about a
third wider than the one before: from 1 ms to 10 minutes, the longest call.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

INTERVALS = 48
_RATIO = 2**0.4
_BOUNDS_MS = tuple(_RATIO**n for n in range(1, INTERVALS))


class Outcome(StrEnum):
    """How an attempt ended. `BUSY` is a provider that refuses because it has too much to do (429, 529)."""

    OK = "ok"
    BUSY = "busy"
    FAILED = "failed"
    TIMEOUT = "timeout"


def interval_of(latency_ms: float) -> int:
    """The number of the interval it falls in; what is longer than all of them is in the last."""
    return bisect_right(_BOUNDS_MS, latency_ms)


@dataclass(frozen=True, slots=True)
class Tally:
    """`latency` counts answers by interval; only what was answered has one."""

    ok: int = 0
    busy: int = 0
    failed: int = 0
    timeouts: int = 0
    latency: tuple[int, ...] = (0,) * INTERVALS

    @classmethod
    def of(cls, outcome: Outcome, latency_ms: float | None = None) -> "Tally":
        """One attempt."""
        latency = [0] * INTERVALS
        if outcome is Outcome.OK and latency_ms is not None:
            latency[interval_of(latency_ms)] = 1
        return cls(
            ok=int(outcome is Outcome.OK),
            busy=int(outcome is Outcome.BUSY),
            failed=int(outcome is Outcome.FAILED),
            timeouts=int(outcome is Outcome.TIMEOUT),
            latency=tuple(latency),
        )

    @property
    def attempts(self) -> int:
        return self.ok + self.unanswered

    @property
    def unanswered(self) -> int:
        return self.busy + self.failed + self.timeouts

    @property
    def median_ms(self) -> int | None:
        """The middle of the interval that the median falls in: right to a sixth. None without an answer."""
        return _median_ms(self.latency)


def total(tallies: Iterable[Tally]) -> Tally:
    every = tuple(tallies)
    return Tally(
        ok=sum(each.ok for each in every),
        busy=sum(each.busy for each in every),
        failed=sum(each.failed for each in every),
        timeouts=sum(each.timeouts for each in every),
        latency=tuple(map(sum, zip(*(each.latency for each in every), strict=True))) or (0,) * INTERVALS,
    )


def _median_ms(latency: Sequence[int]) -> int | None:
    half = (sum(latency) + 1) // 2
    if not half:
        return None
    passed = 0
    for number, count in enumerate(latency):
        passed += count
        if passed >= half:
            return round(_RATIO ** (number + 0.5))
    raise AssertionError("half of a sum is reached before its end")

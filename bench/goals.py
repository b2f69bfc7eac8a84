"""What Hasp wants to cost, as data. A goal is a distance to print, never a test to fail."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bench.measurement import CONCURRENCIES, SLOW_STREAMS, Results, plain, streamed
from bench.stack import GATEWAY
from bench.workloads import FRAMES, LIVE, NOTE, PACED, SMALL


@dataclass(frozen=True, slots=True)
class Goal:
    """`measured` reads it off a run, or raises `KeyError` where its cell was not run."""

    what: str
    unit: str
    limit: float
    measured: Callable[[Results], float | None]
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class Distance:
    goal: Goal
    measured: float | None
    """None: not measured in this run."""

    @property
    def ratio(self) -> float | None:
        """Measured over goal."""
        return None if self.measured is None else self.measured / self.goal.limit

    @property
    def met(self) -> bool | None:
        if self.measured is None:
            return None
        return self.measured >= self.goal.limit if self.goal.at_least else self.measured <= self.goal.limit


def distance(goal: Goal, results: Results) -> Distance:
    try:
        return Distance(goal, goal.measured(results))
    except KeyError:
        return Distance(goal, None)


def _slow_stream_kb(results: Results) -> float:
    at_rest = results.gateway(plain(SMALL, CONCURRENCIES[-1])).api_memory.rss
    return (results.gateway(SLOW_STREAMS).api_memory.rss - at_rest) * 1000 / SLOW_STREAMS.concurrency


def _frame_us(results: Results) -> float:
    """What a frame that holds nothing of ours costs: a stream's API time over a plain answer's, by frame."""
    through, whole = results.gateway(streamed(SMALL, 16)), results.gateway(plain(SMALL, 16))
    return (through.api_cpu - whole.api_cpu) * 1000 / FRAMES


GOALS: Final = (
    Goal("API CPU, small JSON, c=16, guard on", "ms", 1.5, lambda r: r.gateway(plain(SMALL, 16)).api_cpu),
    Goal("CPU, paced stream, placeholders live, 16 at once", "ms", 6, lambda r: r.own_cpu(streamed(PACED, 16))),
    Goal("first word of a paced stream later by", "ms", 2, lambda r: r.added_first_token(streamed(PACED, 16))),
    Goal("API CPU, unpaced stream, placeholders live, c=16", "ms", 3, lambda r: r.gateway(streamed(LIVE, 16)).api_cpu),
    Goal("API CPU, a frame with nothing masked", "us", 20, _frame_us),
    Goal("guard CPU, a new note of 800 bytes, c=16", "ms", 3.5, lambda r: r.guard_cpu(plain(NOTE, 16))),
    Goal("PostgreSQL CPU, small JSON, c=16", "ms", 1.0, lambda r: r.gateway(plain(SMALL, 16)).postgres_cpu),
    Goal("added p50, small JSON, c=1", "ms", 4, lambda r: r.added_p50(plain(SMALL, 1))),
    Goal("added p99, small JSON, c=1", "ms", 12, lambda r: r.added_p99(plain(SMALL, 1))),
    Goal("added time to first token, small stream, c=1", "ms", 3, lambda r: r.added_first_token(streamed(SMALL, 1))),
    Goal("small JSON, c=64", "1/s", 350, lambda r: r.gateway(plain(SMALL, 64)).per_second, at_least=True),
    Goal("small streams, c=64", "1/s", 250, lambda r: r.gateway(streamed(SMALL, 64)).per_second, at_least=True),
    Goal("p99, small JSON, c=64", "ms", 400, lambda r: r.gateway(plain(SMALL, 64)).p99),
    Goal("p99, small streams, c=64", "ms", 400, lambda r: r.gateway(streamed(SMALL, 64)).p99),
    Goal("API memory, warm", "MB", 160, lambda r: r.gateway(plain(NOTE, 64)).api_memory.rss),
    Goal("scanner memory, warm", "MB", 180, lambda r: r.gateway(plain(NOTE, 64)).scanner_memory.rss),
    Goal("API, start to ready", "s", 3, lambda r: r.ready_s[GATEWAY]),
    Goal("500 slow streams: longest stall", "ms", 50, lambda r: r.gateway(SLOW_STREAMS).longest_gap - 1000),
    Goal("500 slow streams: memory of each", "KB", 60, _slow_stream_kb),
)
"""For two cores that PostgreSQL, the sandbox and the load generator share with the gateway, everything on."""

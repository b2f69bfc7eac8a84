"""Cells and what was measured in them: the arithmetic behind every number of the report."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bench.load import Tally
from bench.processes import Memory
from bench.stack import DIRECT, GATEWAY, UNGUARDED
from bench.workloads import LIVE, NOTE, PACED, SLOW, SMALL, Workload

CONCURRENCIES: Final = (1, 16, 64)


@dataclass(frozen=True, slots=True)
class Cell:
    """One workload at one concurrency, asked of each target in turn."""

    workload: str
    stream: bool
    concurrency: int

    def __str__(self) -> str:
        return f"{self.workload} {'stream' if self.stream else 'JSON'} c={self.concurrency}"


def plain(workload: Workload, concurrency: int) -> Cell:
    return Cell(workload.name, stream=False, concurrency=concurrency)


def streamed(workload: Workload, concurrency: int) -> Cell:
    return Cell(workload.name, stream=True, concurrency=concurrency)


GRID: Final = (
    *(cell(workload, each) for workload in (SMALL, NOTE) for cell in (plain, streamed) for each in CONCURRENCIES),
    streamed(LIVE, 16),
    streamed(PACED, 16),
)
SLOW_STREAMS: Final = streamed(SLOW, 500)


@dataclass(frozen=True, slots=True)
class Spent:
    """Processor milliseconds while a cell ran."""

    api: float = 0.0
    scanners: float = 0.0
    postgres: float = 0.0
    sandbox: float = 0.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One target in one cell. Latencies in ms, rates in 1/s, processor time in ms for each request."""

    requests: int
    per_second: float
    p50: float
    p99: float
    first_token_p50: float | None
    longest_gap: float
    errors: Mapping[str, int]
    api_cpu: float
    scanner_cpu: float
    postgres_cpu: float
    sandbox_cpu: float
    load_cpu: float
    """Of the load generator, for each request."""
    load_busy: float
    """Share of a core that the load generator used: near 1, it is what was measured."""
    api_memory: Memory
    scanner_memory: Memory


def sample(tally: Tally, spent: Spent, *, api_memory: Memory, scanner_memory: Memory) -> Sample:
    """What `tally` and `spent` say of one request. Without any answer, rates are 0 and the rest is not a number."""
    count = len(tally.latencies)

    def each(total: float) -> float:
        return total / count if count else math.nan

    return Sample(
        requests=count,
        per_second=count / tally.wall_s,
        p50=percentile(tally.latencies, 50),
        p99=percentile(tally.latencies, 99),
        first_token_p50=percentile(tally.first_tokens, 50) if tally.first_tokens else None,
        longest_gap=tally.longest_gap,
        errors=tally.errors,
        api_cpu=each(spent.api),
        scanner_cpu=each(spent.scanners),
        postgres_cpu=each(spent.postgres),
        sandbox_cpu=each(spent.sandbox),
        load_cpu=each(tally.cpu_s * 1000),
        load_busy=tally.cpu_s / tally.wall_s,
        api_memory=api_memory,
        scanner_memory=scanner_memory,
    )


def percentile(values: Sequence[float], percent: int) -> float:
    """By nearest rank: a value that occurred. Not a number for no values."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


@dataclass(frozen=True, slots=True)
class Results:
    """All samples of a run, by cell and target."""

    samples: dict[tuple[Cell, str], Sample] = field(default_factory=dict[tuple[Cell, str], Sample])
    ready_s: Mapping[str, float] = field(default_factory=dict[str, float])

    def gateway(self, cell: Cell) -> Sample:
        """Raises `KeyError` for a cell that was not run, as the others do."""
        return self.samples[cell, GATEWAY]

    def direct(self, cell: Cell) -> Sample:
        return self.samples[cell, DIRECT]

    def unguarded(self, cell: Cell) -> Sample:
        return self.samples[cell, UNGUARDED]

    def added_p50(self, cell: Cell, target: str = GATEWAY) -> float:
        return self.samples[cell, target].p50 - self.direct(cell).p50

    def added_p99(self, cell: Cell, target: str = GATEWAY) -> float:
        return self.samples[cell, target].p99 - self.direct(cell).p99

    def added_first_token(self, cell: Cell, target: str = GATEWAY) -> float | None:
        through, straight = self.samples[cell, target].first_token_p50, self.direct(cell).first_token_p50
        return None if through is None or straight is None else through - straight

    def own_cpu(self, cell: Cell) -> float:
        """Of all the gateway's processes, for one request."""
        through = self.gateway(cell)
        return through.api_cpu + through.scanner_cpu

    def guard_cpu(self, cell: Cell) -> float:
        """What the guard costs a request, in the API process and in the scanners."""
        return self.own_cpu(cell) - self.unguarded(cell).api_cpu

    @property
    def failures(self) -> list[str]:
        """One line for each kind of error in each sample; any makes the run worthless."""
        return [
            f"{cell}, {target}: {count} x {kind}"
            for (cell, target), each in self.samples.items()
            for kind, count in (each.errors if each.requests else {"no answer at all": 1, **each.errors}).items()
        ]

"""The numbers of a benchmark report are what the samples say."""

import math

import pytest

from bench.goals import GOALS, Goal, distance
from bench.load import Tally
from bench.measurement import Cell, Results, Sample, Spent, percentile, plain, sample, streamed
from bench.processes import Memory, spent_ms
from bench.report import text
from bench.stack import DIRECT, GATEWAY, TARGETS, UNGUARDED
from bench.workloads import SMALL

CELL = plain(SMALL, 1)
NOTHING = Memory(0, 0)
IDLE = Spent()


def measured(latencies: list[float], spent: Spent = IDLE, errors: dict[str, int] | None = None) -> Sample:
    tally = Tally(latencies=latencies, first_tokens=[each / 2 for each in latencies], errors=errors or {}, wall_s=2.0)
    return sample(tally, spent, api_memory=NOTHING, scanner_memory=NOTHING)


def results(cell: Cell = CELL) -> Results:
    return Results(
        samples={
            (cell, DIRECT): measured([1.0, 2.0, 3.0]),
            (cell, GATEWAY): measured([5.0, 6.0, 10.0], Spent(api=6.0, scanners=3.0, postgres=1.5)),
            (cell, UNGUARDED): measured([4.0, 5.0, 6.0], Spent(api=3.0)),
        }
    )


@pytest.mark.parametrize(("percent", "expected"), [(1, 10.0), (50, 20.0), (75, 30.0), (99, 40.0), (100, 40.0)])
def test_a_percentile_is_a_value_that_occurred(percent: int, expected: float) -> None:
    assert percentile([40.0, 10.0, 30.0, 20.0], percent) == expected


def test_a_percentile_of_nothing_is_not_a_number() -> None:
    assert math.isnan(percentile([], 50))


def test_rates_and_costs_are_of_one_request() -> None:
    through = results().gateway(CELL)
    assert (through.requests, through.per_second) == (3, 1.5)
    assert (through.api_cpu, through.scanner_cpu, through.postgres_cpu) == (2.0, 1.0, 0.5)


def test_added_latency_is_over_direct() -> None:
    run = results()
    assert run.added_p50(CELL) == 4.0
    assert run.added_p99(CELL) == 7.0
    assert run.added_first_token(CELL) == 2.0
    assert run.added_p50(CELL, UNGUARDED) == 3.0


def test_the_guard_costs_what_the_build_without_it_does_not() -> None:
    assert results().guard_cpu(CELL) == 2.0


def test_a_process_that_started_in_between_counts_whole() -> None:
    assert spent_ms({1: 100.0, 2: 50.0}, {1: 130.0, 3: 20.0}) == 50.0


def test_a_goal_is_met_from_its_own_side() -> None:
    run = results()
    at_most = distance(Goal("p50", "ms", 3.0, lambda r: r.gateway(CELL).p50), run)
    at_least = distance(Goal("rate", "1/s", 1.0, lambda r: r.gateway(CELL).per_second, at_least=True), run)
    assert (at_most.ratio, at_most.met) == (2.0, False)
    assert (at_least.ratio, at_least.met) == (1.5, True)


def test_a_goal_whose_cell_was_not_run_is_neither_met_nor_missed() -> None:
    missing = distance(Goal("p50", "ms", 3.0, lambda r: r.gateway(streamed(SMALL, 1)).p50), results())
    assert (missing.measured, missing.ratio, missing.met) == (None, None, None)


def test_every_error_and_every_silence_fails_the_run() -> None:
    run = results()
    assert run.failures == []
    run.samples[CELL, GATEWAY] = measured([1.0], errors={"status 503": 2})
    run.samples[CELL, UNGUARDED] = measured([])
    assert run.failures == [
        "small JSON c=1, gateway: 2 x status 503",
        "small JSON c=1, unguarded: 1 x no answer at all",
    ]


def test_the_report_has_a_line_for_every_target_and_goal() -> None:
    printed = text(results())
    assert all(target in printed for target in TARGETS)
    assert all(goal.what in printed for goal in GOALS)
    assert "not measured in this run" in printed

"""Latencies in intervals, and tallies that add up."""

import math
import random
import statistics

import pytest

from gateway.routing.tally import INTERVALS, Outcome, Tally, interval_of, total


def answers(*latencies_ms: float) -> Tally:
    return total(Tally.of(Outcome.OK, latency) for latency in latencies_ms)


@pytest.mark.parametrize("latency_ms", [0, 0.3, 1, 17, 250, 1_000, 90_000, 599_000, 10_000_000, math.inf])
def test_every_latency_is_in_an_interval(latency_ms: float) -> None:
    assert 0 <= interval_of(latency_ms) < INTERVALS


def test_intervals_are_in_order() -> None:
    numbers = [interval_of(2 ** (step / 10)) for step in range(200)]

    assert numbers == sorted(numbers)
    assert set(numbers) == set(range(INTERVALS))


@pytest.mark.parametrize("seed", range(20))
def test_the_median_of_many_is_right_to_a_sixth(seed: int) -> None:
    chance = random.Random(seed)
    latencies = [chance.lognormvariate(7, 1.2) for _ in range(501)]

    median = answers(*latencies).median_ms

    assert median == pytest.approx(statistics.median(latencies), rel=0.16)


@pytest.mark.parametrize(
    ("latencies_ms", "between"),
    [((100,), (85, 120)), ((100, 100, 9_000), (85, 120)), ((100, 9_000, 9_000), (7_500, 10_500))],
)
def test_the_median_of_few_is_one_of_them(latencies_ms: tuple[int, ...], between: tuple[int, int]) -> None:
    median = answers(*latencies_ms).median_ms

    assert median is not None
    assert between[0] < median < between[1]


def test_there_is_no_median_of_nothing() -> None:
    assert total([]).median_ms is None


@pytest.mark.parametrize("outcome", [Outcome.BUSY, Outcome.FAILED, Outcome.TIMEOUT])
def test_what_was_not_answered_has_no_latency(outcome: Outcome) -> None:
    tally = Tally.of(outcome, 3)

    assert (tally.attempts, tally.unanswered, tally.median_ms) == (1, 1, None)


def test_tallies_of_processes_add_up() -> None:
    mine = total([answers(10, 4_000), Tally.of(Outcome.BUSY), Tally.of(Outcome.FAILED)])
    theirs = total([answers(12), Tally.of(Outcome.TIMEOUT), Tally.of(Outcome.TIMEOUT)])

    both = total([mine, theirs])

    assert (both.ok, both.busy, both.failed, both.timeouts) == (3, 1, 1, 2)
    assert both.latency == total([theirs, mine]).latency
    assert sum(both.latency) == 3

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.webhooks import ladder
from gateway.webhooks.attempts import Failure, Outcome
from gateway.webhooks.ladder import DEFAULT_WAITS_S, Wish

WAITS = st.lists(st.floats(1, 7 * 86_400), min_size=1, max_size=30).map(sorted)
IDS = st.text(st.characters(codec="ascii"), min_size=1, max_size=26)


def test_the_ladder_begins_as_documented_and_lasts_three_days() -> None:
    assert DEFAULT_WAITS_S[:5] == (10, 60, 300, 1_800, 7_200)
    assert sum(DEFAULT_WAITS_S) / 3600 == pytest.approx(75.6, abs=0.1)
    ladder.check_waits(DEFAULT_WAITS_S)


@given(WAITS, IDS, st.integers(1, 40), st.integers(0, 20))
def test_a_wait_is_within_a_fifth_of_its_step(waits: list[float], delivery: str, step: int, before: int) -> None:
    wait = ladder.wait_s(waits, delivery, before + step, Wish(), before=before)

    if step > len(waits):
        assert wait is None
    else:
        assert wait is not None
        assert 0.8 * waits[step - 1] <= wait <= 1.2 * waits[step - 1]


@given(WAITS, IDS, st.floats(0, 1e9))
def test_what_a_receiver_asks_for_lengthens_a_wait_at_most_twice(
    waits: list[float], delivery: str, asked: float
) -> None:
    plain = ladder.wait_s(waits, delivery, 1, Wish())
    wait = ladder.wait_s(waits, delivery, 1, Wish(asked))

    assert plain is not None
    assert wait is not None
    assert plain <= wait <= 2 * plain
    assert wait == asked or not plain < asked < 2 * plain


@given(WAITS, IDS)
def test_one_that_is_slow_has_a_minute_at_least(waits: list[float], delivery: str) -> None:
    wait = ladder.wait_s(waits, delivery, 1, Wish(is_slow=True))

    assert wait is not None
    assert wait >= 60


@pytest.mark.parametrize("failure", list(Failure))
def test_timeouts_and_throttling_are_slow_and_nothing_else_is(failure: Failure) -> None:
    is_slow = ladder.wish_of(Outcome(failure, 1)).is_slow

    assert is_slow == (failure in (Failure.TIMEOUT, Failure.THROTTLED))


def test_deliveries_that_failed_together_come_back_apart() -> None:
    waits = {ladder.wait_s([100], f"delivery {n}", 1, Wish()) for n in range(100)}

    assert len(waits) == 100


def test_later_steps_wait_longer_whatever_the_jitter() -> None:
    waits = [ladder.wait_s(DEFAULT_WAITS_S[:6], "one", number, Wish()) or 0 for number in range(1, 7)]

    assert all(later > earlier for earlier, later in pairwise(waits))


@pytest.mark.parametrize("waits", [[], [0.5], [60, 10], [700_000], [1] * 31])
def test_a_ladder_that_makes_no_sense_is_refused(waits: list[float]) -> None:
    with pytest.raises(ValueError, match="wait"):
        ladder.check_waits(waits)

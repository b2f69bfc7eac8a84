"""Waits are spread, bounded, and never shorter than the vendor asked for; retries are rationed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.routing.backoff import Allowance, Backoff, RetryBudget, RetryBudgets


def nearly_one() -> float:
    return 0.999


@pytest.mark.parametrize(("retry", "longest"), [(0, 0.25), (1, 0.5), (2, 1.0), (5, 5.0), (6, 5.0), (50, 5.0)])
def test_the_longest_wait_doubles_up_to_five_seconds(retry: int, longest: float) -> None:
    assert Backoff().wait_s(retry, None, nearly_one) == pytest.approx(longest, rel=0.01)


def test_the_shortest_wait_is_none() -> None:
    assert Backoff().wait_s(5, None, lambda: 0.0) == 0.0


def test_late_retries_are_spread_over_all_of_the_longest_wait() -> None:
    assert Backoff().wait_s(50, None, lambda: 0.5) == 2.5


@given(
    retry=st.integers(0, 20), retry_after_s=st.integers(0, 5), drawn=st.floats(0, 1, exclude_max=True, allow_nan=False)
)
def test_a_wait_is_never_shorter_than_the_vendor_asks_nor_longer_than_worth_it(
    retry: int, retry_after_s: int, drawn: float
) -> None:
    wait_s = Backoff().wait_s(retry, retry_after_s, lambda: drawn)

    assert wait_s is not None
    assert retry_after_s <= wait_s <= 5.0


def test_callers_refused_together_do_not_come_back_together() -> None:
    assert Backoff().wait_s(0, 2, lambda: 0.1) != Backoff().wait_s(0, 2, lambda: 0.9)


def test_a_vendor_that_asks_for_more_is_not_waited_for() -> None:
    assert Backoff().wait_s(0, 9, lambda: 0.0) is None


def test_a_burst_of_retries_is_paid_for_in_advance() -> None:
    budget = RetryBudget(Allowance())

    assert [budget.withdraw() for _ in range(11)] == [True] * 10 + [False]


def test_ten_calls_pay_for_one_more_retry() -> None:
    budget = RetryBudget(Allowance(burst=1))
    budget.withdraw()

    for _ in range(9):
        budget.deposit()
    assert not budget.withdraw()
    budget.deposit()
    assert budget.withdraw()


def test_quiet_times_save_up_no_more_than_the_burst() -> None:
    budget = RetryBudget(Allowance())
    for _ in range(10_000):
        budget.deposit()

    assert sum(budget.withdraw() for _ in range(100)) == 10


@given(st.lists(st.booleans(), max_size=500))
def test_retries_never_exceed_their_share_of_the_calls(is_call: list[bool]) -> None:
    budget, calls, retries = RetryBudget(Allowance()), 0, 0
    for call in is_call:
        if call:
            budget.deposit()
            calls += 1
        else:
            retries += budget.withdraw()
        assert retries <= 10 + calls / 10


def test_upstreams_have_budgets_of_their_own() -> None:
    budgets = RetryBudgets(Allowance(burst=1))
    assert budgets.of("first").withdraw()

    assert not budgets.of("first").withdraw()
    assert budgets.of("second").withdraw()


def test_budgets_are_bounded_and_the_one_not_used_for_the_longest_goes() -> None:
    budgets = RetryBudgets(max_budgets=2)
    first, second = budgets.of("first"), budgets.of("second")
    budgets.of("first")

    budgets.of("third")

    assert budgets.of("first") is first
    assert budgets.of("second") is not second


def test_nobody_uses_up_the_retries_of_others() -> None:
    budgets = RetryBudgets(Allowance(burst=1))
    assert budgets.of("upstream", "one").withdraw()

    assert not budgets.of("upstream", "one").withdraw()
    assert budgets.of("upstream", "another").withdraw()

"""What is tried again, where, after how long, and what the caller is told in the end."""

import pytest

from gateway.errors import (
    GatewayError,
    InternalError,
    ProviderRejectedError,
    TooLargeError,
    UnavailableError,
    UpstreamBrokenOffError,
    UpstreamBusyError,
    UpstreamFailureError,
    UpstreamMisconfiguredError,
    UpstreamStalledError,
    UpstreamThrottledError,
    UpstreamTimeoutError,
    UpstreamUnreachableError,
)
from gateway.routing.attempts import Attempts, Fail, Limits, Try, Wait
from gateway.routing.breaker import CircuitState
from tests.unit.routing.driving import A, B, C, Upstreams, half

AGAIN = [UpstreamBusyError(), UpstreamUnreachableError()]
ELSEWHERE = [UpstreamTimeoutError(), UpstreamMisconfiguredError()]
BROKEN = [UpstreamFailureError(), UpstreamBrokenOffError(), UpstreamStalledError()]
CALLERS = [ProviderRejectedError(), TooLargeError()]
OURS = [InternalError(), UnavailableError()]


def name(error: GatewayError) -> str:
    return type(error).__name__


def test_a_call_that_succeeds_is_tried_once() -> None:
    upstreams = Upstreams()

    assert upstreams.route(upstreams.call(A, B), [None]) == [A]


@pytest.mark.parametrize("error", AGAIN, ids=name)
def test_what_may_pass_is_tried_again_at_the_same_target(error: GatewayError) -> None:
    upstreams = Upstreams()

    assert upstreams.route(upstreams.call(A, B), [error, None]) == [A, 0.125, A]


@pytest.mark.parametrize("error", AGAIN, ids=name)
def test_when_retries_are_used_up_the_next_target_is_tried(error: GatewayError) -> None:
    upstreams = Upstreams()

    assert upstreams.route(upstreams.call(A, B), [error] * 3 + [None]) == [A, 0.125, A, 0.25, A, B]


@pytest.mark.parametrize("error", ELSEWHERE, ids=name)
def test_what_will_not_pass_is_tried_at_another_target_at_once(error: GatewayError) -> None:
    upstreams = Upstreams()

    assert upstreams.route(upstreams.call(A, B), [error, None]) == [A, B]


@pytest.mark.parametrize("error", BROKEN + CALLERS + OURS, ids=name)
def test_nothing_follows_an_answer_or_a_mistake(error: GatewayError) -> None:
    upstreams = Upstreams()

    assert upstreams.route(upstreams.call(A, B), [error]) == [A, error]


@pytest.mark.parametrize("error", AGAIN + ELSEWHERE, ids=name)
def test_nothing_is_tried_again_once_an_answer_has_begun(error: GatewayError) -> None:
    attempts = Upstreams().call(A, B)
    attempts.next(0.0)

    attempts.began()
    attempts.failed(error, 1.0)

    assert attempts.next(1.0) == Fail(error)


def test_tries_are_numbered_over_the_whole_call() -> None:
    upstreams = Upstreams()

    steps = upstreams.drive(upstreams.call(A, B), [UpstreamBusyError(), UpstreamTimeoutError(), None])

    assert [(step.number, step.target) for step in steps if isinstance(step, Try)] == [(1, A), (2, A), (3, B)]


def test_without_retries_each_target_is_tried_once() -> None:
    upstreams = Upstreams()

    assert upstreams.route(upstreams.call(A, B, retries=0), [UpstreamBusyError(), None]) == [A, B]


def test_the_vendors_retry_after_is_waited_for() -> None:
    upstreams = Upstreams()

    assert upstreams.route(upstreams.call(A), [UpstreamBusyError(retry_after_s=3), None]) == [A, 3.125, A]


def test_a_long_wait_gives_way_to_another_target() -> None:
    upstreams = Upstreams()

    assert upstreams.route(upstreams.call(A, B), [UpstreamBusyError(retry_after_s=3), None]) == [A, B]


def test_a_target_that_gave_way_is_tried_again_when_no_other_is_left() -> None:
    upstreams = Upstreams()
    outcomes = [UpstreamBusyError(retry_after_s=3), UpstreamTimeoutError(), None]

    assert upstreams.route(upstreams.call(A, B), outcomes) == [A, B, 3.125, A]


def test_a_target_that_gave_way_goes_first_when_its_time_has_come() -> None:
    upstreams = Upstreams()
    attempts = upstreams.call(A, B)
    attempts.next(0.0)
    attempts.failed(UpstreamBusyError(retry_after_s=3), 0.0)
    attempts.next(0.0)

    attempts.failed(UpstreamUnreachableError(), 10.0)

    step = attempts.next(10.0)
    assert isinstance(step, Try)
    assert step.target == A


def test_of_several_long_waits_the_shortest_is_made() -> None:
    upstreams = Upstreams()
    outcomes = [UpstreamBusyError(retry_after_s=7), UpstreamBusyError(retry_after_s=4), None]

    assert upstreams.route(upstreams.call(A, B), outcomes) == [A, B, 4.125, B]


def test_a_short_wait_does_not_give_way() -> None:
    upstreams = Upstreams()
    attempts = upstreams.call(A, B, patience_s=5.0)

    assert upstreams.route(attempts, [UpstreamBusyError(retry_after_s=3), None]) == [A, 3.125, A]


def test_a_retry_after_not_worth_waiting_for_is_told_to_the_caller() -> None:
    upstreams = Upstreams()
    busy = UpstreamBusyError(retry_after_s=9)

    assert upstreams.route(upstreams.call(A), [busy]) == [A, busy]


def test_a_retry_after_beyond_the_deadline_is_told_to_the_caller() -> None:
    upstreams = Upstreams()
    busy = UpstreamBusyError(retry_after_s=5)

    assert upstreams.route(upstreams.call(A, deadline=5.0), [busy]) == [A, busy]


def test_a_retry_after_beyond_the_deadline_sends_the_call_elsewhere() -> None:
    upstreams = Upstreams()
    attempts = upstreams.call(A, B, patience_s=10.0, deadline=5.0)

    assert upstreams.route(attempts, [UpstreamBusyError(retry_after_s=5), None]) == [A, B]


def test_asked_too_early_it_says_how_much_longer_to_wait() -> None:
    attempts = Upstreams().call(A)
    attempts.next(0.0)
    attempts.failed(UpstreamBusyError(retry_after_s=3), 0.0)

    assert [attempts.next(now) for now in (0.0, 1.0, 3.0)] == [Wait(3.125), Wait(2.125), Wait(0.125)]


def test_nothing_is_tried_after_the_deadline() -> None:
    attempts = Upstreams().call(A, B, deadline=5.0)
    attempts.next(0.0)
    timeout = UpstreamTimeoutError()

    attempts.failed(timeout, 5.0)

    assert attempts.next(5.0) == Fail(timeout)


def test_a_call_whose_deadline_is_over_before_it_starts_is_a_timeout() -> None:
    step = Upstreams().call(A, deadline=5.0).next(5.0)

    assert isinstance(step, Fail)
    assert isinstance(step.error, UpstreamTimeoutError)


def test_the_caller_is_told_what_became_of_the_model_asked_for() -> None:
    upstreams = Upstreams()
    last = UpstreamBusyError(retry_after_s=30)
    outcomes = [UpstreamUnreachableError(), last, UpstreamTimeoutError(), UpstreamMisconfiguredError()]

    route = upstreams.route(upstreams.call(A, B, C), outcomes)

    assert route[-1] is last


def test_a_request_that_only_another_target_refuses_is_no_mistake_of_the_callers() -> None:
    upstreams = Upstreams()
    timeout = UpstreamTimeoutError()

    assert upstreams.route(upstreams.call(A, B), [timeout, ProviderRejectedError()]) == [A, B, timeout]


def test_a_vendor_that_throttles_us_keeps_its_circuit_closed() -> None:
    upstreams = Upstreams()

    for _ in range(20):
        upstreams.route(upstreams.call(A), [UpstreamThrottledError()] * 3)

    assert upstreams.breakers.snapshot(upstreams.now) == ()


def test_a_target_whose_circuit_is_open_is_passed_over() -> None:
    upstreams = Upstreams()
    upstreams.open_circuit(A)

    assert upstreams.route(upstreams.call(A, B), [None]) == [B]


def test_when_all_circuits_are_open_the_caller_learns_the_soonest_time() -> None:
    upstreams = Upstreams()
    upstreams.open_circuit(B)
    upstreams.now = 4.0
    upstreams.open_circuit(A)

    [step] = upstreams.drive(upstreams.call(A, B), [])

    assert isinstance(step, Fail)
    assert isinstance(step.error, UpstreamBusyError)
    assert step.error.retry_after_s == 11


def test_a_call_whose_model_was_passed_over_ends_as_busy_with_its_time() -> None:
    upstreams = Upstreams()
    upstreams.open_circuit(A)

    *_, step = upstreams.drive(upstreams.call(A, B), [UpstreamTimeoutError()])

    assert isinstance(step, Fail)
    assert isinstance(step.error, UpstreamBusyError)
    assert step.error.retry_after_s == 15


def test_a_circuit_that_opens_during_a_wait_is_respected() -> None:
    upstreams = Upstreams()
    attempts = upstreams.call(A, B)
    attempts.next(0.0)
    attempts.failed(UpstreamBusyError(), 0.0)
    assert isinstance(attempts.next(0.0), Wait)

    upstreams.open_circuit(A)

    step = attempts.next(0.125)
    assert isinstance(step, Try)
    assert step.target == B


def test_a_probe_that_fails_is_not_retried_where_it_failed() -> None:
    upstreams = Upstreams()
    upstreams.open_circuit(A)
    upstreams.now = 15.0

    assert upstreams.route(upstreams.call(A, B), [UpstreamUnreachableError(), None]) == [A, B]


def test_without_budget_nothing_is_retried_and_nobody_waits_for_it() -> None:
    upstreams = Upstreams()
    upstreams.exhaust_retries(A)
    error = UpstreamUnreachableError()

    assert upstreams.route(upstreams.call(A), [error]) == [A, error]


def test_another_target_needs_no_budget() -> None:
    upstreams = Upstreams()
    upstreams.exhaust_retries(A)
    upstreams.exhaust_retries(B)

    assert upstreams.route(upstreams.call(A, B), [UpstreamUnreachableError(), None]) == [A, B]


def test_a_retry_that_gave_way_and_was_never_made_costs_no_budget() -> None:
    upstreams = Upstreams()
    for _ in range(100):
        upstreams.drive(upstreams.call(A, B), [UpstreamBusyError(retry_after_s=3), None])
        upstreams.now += 1_000.0

    assert sum(upstreams.budgets.of(A.upstream).withdraw() for _ in range(100)) == 10


@pytest.mark.parametrize("error", AGAIN + ELSEWHERE + BROKEN, ids=name)
def test_failures_of_the_vendor_open_its_circuit(error: GatewayError) -> None:
    upstreams = Upstreams()
    for _ in range(5):
        upstreams.drive(upstreams.call(A, retries=0), [error])

    assert upstreams.breaker(A).state(0.0) is CircuitState.OPEN


@pytest.mark.parametrize("error", CALLERS, ids=name)
def test_a_vendor_that_refuses_a_mistake_is_alive(error: GatewayError) -> None:
    upstreams = Upstreams()
    upstreams.open_circuit(A)
    upstreams.now = 15.0

    upstreams.drive(upstreams.call(A), [error])

    assert upstreams.breaker(A).state(15.0) is CircuitState.CLOSED


@pytest.mark.parametrize("error", OURS, ids=name)
def test_an_error_of_ours_says_nothing_about_the_vendor(error: GatewayError) -> None:
    upstreams = Upstreams()
    upstreams.open_circuit(A)
    upstreams.now = 15.0

    upstreams.drive(upstreams.call(A), [error])

    assert upstreams.breaker(A).state(15.0) is CircuitState.HALF_OPEN
    assert upstreams.breaker(A).allows(15.0)


def test_a_caller_that_hangs_up_says_nothing_about_the_vendor() -> None:
    upstreams = Upstreams()
    upstreams.open_circuit(A)
    attempts = upstreams.call(A)
    attempts.next(15.0)

    attempts.abandoned()

    assert upstreams.breaker(A).state(15.0) is CircuitState.HALF_OPEN
    assert upstreams.breaker(A).allows(15.0)


def test_an_answer_that_begins_lets_others_follow_the_probe() -> None:
    upstreams = Upstreams()
    upstreams.open_circuit(A)
    attempts = upstreams.call(A)
    attempts.next(15.0)

    attempts.began()

    assert upstreams.breaker(A).state(15.0) is CircuitState.CLOSED


def test_a_call_can_be_abandoned_at_any_time() -> None:
    upstreams = Upstreams()
    waiting, succeeded = upstreams.call(A), upstreams.call(A)
    waiting.next(0.0)
    waiting.failed(UpstreamBusyError(), 0.0)
    upstreams.drive(succeeded, [None])

    for attempts in (upstreams.call(A), waiting, succeeded):
        attempts.abandoned()
        attempts.abandoned()


def test_a_try_is_to_be_reported_on_before_the_next_step() -> None:
    attempts = Upstreams().call(A)
    attempts.next(0.0)

    with pytest.raises(RuntimeError):
        attempts.next(0.0)


def test_a_try_is_reported_on_once() -> None:
    attempts = Upstreams().call(A)
    attempts.next(0.0)
    attempts.failed(UpstreamBusyError(), 0.0)

    with pytest.raises(RuntimeError):
        attempts.failed(UpstreamBusyError(), 0.0)
    with pytest.raises(RuntimeError):
        attempts.succeeded(0.0)
    with pytest.raises(RuntimeError):
        attempts.began()


def test_a_call_that_is_over_has_no_next_step() -> None:
    upstreams = Upstreams()
    attempts = upstreams.call(A)
    upstreams.drive(attempts, [None])

    with pytest.raises(RuntimeError):
        attempts.next(0.0)


def test_a_call_needs_a_target() -> None:
    shared = Upstreams()

    with pytest.raises(ValueError, match="target"):
        Attempts(
            targets=(),
            deadline=1.0,
            limits=Limits(),
            breakers=shared.breakers,
            budgets=shared.budgets,
            random=half,
        )

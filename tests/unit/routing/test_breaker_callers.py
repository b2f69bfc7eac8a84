"""What one caller's requests do to a model is kept from others, until theirs fail too."""

from gateway.routing.breaker import Breaker, CircuitState, Thresholds

A, B, C = "one", "another", "third"
OPEN_S = Thresholds().open_s


def fail(breaker: Breaker, caller: str, now: float = 0.0, *, times: int = 5) -> None:
    for _ in range(times):
        ticket = breaker.enter(now, caller)
        assert ticket is not None
        breaker.failed(ticket, now)


def succeed(breaker: Breaker, caller: str, now: float = 0.0) -> None:
    ticket = breaker.enter(now, caller)
    assert ticket is not None
    breaker.succeeded(ticket, now)


def opened_for_all() -> Breaker:
    breaker = Breaker(Thresholds())
    fail(breaker, A)
    fail(breaker, B)
    return breaker


def test_a_caller_whose_requests_fail_shuts_out_nobody_else() -> None:
    breaker = Breaker(Thresholds())

    fail(breaker, A)

    assert not breaker.allows(0.0, A)
    assert breaker.retry_after_s(0.0, A) == OPEN_S
    assert breaker.allows(0.0, B)
    assert breaker.retry_after_s(0.0, B) == 0


def test_the_one_with_the_most_failures_is_refused_alone() -> None:
    breaker = Breaker(Thresholds())
    fail(breaker, B, times=1)

    fail(breaker, A, times=4)

    assert not breaker.allows(0.0, A)
    assert breaker.allows(0.0, B)


def test_failures_of_others_open_it_for_everybody() -> None:
    breaker = opened_for_all()

    assert not any(breaker.allows(0.0, caller) for caller in (A, B, C))
    assert breaker.state(0.0) is CircuitState.OPEN


def test_a_caller_who_keeps_probing_in_vain_keeps_nobody_else_out() -> None:
    breaker = Breaker(Thresholds())
    fail(breaker, A)
    now = 0.0

    for _ in range(10):
        now += breaker.retry_after_s(now, A)
        fail(breaker, A, now, times=1)

        assert not breaker.allows(now, A)
        assert breaker.allows(now, B)


def test_one_whose_probe_failed_lets_others_probe_first() -> None:
    breaker = opened_for_all()
    fail(breaker, A, OPEN_S, times=1)
    again = OPEN_S + breaker.retry_after_s(OPEN_S, B)

    assert not breaker.allows(again, A)
    assert breaker.allows(again, B)
    succeed(breaker, B, again)

    assert breaker.state(again) is CircuitState.CLOSED


def test_one_whose_probe_failed_may_probe_again_when_nobody_else_came() -> None:
    breaker = opened_for_all()
    fail(breaker, A, OPEN_S, times=1)

    assert breaker.allows(OPEN_S + breaker.retry_after_s(OPEN_S, A), A)


def test_a_wait_that_one_callers_probes_have_lengthened_is_not_everybodys() -> None:
    breaker = Breaker(Thresholds())
    fail(breaker, A)
    fail(breaker, A, OPEN_S, times=1)

    fail(breaker, B, OPEN_S)

    assert breaker.retry_after_s(OPEN_S, C) == OPEN_S


def test_a_model_that_answers_others_is_not_told_to_be_down() -> None:
    breaker = Breaker(Thresholds())
    fail(breaker, A)
    assert breaker.state(0.0) is CircuitState.OPEN

    succeed(breaker, B)

    assert breaker.state(0.0) is CircuitState.CLOSED
    assert not breaker.allows(0.0, A)


def test_what_a_refused_caller_still_has_under_way_counts_for_nobody() -> None:
    breaker = Breaker(Thresholds())
    late = [breaker.enter(0.0, A) for _ in range(10)]
    fail(breaker, A)

    for ticket in late:
        assert ticket is not None
        breaker.failed(ticket, 1.0)

    assert breaker.allows(1.0, B)

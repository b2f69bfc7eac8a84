"""A model that keeps failing is left alone, and asked again with one call at a time."""

from gateway.routing.breaker import Breaker, Breakers, Circuit, CircuitState, Thresholds, Ticket

LEASE_S = Thresholds().probe_lease_s


def entered(breaker: Breaker, now: float) -> Ticket:
    ticket = breaker.enter(now)
    assert ticket is not None
    return ticket


def fail(breaker: Breaker, now: float, *, times: int = 1) -> None:
    for _ in range(times):
        breaker.failed(entered(breaker, now), now)


def succeed(breaker: Breaker, now: float, *, times: int = 1) -> None:
    for _ in range(times):
        breaker.succeeded(entered(breaker, now), now)


def opened(now: float = 0.0) -> Breaker:
    """A circuit that just opened, for 15 seconds."""
    breaker = Breaker(Thresholds())
    fail(breaker, now, times=5)
    assert breaker.state(now) is CircuitState.OPEN
    return breaker


def test_a_new_circuit_lets_every_call_through() -> None:
    breaker = Breaker(Thresholds())

    assert all(breaker.enter(0.0) is not None for _ in range(100))
    assert (breaker.state(0.0), breaker.retry_after_s(0.0)) == (CircuitState.CLOSED, 0)


def test_five_failures_with_nothing_else_open_it() -> None:
    breaker = Breaker(Thresholds())

    fail(breaker, 0.0, times=4)
    assert breaker.state(0.0) is CircuitState.CLOSED
    fail(breaker, 1.0)
    assert breaker.state(1.0) is CircuitState.OPEN


def test_half_of_ten_calls_failing_open_it() -> None:
    breaker = Breaker(Thresholds())
    succeed(breaker, 0.0, times=5)

    fail(breaker, 1.0, times=4)
    assert breaker.state(1.0) is CircuitState.CLOSED
    fail(breaker, 1.0)
    assert breaker.state(1.0) is CircuitState.OPEN


def test_fewer_than_half_failing_do_not_open_it() -> None:
    breaker = Breaker(Thresholds())
    for second in range(200):
        succeed(breaker, second, times=3)
        fail(breaker, second, times=2)

    assert breaker.state(200.0) is CircuitState.CLOSED


def test_a_success_never_opens_it() -> None:
    breaker = Breaker(Thresholds())
    succeed(breaker, 0.0)
    fail(breaker, 0.0, times=8)

    succeed(breaker, 0.0)

    assert breaker.state(0.0) is CircuitState.CLOSED


def test_failures_older_than_the_window_are_forgotten() -> None:
    breaker = Breaker(Thresholds())
    fail(breaker, 0.0, times=4)

    fail(breaker, 30.0, times=4)

    assert breaker.state(30.0) is CircuitState.CLOSED


def test_successes_older_than_the_window_do_not_vouch_for_it() -> None:
    breaker = Breaker(Thresholds())
    succeed(breaker, 0.0, times=1_000)

    fail(breaker, 31.0, times=5)

    assert breaker.state(31.0) is CircuitState.OPEN


def test_an_open_circuit_refuses_calls_and_says_for_how_long() -> None:
    breaker = opened()

    assert breaker.enter(14.9) is None
    assert [breaker.retry_after_s(now) for now in (0.0, 0.5, 14.9)] == [15, 15, 1]


def test_after_its_time_one_probe_gets_through_and_others_do_not() -> None:
    breaker = opened()

    probe = breaker.enter(15.0)

    assert probe is not None
    assert probe.is_probe
    assert breaker.state(15.0) is CircuitState.HALF_OPEN
    assert breaker.enter(15.0) is None
    assert breaker.enter(15.0 + LEASE_S - 0.1) is None


def test_asking_whether_a_call_may_go_takes_no_place() -> None:
    breaker = opened()

    assert breaker.allows(15.0)
    assert breaker.allows(15.0)
    assert breaker.enter(15.0) is not None
    assert not breaker.allows(15.0)


def test_a_probe_that_succeeds_closes_it() -> None:
    breaker = opened()

    succeed(breaker, 15.0)

    assert breaker.state(15.0) is CircuitState.CLOSED


def test_a_closed_circuit_does_not_remember_why_it_opened() -> None:
    breaker = opened()
    succeed(breaker, 15.0)

    fail(breaker, 15.0, times=4)

    assert breaker.state(15.0) is CircuitState.CLOSED


def test_each_probe_that_fails_doubles_the_time_up_to_two_minutes() -> None:
    breaker = opened()
    now, told = 0.0, list[int]()
    for _ in range(6):
        told.append(breaker.retry_after_s(now))
        now += breaker.retry_after_s(now)
        fail(breaker, now)

    assert told == [15, 30, 60, 120, 120, 120]


def test_after_a_success_the_time_is_short_again() -> None:
    breaker = opened()
    fail(breaker, 15.0)
    succeed(breaker, 45.0)

    fail(breaker, 45.0, times=5)

    assert breaker.retry_after_s(45.0) == 15


def test_a_probe_that_never_reports_frees_its_place_after_its_lease() -> None:
    breaker = opened()
    entered(breaker, 15.0)

    assert entered(breaker, 15.0 + LEASE_S).is_probe
    assert breaker.enter(15.0 + LEASE_S) is None


def test_a_probe_whose_caller_hung_up_frees_its_place_at_once() -> None:
    breaker = opened()

    breaker.abandoned(entered(breaker, 15.0))

    assert breaker.state(15.0) is CircuitState.HALF_OPEN
    assert entered(breaker, 15.0).is_probe


def test_an_old_probe_given_up_late_does_not_free_the_place_of_the_next() -> None:
    breaker = opened()
    old = entered(breaker, 15.0)
    entered(breaker, 15.0 + LEASE_S)

    breaker.abandoned(old)

    assert not breaker.allows(15.0 + LEASE_S)


def test_answers_that_take_longer_than_a_lease_still_close_it() -> None:
    breaker = opened()
    old = entered(breaker, 15.0)
    entered(breaker, 15.0 + LEASE_S)

    breaker.succeeded(old, 100.0)

    assert breaker.state(100.0) is CircuitState.CLOSED


def test_a_probe_that_began_to_answer_closes_it_before_the_answer_is_complete() -> None:
    breaker = opened()

    breaker.began(entered(breaker, 15.0))

    assert breaker.state(15.0) is CircuitState.CLOSED


def test_the_answer_of_a_probe_that_breaks_off_counts_as_any_other() -> None:
    breaker = opened()
    ticket = breaker.began(entered(breaker, 15.0))
    fail(breaker, 16.0, times=4)

    breaker.failed(ticket, 16.0)

    assert breaker.state(16.0) is CircuitState.OPEN


def test_a_call_that_is_no_probe_changes_nothing_by_beginning() -> None:
    breaker = Breaker(Thresholds())
    ticket = entered(breaker, 0.0)
    fail(breaker, 0.0, times=4)

    breaker.failed(breaker.began(ticket), 0.0)

    assert breaker.state(0.0) is CircuitState.OPEN


def test_a_success_from_before_it_opened_does_not_close_it() -> None:
    breaker = Breaker(Thresholds())
    early = entered(breaker, 0.0)
    fail(breaker, 0.0, times=5)

    breaker.succeeded(early, 1.0)
    breaker.began(early)

    assert breaker.state(1.0) is CircuitState.OPEN


def test_failures_from_before_it_opened_do_not_open_it_again() -> None:
    breaker = Breaker(Thresholds())
    early = [entered(breaker, 0.0) for _ in range(20)]
    fail(breaker, 0.0, times=5)
    succeed(breaker, 15.0)

    for ticket in early:
        breaker.failed(ticket, 16.0)

    assert breaker.state(16.0) is CircuitState.CLOSED


def test_a_failure_from_before_it_opened_does_not_count_as_the_probes() -> None:
    breaker = Breaker(Thresholds())
    early = entered(breaker, 0.0)
    fail(breaker, 0.0, times=5)
    entered(breaker, 15.0)

    breaker.failed(early, 16.0)

    assert breaker.state(16.0) is CircuitState.HALF_OPEN


def test_a_caller_that_hung_up_counts_as_neither() -> None:
    breaker = Breaker(Thresholds())
    for _ in range(50):
        breaker.abandoned(entered(breaker, 0.0))
    fail(breaker, 0.0, times=4)

    assert breaker.state(0.0) is CircuitState.CLOSED


def test_while_a_probe_is_out_the_wait_is_no_longer_than_a_first_one() -> None:
    breaker = opened()
    entered(breaker, 15.0)

    assert [breaker.retry_after_s(now) for now in (15.0, 60.0, 70.0, 75.0)] == [15, 15, 5, 0]


def test_models_of_one_upstream_have_circuits_of_their_own() -> None:
    breakers = Breakers()
    fail(breakers.of("anthropic", "opus"), 0.0, times=5)

    assert not breakers.of("anthropic", "opus").allows(0.0)
    assert breakers.of("anthropic", "haiku").allows(0.0)
    assert breakers.of("elsewhere", "opus").allows(0.0)


def test_a_snapshot_names_the_circuits_that_are_not_closed() -> None:
    breakers = Breakers()
    breakers.of("anthropic", "haiku")
    fail(breakers.of("anthropic", "opus"), 0.0, times=5)
    fail(breakers.of("openai", "gpt"), 10.0, times=5)

    assert breakers.snapshot(15.0) == (
        Circuit("anthropic", "opus", CircuitState.HALF_OPEN, 0),
        Circuit("openai", "gpt", CircuitState.OPEN, 10),
    )


def test_circuits_are_bounded_and_the_one_not_used_for_the_longest_goes() -> None:
    breakers = Breakers(max_circuits=2)
    first = breakers.of("upstream", "first")
    second = breakers.of("upstream", "second")
    breakers.of("upstream", "first")

    breakers.of("upstream", "third")

    assert breakers.of("upstream", "first") is first
    assert breakers.of("upstream", "second") is not second

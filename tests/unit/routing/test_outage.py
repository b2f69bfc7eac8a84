"""What an upstream that is down gets to see of a thousand calls."""

from collections import Counter

from gateway.errors import UpstreamUnreachableError
from gateway.routing.attempts import Fail, Target, Try, Wait
from gateway.routing.breaker import Breakers, Thresholds
from tests.unit.routing.driving import A, B, Upstreams

CALLS = 1_000
NEVER_OPENS = Thresholds(min_calls=10**9, failures_alone=10**9)


def outage(upstreams: Upstreams, *targets: Target, down: Target, step_s: float) -> Counter[Target]:
    """How often each target was called when a new call comes every `step_s` and `down` answers none."""
    tries: Counter[Target] = Counter()
    for _ in range(CALLS):
        upstreams.now += step_s
        attempts = upstreams.call(*targets, retries=5)
        at = upstreams.now
        while not isinstance(step := attempts.next(at), Fail):
            if isinstance(step, Wait):
                at += step.seconds
                continue
            tries[step.target] += 1
            if step.target != down:
                attempts.succeeded(at)
                break
            attempts.failed(UpstreamUnreachableError(), at)
    return tries


def storm(upstreams: Upstreams) -> int:
    """How often an upstream that is down was called for calls that all come at once."""
    calls = [upstreams.call(A, retries=5) for _ in range(CALLS)]
    tries = at = 0
    while calls:
        waiting: list[float] = []
        for attempts in tuple(calls):
            match attempts.next(at):
                case Try():
                    tries += 1
                    attempts.failed(UpstreamUnreachableError(), at)
                    waiting.append(at)
                case Wait(seconds):
                    waiting.append(at + seconds)
                case Fail():
                    calls.remove(attempts)
        at = min(waiting, default=at)
    return tries


def test_without_a_breaker_retries_are_a_tenth_of_the_calls_and_a_burst() -> None:
    tries = outage(Upstreams(breakers=Breakers(NEVER_OPENS)), A, down=A, step_s=0.1)

    assert CALLS + CALLS // 10 <= tries[A] <= CALLS + CALLS // 10 + 10


def test_calls_that_come_all_at_once_are_retried_no_more_often() -> None:
    tries = storm(Upstreams(breakers=Breakers(NEVER_OPENS)))

    assert CALLS <= tries <= CALLS + CALLS // 10 + 10


def test_with_a_breaker_an_outage_costs_a_few_probes() -> None:
    """100 seconds: five tries until it opens, and probes after 15, 30 and 60 more."""
    tries = outage(Upstreams(), A, down=A, step_s=0.1)

    assert tries[A] == 5 + 2


def test_every_call_is_served_elsewhere_during_an_outage() -> None:
    tries = outage(Upstreams(), A, B, down=A, step_s=0.1)

    assert tries == {A: 5 + 2, B: CALLS}


def test_an_upstream_that_recovers_is_called_again() -> None:
    upstreams = Upstreams()
    outage(upstreams, A, down=A, step_s=0.1)
    upstreams.now += 120.0

    assert upstreams.route(upstreams.call(A), [None]) == [A]
    assert upstreams.route(upstreams.call(A), [None]) == [A]

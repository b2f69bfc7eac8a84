"""Whatever a call's tries come to, and whatever other calls do meanwhile."""

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from gateway.errors import (
    GatewayError,
    InternalError,
    ProviderRejectedError,
    UpstreamBrokenOffError,
    UpstreamBusyError,
    UpstreamMisconfiguredError,
    UpstreamTimeoutError,
    UpstreamUnreachableError,
)
from gateway.routing.attempts import After, Attempts, Fail, Target, Try, Wait, after
from gateway.routing.backoff import Allowance, Backoff, RetryBudgets
from tests.unit.routing.driving import A, B, C, Upstreams

MAX_WAIT_S = Backoff().max_wait_s
PLENTY = Allowance(burst=10**6)

errors = st.one_of(
    st.builds(UpstreamBusyError, retry_after_s=st.one_of(st.none(), st.integers(0, 12))),
    st.builds(UpstreamUnreachableError),
    st.builds(UpstreamTimeoutError),
    st.builds(UpstreamMisconfiguredError),
    st.builds(UpstreamBrokenOffError),
    st.builds(ProviderRejectedError),
    st.builds(InternalError),
)
targets = st.sampled_from([(A,), (A, B), (A, B, C)])


@dataclass(slots=True)
class Past:
    """What the test knows of a target in the call under way."""

    tries: int = 0
    error: GatewayError | None = None
    failed_at: float = 0.0

    def may_be_tried(self, *, retries: int, now: float, deadline: float) -> bool:
        """Whether the rules leave another try before the deadline, but for the jitter of its wait."""
        if self.error is None:
            return now < deadline
        asked_s = self.error.retry_after_s or 0
        has_time = asked_s <= MAX_WAIT_S and max(now, self.failed_at + asked_s) < deadline
        return after(self.error) is After.AGAIN and self.tries <= retries and has_time


class CallsMachine(RuleBasedStateMachine):
    """Calls one after another over shared breakers, with other calls opening and closing circuits in between."""

    def __init__(self) -> None:
        super().__init__()
        self.upstreams = Upstreams(budgets=RetryBudgets(PLENTY))

    @initialize(asked=targets, retries=st.integers(0, 3), seconds=st.floats(0.5, 30))
    def a_call_comes(self, asked: tuple[Target, ...], retries: int, seconds: float) -> None:
        self.asked, self.retries = asked, retries
        self.deadline = self.upstreams.now + seconds
        self.attempts: Attempts = self.upstreams.call(*asked, retries=retries, deadline=self.deadline)
        self.past = {target: Past() for target in asked}
        self.trying: Target | None = None
        self.has_begun = self.is_over = False
        self.final: GatewayError | None = None

    @precondition(lambda self: self.is_over)
    @rule(asked=targets, retries=st.integers(0, 3), seconds=st.floats(0.5, 30))
    def the_next_call_comes(self, asked: tuple[Target, ...], retries: int, seconds: float) -> None:
        self.a_call_comes(asked, retries, seconds)

    @rule(seconds=st.one_of(st.floats(0, 1), st.floats(0, 20)))
    def time_passes(self, seconds: float) -> None:
        self.upstreams.now += seconds

    @rule(served=st.sampled_from([A, B, C]))
    def calls_of_others_fail(self, served: Target) -> None:
        self.upstreams.open_circuit(served)

    @rule(served=st.sampled_from([A, B, C]))
    def a_call_of_another_succeeds(self, served: Target) -> None:
        ticket = self.upstreams.breaker(served).enter(self.upstreams.now)
        if ticket is not None:
            self.upstreams.breaker(served).succeeded(ticket, self.upstreams.now)

    @precondition(lambda self: not self.trying and not self.is_over)
    @rule(patient=st.booleans())
    def the_next_step_is_taken(self, patient: bool) -> None:
        now = self.upstreams.now
        allowed = {target for target in self.asked if self.upstreams.breaker(target).allows(now)}
        match self.attempts.next(now):
            case Try(target, number):
                self.check_try(target, number, allowed)
                self.trying = target
            case Wait(seconds):
                assert self.final is None
                assert 0 < seconds <= MAX_WAIT_S
                assert now + seconds < self.deadline
                self.upstreams.now += seconds if patient else seconds / 2
            case Fail(error):
                self.check_fail(error, allowed)
                self.is_over = True

    def check_try(self, target: Target, number: int, allowed: set[Target]) -> None:
        now, past = self.upstreams.now, self.past[target]
        assert self.final is None
        assert now < self.deadline
        assert target in allowed
        assert past.may_be_tried(retries=self.retries, now=now, deadline=self.deadline)
        assert past.error is None or now >= past.failed_at + (past.error.retry_after_s or 0)
        for preferred in self.asked[: self.asked.index(target)]:
            # Jitter is half of at most a second here: only the vendor's own wish makes a wait too long.
            wished = (error := self.past[preferred].error) is not None and error.retry_after_s
            assert wished or not self.leaves_a_try(preferred, allowed)
        past.tries += 1
        assert number == sum(each.tries for each in self.past.values()) <= (1 + self.retries) * len(self.asked)

    def leaves_a_try(self, target: Target, allowed: set[Target]) -> bool:
        """With half a second in hand for the jitter of the last retry."""
        return target in allowed and self.past[target].may_be_tried(
            retries=self.retries, now=self.upstreams.now, deadline=self.deadline - 0.5
        )

    def check_fail(self, error: GatewayError, allowed: set[Target]) -> None:
        asked = self.past[self.asked[0]]
        if self.final is not None:
            assert error is self.final
            return
        assert not any(self.leaves_a_try(target, allowed) for target in self.asked)
        if asked.error is not None:
            assert error is asked.error
        elif self.upstreams.now < self.deadline:
            assert isinstance(error, UpstreamBusyError)
            assert error.retry_after_s

    @precondition(lambda self: self.trying)
    @rule()
    def the_answer_begins(self) -> None:
        self.attempts.began()
        self.has_begun = True

    @precondition(lambda self: self.trying)
    @rule(error=errors)
    def the_try_fails(self, error: GatewayError) -> None:
        assert self.trying is not None
        self.attempts.failed(error, self.upstreams.now)
        past = self.past[self.trying]
        past.error, past.failed_at = error, self.upstreams.now
        # What a model refuses that nobody asked for is not the caller's mistake.
        is_its_own = isinstance(error, ProviderRejectedError) and self.trying is not self.asked[0]
        self.trying = None
        if self.has_begun or (after(error) is After.FINAL and not is_its_own):
            self.final = error

    @precondition(lambda self: self.trying)
    @rule()
    def the_try_succeeds(self) -> None:
        self.attempts.succeeded(self.upstreams.now)
        self.trying, self.is_over = None, True

    @rule()
    def the_caller_hangs_up(self) -> None:
        self.attempts.abandoned()
        self.trying, self.is_over = None, True


TestCalls = CallsMachine.TestCase
TestCalls.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)


@given(asked=targets, retries=st.integers(0, 3), seconds=st.floats(0.1, 60), data=st.data())
@settings(deadline=None)
def test_every_call_comes_to_an_end(
    asked: tuple[Target, ...], retries: int, seconds: float, data: st.DataObject
) -> None:
    upstreams, bound = Upstreams(), (1 + retries) * len(asked)
    outcomes = data.draw(st.lists(st.one_of(st.none(), errors), min_size=bound, max_size=bound))

    steps = upstreams.drive(upstreams.call(*asked, retries=retries, deadline=seconds), outcomes)

    assert sum(isinstance(step, Try) for step in steps) <= bound
    assert sum(isinstance(step, Wait) for step in steps) <= 2 * bound
    assert upstreams.now <= seconds

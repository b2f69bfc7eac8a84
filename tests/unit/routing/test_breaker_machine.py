"""Whatever calls do, and in whatever order they report, a circuit keeps its promises."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.routing.breaker import Breaker, CircuitState, Thresholds, Ticket

THRESHOLDS = Thresholds()


class CircuitMachine(RuleBasedStateMachine):
    """Many callers of one model, some of whom report late, twice in a row with others, or never."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker(THRESHOLDS)
        self.now = 1_000.0
        self.out: list[Ticket] = []
        self.probe: Ticket | None = None
        self.probe_since = 0.0

    def report(self, index: int) -> Ticket:
        return self.out.pop(index % len(self.out))

    def changed(self, *, to: CircuitState) -> None:
        assert self.breaker.state(self.now) is to
        self.probe = None

    @rule(seconds=st.one_of(st.floats(0, 5), st.floats(0, 200)))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(times=st.integers(1, 12))
    def calls_start(self, times: int) -> None:
        for _ in range(times):
            allowed, state = self.breaker.allows(self.now), self.breaker.state(self.now)
            ticket = self.breaker.enter(self.now)
            assert (ticket is not None) == allowed
            if ticket is None:
                assert state is not CircuitState.CLOSED
                return
            assert ticket.is_probe == (state is CircuitState.HALF_OPEN)
            if ticket.is_probe:
                assert self.probe is None or self.now >= self.probe_since + THRESHOLDS.probe_lease_s
                self.probe, self.probe_since = ticket, self.now
            self.out.append(ticket)

    @precondition(lambda self: self.out)
    @rule(index=st.integers(0, 1_000))
    def a_call_succeeds(self, index: int) -> None:
        ticket, before = self.report(index), self.breaker.state(self.now)
        self.breaker.succeeded(ticket, self.now)
        if ticket is self.probe:
            self.changed(to=CircuitState.CLOSED)
        elif not ticket.is_probe:
            assert self.breaker.state(self.now) is before
        elif self.breaker.state(self.now) is not before:
            self.changed(to=CircuitState.CLOSED)

    @precondition(lambda self: self.out)
    @rule(index=st.integers(0, 1_000), times=st.integers(1, 12))
    def calls_fail(self, index: int, times: int) -> None:
        for _ in range(min(times, len(self.out))):
            ticket, before = self.report(index), self.breaker.state(self.now)
            self.breaker.failed(ticket, self.now)
            if ticket is self.probe or self.breaker.state(self.now) is not before:
                self.changed(to=CircuitState.OPEN)

    @precondition(lambda self: self.out)
    @rule(index=st.integers(0, 1_000))
    def an_answer_begins(self, index: int) -> None:
        ticket = self.report(index)
        before = self.breaker.state(self.now)
        self.out.append(self.breaker.began(ticket))
        if ticket is self.probe or self.breaker.state(self.now) is not before:
            self.changed(to=CircuitState.CLOSED)

    @precondition(lambda self: self.out)
    @rule(index=st.integers(0, 1_000))
    def a_caller_hangs_up(self, index: int) -> None:
        ticket, before = self.report(index), self.breaker.state(self.now)
        self.breaker.abandoned(ticket)
        assert self.breaker.state(self.now) is before
        if ticket is self.probe:
            self.probe = None
            assert self.breaker.allows(self.now)

    @precondition(lambda self: self.breaker.state(self.now) is not CircuitState.CLOSED)
    @rule()
    def the_model_recovers(self) -> None:
        """It closes with the first probe, at the latest two minutes from now."""
        for _ in range(3):
            self.now += self.breaker.retry_after_s(self.now)
            if self.breaker.allows(self.now):
                break
            self.now += THRESHOLDS.probe_lease_s
        ticket = self.breaker.enter(self.now)
        assert ticket is not None
        self.breaker.succeeded(ticket, self.now)
        self.changed(to=CircuitState.CLOSED)

    @invariant()
    def a_wait_is_told_exactly_when_calls_are_refused(self) -> None:
        wait = self.breaker.retry_after_s(self.now)
        assert (wait == 0) == self.breaker.allows(self.now)
        # Rounded up, and of a sum and its difference a little more can be left than was added.
        assert 0 <= wait <= THRESHOLDS.max_open_s + 1

    @invariant()
    def only_what_happened_lately_is_kept(self) -> None:
        assert len(self.breaker._window._slices) <= 10  # pyright: ignore[reportPrivateUsage] - memory has no other face


TestCircuit = CircuitMachine.TestCase
TestCircuit.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)

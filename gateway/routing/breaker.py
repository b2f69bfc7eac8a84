"""Circuit breakers: a model that keeps failing is left alone, and asked again with one call at a time.

A model may fail of what one caller sends. So the failures of one open the
circuit for that caller alone; it opens for everybody when others, who are
still let through, fail as well. And whose probe failed comes last next time.

Pure state: `now` is passed in, in seconds of a clock that never goes back.
"""

import math
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from enum import StrEnum

_SLICES = 10
_MAX_CIRCUITS = 1_024


class CircuitState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a circuit opens, and for how long. It opens by either of two measures of the last `window_s` seconds."""

    window_s: float = 30.0
    min_calls: int = 10
    failure_share: float = 0.5
    """Opens it when that much of at least `min_calls` failed."""
    failures_alone: int = 5
    """Opens it when so many failed and none succeeded."""
    open_s: float = 15.0
    max_open_s: float = 120.0
    """Each probe that fails doubles `open_s`, up to this."""
    probe_lease_s: float = 60.0
    """How long a probe that does not report keeps others out."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """Leave to make one call. It counts only while the circuit stays in the `generation` that gave it out."""

    generation: int
    is_probe: bool
    caller: str = ""


class Breaker:
    """The circuit of one model at one upstream.

    Every ticket is to be reported on once: by `succeeded`, `failed` or
    `abandoned`. A report that comes after the circuit opened or closed says
    nothing about the time since, and is ignored.
    """

    def __init__(self, thresholds: Thresholds) -> None:
        self._thresholds = thresholds
        self._window = _Window(thresholds.window_s)
        self._generation = 0
        self._open_s = thresholds.open_s
        self._open_until: float | None = None
        self._refused: str | None = None
        """The one caller whom an open circuit refuses; None: everybody."""
        self._prober: str | None = None
        """Whose probe failed last."""
        self._probe: Ticket | None = None
        self._probe_until = -math.inf

    def state(self, now: float) -> CircuitState:
        """What is known of the model: where it answers others, the one caller who is refused is not the measure."""
        if self._open_until is None or (self._refused is not None and self._window.successes):
            return CircuitState.CLOSED
        return CircuitState.OPEN if now < self._open_until else CircuitState.HALF_OPEN

    def allows(self, now: float, caller: str = "") -> bool:
        """Whether `enter` would give a ticket."""
        opens_at = self._refuses_until(caller)
        return opens_at is None or (now >= opens_at and (self._probe is None or now >= self._probe_until))

    def enter(self, now: float, caller: str = "") -> Ticket | None:
        """A ticket for one call; None while the circuit refuses `caller` or its probe is out."""
        if not self.allows(now, caller):
            return None
        ticket = Ticket(self._generation, is_probe=self._refuses_until(caller) is not None, caller=caller)
        if ticket.is_probe:
            self._probe, self._probe_until = ticket, now + self._thresholds.probe_lease_s
        return ticket

    def began(self, ticket: Ticket) -> Ticket:
        """The first of an answer came: a probe closes the circuit now, not minutes later when the answer is complete.

        Returns the ticket to report the end of the answer with.
        """
        if not ticket.is_probe or self._is_stale(ticket):
            return ticket
        self._close()
        return replace(ticket, generation=self._generation, is_probe=False)

    def succeeded(self, ticket: Ticket, now: float) -> None:
        """The model answered. That of a probe closes the circuit, even when its lease is over.

        Otherwise a model that needs longer than a lease for its answers would stay shut out for ever.
        """
        if self._is_stale(ticket):
            return
        if ticket.is_probe:
            self._close()
        else:
            self._window.add_success(now)

    def failed(self, ticket: Ticket, now: float) -> None:
        """The model did not answer, or broke off."""
        if self._is_stale(ticket):
            return
        if ticket.is_probe:
            self._open_s = min(2 * self._open_s, self._thresholds.max_open_s)
            self._prober = ticket.caller
            self._open(now, refused=self._refused)
            return
        self._window.add_failure(now, ticket.caller)
        if self._window.is_beyond(self._thresholds):
            is_confirmed = self.state(now) is CircuitState.OPEN
            self._open_s = self._thresholds.open_s
            self._open(now, refused=None if is_confirmed else self._window.loudest)

    def abandoned(self, ticket: Ticket) -> None:
        """The call ended without a word on the model: its caller hung up. A probe's place is free again."""
        if ticket is self._probe:
            self._probe = None

    def retry_after_s(self, now: float, caller: str = "") -> int:
        """Whole seconds after which asking again makes sense; 0 exactly when the circuit lets a call through.

        While a probe is out this is a guess: its report may come at any moment.
        """
        opens_at = self._refuses_until(caller)
        if opens_at is None or self.allows(now, caller):
            return 0
        if now < opens_at:
            return math.ceil(opens_at - now)
        return math.ceil(min(self._probe_until - now, self._thresholds.open_s))

    def _is_stale(self, ticket: Ticket) -> bool:
        return ticket.generation != self._generation

    def _refuses_until(self, caller: str) -> float | None:
        """When `caller` may probe; None for one who is not refused."""
        if self._open_until is None or self._refused not in (None, caller):
            return None
        # Others go first where there are others: a caller whose requests fail everywhere must not speak for all.
        is_last = self._refused is None and caller == self._prober
        return self._open_until + (self._thresholds.open_s if is_last else 0.0)

    def _open(self, now: float, *, refused: str | None) -> None:
        self._change()
        self._open_until, self._refused = now + self._open_s, refused

    def _close(self) -> None:
        self._change()
        self._open_until = self._refused = self._prober = None
        self._open_s = self._thresholds.open_s

    def _change(self) -> None:
        self._generation += 1
        self._probe = None
        self._window.clear()


@dataclass(frozen=True, slots=True)
class Circuit:
    """How one breaker stands at a moment."""

    upstream: str
    model: str
    state: CircuitState
    retry_after_s: int


class Breakers:
    """The breakers of a process, made when first asked for.

    They are as many as the catalog has models; the bound is for a process
    that sees many catalogs. Beyond it the one not asked for the longest goes.
    """

    def __init__(self, thresholds: Thresholds | None = None, *, max_circuits: int = _MAX_CIRCUITS) -> None:
        self._thresholds = thresholds or Thresholds()
        self._max_circuits = max_circuits
        self._breakers: dict[tuple[str, str], Breaker] = {}

    def of(self, upstream: str, model: str) -> Breaker:
        key = (upstream, model)
        breaker = self._breakers.pop(key, None) or Breaker(self._thresholds)
        if len(self._breakers) >= self._max_circuits:
            del self._breakers[next(iter(self._breakers))]
        self._breakers[key] = breaker
        return breaker

    def snapshot(self, now: float) -> tuple[Circuit, ...]:
        """Every circuit that is not closed."""
        return tuple(
            Circuit(upstream, model, breaker.state(now), breaker.retry_after_s(now))
            for (upstream, model), breaker in self._breakers.items()
            if breaker.state(now) is not CircuitState.CLOSED
        )


@dataclass(slots=True)
class _Slice:
    number: int
    successes: int = 0
    failures: Counter[str] = field(default_factory=Counter[str])
    """By caller."""


class _Window:
    """What calls came to of late, counted in `_SLICES` slices of time, the last of them not full yet."""

    def __init__(self, span_s: float) -> None:
        self._slice_s = span_s / _SLICES
        self._slices: deque[_Slice] = deque()

    def add_success(self, now: float) -> None:
        self._slice(now).successes += 1

    def add_failure(self, now: float, caller: str) -> None:
        self._slice(now).failures[caller] += 1

    @property
    def successes(self) -> int:
        return sum(each.successes for each in self._slices)

    @property
    def loudest(self) -> str:
        """The caller with the most failures, of which there are some."""
        failures = sum((each.failures for each in self._slices), Counter[str]())
        return max(failures, key=failures.__getitem__)

    def is_beyond(self, thresholds: Thresholds) -> bool:
        successes = self.successes
        failures = sum(each.failures.total() for each in self._slices)
        if not successes:
            return failures >= thresholds.failures_alone
        calls = successes + failures
        return calls >= thresholds.min_calls and failures >= thresholds.failure_share * calls

    def clear(self) -> None:
        self._slices.clear()

    def _slice(self, now: float) -> _Slice:
        number = int(now // self._slice_s)
        while self._slices and self._slices[0].number <= number - _SLICES:
            self._slices.popleft()
        if not self._slices or self._slices[-1].number < number:
            self._slices.append(_Slice(number))
        return self._slices[-1]

"""One call's way over several tries, as a state machine without I/O.

The targets of a call are the model that was asked for and those that the
operator declared equivalent, in order of preference. At every step the first
target in that order is tried that may be tried now or after a short wait.
A wait above `patience_s` gives way to the other targets until its time has
come: they are equivalent, and somebody is waiting. A target goes out for good
when its retries are used up, when the vendor or the deadline leaves no time
for one, when its upstream has no budget for one, or when another try could
not help. One whose circuit is open is passed over without a call.

Nothing is tried again once an answer has begun: it is billed, and partly told.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from gateway.errors import (
    GatewayError,
    ProviderRejectedError,
    TooLargeError,
    UpstreamBusyError,
    UpstreamFailureError,
    UpstreamMisconfiguredError,
    UpstreamStalledError,
    UpstreamThrottledError,
    UpstreamTimeoutError,
    UpstreamUnreachableError,
)
from gateway.routing.backoff import Backoff, RetryBudget, RetryBudgets
from gateway.routing.breaker import Breaker, Breakers, Ticket


class After(StrEnum):
    """What may follow a failed try."""

    AGAIN = "again"
    ELSEWHERE = "elsewhere"
    FINAL = "final"


def after(error: GatewayError) -> After:
    """Another try only where nothing of an answer came; at the same target only where it may come to more."""
    match error:
        case UpstreamBusyError() | UpstreamUnreachableError():
            return After.AGAIN
        case UpstreamStalledError():
            return After.FINAL
        case UpstreamTimeoutError() | UpstreamMisconfiguredError():
            return After.ELSEWHERE
        case _:
            return After.FINAL


@dataclass(frozen=True, slots=True)
class Target:
    """A model where it is served."""

    upstream: str
    model: str


@dataclass(frozen=True, slots=True)
class Limits:
    """`retries` are those at one target, beyond its first try."""

    retries: int = 2
    patience_s: float = 1.0
    silence_s: float = 30.0
    """After which a stream that has not begun says something of its provider, though its caller leaves."""
    backoff: Backoff = field(default_factory=Backoff)


@dataclass(frozen=True, slots=True)
class Try:
    """Call `target` now. `number` counts the tries of the whole call, from 1."""

    target: Target
    number: int
    ticket: Ticket


@dataclass(frozen=True, slots=True)
class Wait:
    """Ask for the next step again in `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Fail:
    """Give up, and tell the caller `error`."""

    error: GatewayError


Step: TypeAlias = Try | Wait | Fail


@dataclass(slots=True)
class _Route:
    """How one target stands in this call."""

    target: Target
    breaker: Breaker
    budget: RetryBudget
    tries: int = 0
    ready_at: float = -math.inf
    gives_way: bool = False
    is_paid: bool = True
    is_out: bool = False
    error: GatewayError | None = None


class Attempts:
    """The tries of one call: `next` says what to do, and every `Try` is reported on exactly once.

    `deadline` and every `now` are seconds of one clock that never goes back;
    `random` is uniform in [0, 1). Calls out of order raise `RuntimeError`.
    """

    def __init__(
        self,
        *,
        targets: Sequence[Target],
        deadline: float,
        limits: Limits,
        breakers: Breakers,
        budgets: RetryBudgets,
        random: Callable[[], float],
        caller: str = "",
    ) -> None:
        """`caller` is on whose behalf: what one does to circuits and budgets is kept from others."""
        if not targets:
            raise ValueError("a call needs a target")
        self._routes = tuple(
            _Route(target, breakers.of(target.upstream, target.model), budgets.of(target.upstream, caller))
            for target in targets
        )
        self._deadline = deadline
        self._limits = limits
        self._random = random
        self._caller = caller
        self._tries = 0
        self._current: tuple[_Route, Ticket] | None = None
        self._has_begun = False
        self._is_over = False
        self._final: GatewayError | None = None

    def next(self, now: float) -> Step:
        """What to do now.

        A `Fail` holds the error that ended the call; after tries at several
        targets the last one of the model that was asked for; and
        `UpstreamBusyError` when that was not tried because its circuit is open.
        """
        if self._current is not None or self._is_over:
            raise RuntimeError("a try is under way, or the call is over")
        if self._final is not None:
            return Fail(self._final)
        while (route := self._first_choice(now)) is not None:
            if not self._is_affordable(route):
                route.is_out = True
            elif route.ready_at > now:
                return Wait(route.ready_at - now)
            elif (ticket := route.breaker.enter(now, self._caller)) is not None:
                return self._try(route, ticket)
        self._final = self._failure(now)
        return Fail(self._final)

    def began(self) -> None:
        """The first of an answer came: whatever happens from here on, nothing is tried again."""
        route, ticket = self._under_way()
        self._current = (route, route.breaker.began(ticket))
        self._has_begun = True

    def succeeded(self, now: float) -> None:
        """The answer is complete."""
        route, ticket = self._under_way()
        self._current, self._is_over = None, True
        route.breaker.succeeded(ticket, now)

    def failed(self, error: GatewayError, now: float) -> None:
        """The try came to `error`; `next` says what follows."""
        route, ticket = self._under_way()
        self._current = None
        route.error = error
        _report(route.breaker, ticket, error, now)
        match After.FINAL if self._has_begun else after(error):
            case After.AGAIN:
                self._plan_retry(route, error, now)
            case After.ELSEWHERE:
                route.is_out = True
            case After.FINAL if self._is_of_another_model(route, error):
                route.is_out = True
            case After.FINAL:
                self._final = error

    def abandoned(self) -> None:
        """The caller is gone. Safe at any time, also between tries and after the end."""
        if self._current is not None:
            route, ticket = self._current
            route.breaker.abandoned(ticket)
        self._current, self._is_over = None, True

    def _is_of_another_model(self, route: _Route, error: GatewayError) -> bool:
        """Whether a model that nobody asked for refuses the request: its limits are not the caller's business."""
        is_other = route is not self._routes[0] and not self._has_begun
        return is_other and isinstance(error, ProviderRejectedError | TooLargeError)

    def _under_way(self) -> tuple[_Route, Ticket]:
        if self._current is None:
            raise RuntimeError("no try is under way")
        return self._current

    def _first_choice(self, now: float) -> _Route | None:
        open_routes = [route for route in self._routes if self._is_open(route, now)]
        for route in open_routes:
            if route.ready_at <= now or not route.gives_way:
                return route
        return min(open_routes, key=lambda route: route.ready_at, default=None)

    def _is_open(self, route: _Route, now: float) -> bool:
        return (
            not route.is_out and max(now, route.ready_at) < self._deadline and route.breaker.allows(now, self._caller)
        )

    def _is_affordable(self, route: _Route) -> bool:
        # Paid when it is settled on, not when it is made: nobody waits for a retry that then cannot be afforded.
        if not route.is_paid:
            route.is_paid = route.budget.withdraw()
        return route.is_paid

    def _try(self, route: _Route, ticket: Ticket) -> Try:
        if not route.tries:
            route.budget.deposit()
        route.tries += 1
        self._tries += 1
        self._current = (route, ticket)
        return Try(route.target, self._tries, ticket)

    def _plan_retry(self, route: _Route, error: GatewayError, now: float) -> None:
        wait_s = self._limits.backoff.wait_s(route.tries - 1, error.retry_after_s, self._random)
        if wait_s is None or route.tries > self._limits.retries:
            route.is_out = True
            return
        route.ready_at = now + wait_s
        route.gives_way = wait_s > self._limits.patience_s
        route.is_paid = False

    def _failure(self, now: float) -> GatewayError:
        asked = self._routes[0]
        if asked.error is not None:
            return asked.error
        if now >= self._deadline:
            return UpstreamTimeoutError()
        # Untried with time left: its circuit refuses calls, so there is at least one to wait for.
        return UpstreamBusyError(
            retry_after_s=min(
                seconds for route in self._routes if (seconds := route.breaker.retry_after_s(now, self._caller))
            )
        )


def _report(breaker: Breaker, ticket: Ticket, error: GatewayError, now: float) -> None:
    """A vendor that refuses a caller's request is alive; one that throttles us too, though it says nothing of the
    model; an error of our own says nothing about either.
    """
    match error:
        case UpstreamThrottledError():
            breaker.abandoned(ticket)
        case UpstreamFailureError() | UpstreamTimeoutError() | UpstreamBusyError():
            breaker.failed(ticket, now)
        case ProviderRejectedError() | TooLargeError():
            breaker.succeeded(ticket, now)
        case _:
            breaker.abandoned(ticket)

"""Takes a call through its attempts by a script, with time of its own."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.errors import GatewayError
from gateway.routing.attempts import Attempts, Fail, Limits, Step, Target, Try, Wait
from gateway.routing.backoff import RetryBudgets
from gateway.routing.breaker import Breaker, Breakers

A = Target("anthropic", "asked")
B = Target("openai", "equivalent")
C = Target("own", "third")


def half() -> float:
    return 0.5


@dataclass(slots=True)
class Upstreams:
    """What the calls of a process share."""

    now: float = 0.0
    breakers: Breakers = field(default_factory=Breakers)
    budgets: RetryBudgets = field(default_factory=RetryBudgets)

    def call(self, *targets: Target, retries: int = 2, patience_s: float = 1.0, deadline: float = math.inf) -> Attempts:
        return Attempts(
            targets=targets or (A,),
            deadline=deadline,
            limits=Limits(retries=retries, patience_s=patience_s),
            breakers=self.breakers,
            budgets=self.budgets,
            random=half,
        )

    def breaker(self, target: Target) -> Breaker:
        return self.breakers.of(target.upstream, target.model)

    def open_circuit(self, target: Target) -> None:
        """As failed calls of others do."""
        while (ticket := self.breaker(target).enter(self.now)) is not None:
            self.breaker(target).failed(ticket, self.now)

    def exhaust_retries(self, target: Target) -> None:
        while self.budgets.of(target.upstream).withdraw():
            pass

    def drive(self, attempts: Attempts, outcomes: Iterable[GatewayError | None]) -> list[Step]:
        """Every step up to the end. Each try comes to the next of `outcomes`, None being a success."""
        script, steps = iter(outcomes), list[Step]()
        while True:
            step = attempts.next(self.now)
            steps.append(step)
            match step:
                case Fail():
                    return steps
                case Wait():
                    self.now += step.seconds
                case Try():
                    error = next(script)
                    if error is None:
                        attempts.succeeded(self.now)
                        return steps
                    attempts.failed(error, self.now)

    def route(self, attempts: Attempts, outcomes: Iterable[GatewayError | None]) -> list[Target | float | GatewayError]:
        """`drive`, with each step as what it is about: a target, seconds or an error."""
        return [_about(step) for step in self.drive(attempts, outcomes)]


def _about(step: Step) -> Target | float | GatewayError:
    match step:
        case Try():
            return step.target
        case Wait():
            return step.seconds
        case Fail():
            return step.error

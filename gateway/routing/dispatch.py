"""Calls to whoever can answer them."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Protocol

from gateway.catalog import Model
from gateway.completion import Completion
from gateway.conversation import Conversation
from gateway.errors import UnavailableError
from gateway.providers.provider import Provider
from gateway.routing.attempts import Attempts, Limits, Target
from gateway.routing.backoff import RetryBudgets
from gateway.routing.breaker import Breakers
from gateway.routing.course import Batches, Course, Flow, Observe
from gateway.routing.route import Delivery, Route, Sender
from gateway.routing.tally import Outcome
from gateway.tenancy import KeyMode


class Providers(Protocol):
    def provider_for(self, model: Model, mode: KeyMode) -> Provider:
        """Who answers. Raises `UnavailableError` when nobody is configured to, or no longer as `model` says."""
        ...

    def is_sandboxed(self, model: Model, mode: KeyMode) -> bool: ...


def _nobody_counts(provider: str, model: str, outcome: Outcome, latency_ms: float | None) -> None:
    """For the sandbox's answers, which say nothing about a provider."""


class Dispatcher:
    """Sends calls to providers; retries, stands in and breaks circuits by one state machine.

    One instance serves a process. What it remembers of calls is how well
    upstreams answer, nothing that decides money, keys or order.
    """

    def __init__(
        self,
        providers: Providers,
        *,
        longest_s: float,
        limits: Limits | None = None,
        breakers: Breakers | None = None,
        observe: Observe = _nobody_counts,
    ) -> None:
        """`longest_s` bounds a call in all; its caller may have less patience."""
        self._providers = providers
        self._longest_s = longest_s
        self._limits = limits or Limits()
        self._breakers = breakers or Breakers()
        self._counter_breakers = Breakers()
        """A provider may lack the counter that it is thought to have, and answer for its models all the same."""
        self._budgets = RetryBudgets()
        self._observe = observe

    def is_sandboxed(self, model: Model, mode: KeyMode) -> bool:
        return self._providers.is_sandboxed(model, mode)

    def require(self, model: Model, mode: KeyMode) -> None:
        """Raises `UnavailableError` when nobody is configured to answer for `model`."""
        self._providers.provider_for(model, mode)

    async def complete(self, conversation: Conversation, route: Route, sender: Sender) -> tuple[Delivery, Completion]:
        """The whole answer, and who gave it.

        Raises `GatewayError`: the last one of the model asked for, when nobody could answer.
        """
        course = self._course(route, sender)
        completion = await course.run(lambda provider, model: provider.complete(conversation, model))
        course.succeeded()
        return course.delivery, completion

    @asynccontextmanager
    async def stream(self, conversation: Conversation, route: Route, sender: Sender) -> AsyncGenerator[Flow]:
        """The answer as events, once its first have come; raises until then as `complete` does.

        After that nothing is tried again: the caller has seen the first of it.
        """
        course = self._course(route, sender, streams=True)
        context, batches = await course.run(lambda provider, model: _entered(provider.stream(conversation, model)))
        course.began()
        try:
            yield Flow(course, batches)
        finally:
            course.left()
            await context.__aexit__(None, None, None)

    async def count_tokens(self, conversation: Conversation, model: Model, sender: Sender) -> int:
        """By the provider's counter, or its estimate. Raises as `complete` does."""
        course = self._course(Route(model), sender, counts=True)
        tokens = await course.run(lambda provider, model: provider.count_tokens(conversation, model))
        course.succeeded()
        return tokens

    def _course(self, route: Route, sender: Sender, *, streams: bool = False, counts: bool = False) -> Course:
        is_real = not self._providers.is_sandboxed(route.asked, sender.mode)
        ready = self._ready(route, sender.mode, is_real=is_real)
        limit_s = min(self._longest_s, sender.patience_s or self._longest_s)
        deadline = asyncio.get_running_loop().time() + limit_s
        breakers = self._counter_breakers if counts else self._breakers
        attempts = Attempts(
            targets=[Target(model.provider, model.id) for model, _ in ready],
            deadline=deadline,
            limits=self._limits,
            # The sandbox fails when it is asked to: that says nothing to the next caller.
            breakers=breakers if is_real else Breakers(),
            budgets=self._budgets if is_real else RetryBudgets(),
            random=random.random,
            caller=sender.caller,
        )
        return Course(
            attempts,
            ready,
            deadline,
            is_impatient=limit_s < self._longest_s,
            silence_s=self._limits.silence_s if streams else None,
            sender=sender,
            observe=self._observe if is_real and not counts else _nobody_counts,
        )

    def _ready(self, route: Route, mode: KeyMode, *, is_real: bool) -> list[tuple[Model, Provider]]:
        """Who answers for each model of `route`. Raises for the one asked; of the others, those that nobody serves go.

        Nobody who asked for a real answer gets a made-up one, nor the other way round.
        """
        ready = [(route.asked, self._providers.provider_for(route.asked, mode))]
        for model in route.others:
            if self._providers.is_sandboxed(model, mode) is not is_real:
                with suppress(UnavailableError):
                    ready.append((model, self._providers.provider_for(model, mode)))
        return ready


async def _entered(
    context: AbstractAsyncContextManager[Batches],
) -> tuple[AbstractAsyncContextManager[Batches], Batches]:
    return context, await context.__aenter__()

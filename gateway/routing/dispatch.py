"""One call to whoever can answer it: the loop that drives `Attempts` with real providers, clock and waits."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Protocol, TypeVar

import structlog

from gateway.catalog import Model
from gateway.completion import Completion, Finishing, StreamEvent
from gateway.conversation import Conversation
from gateway.errors import (
    GatewayError,
    UnavailableError,
    UpstreamBusyError,
    UpstreamFailureError,
    UpstreamTimeoutError,
)
from gateway.providers.provider import Provider
from gateway.routing.attempts import Attempts, Limits, Target, Try, Wait
from gateway.routing.backoff import RetryBudgets
from gateway.routing.breaker import Breakers
from gateway.routing.route import Delivery, Route
from gateway.routing.tally import Outcome
from gateway.tenancy import KeyMode

T = TypeVar("T")
Batches = AsyncIterator[Sequence[StreamEvent]]

_LONG_SILENCE_S = 30.0

log = structlog.get_logger()


class Providers(Protocol):
    def provider_for(self, model: Model, mode: KeyMode) -> Provider:
        """Who answers. Raises `UnavailableError` when nobody is configured to, or no longer as `model` says."""
        ...

    def is_sandboxed(self, model: Model, mode: KeyMode) -> bool: ...


Observe = Callable[[str, str, Outcome, float | None], None]
"""Told of every attempt at a real upstream: provider, model, how it ended, and milliseconds to its answer."""


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

    async def complete(
        self,
        conversation: Conversation,
        route: Route,
        mode: KeyMode,
        *,
        caller: str = "",
        patience_s: float | None = None,
        sent_to: list[str] | None = None,
    ) -> tuple[Delivery, Completion]:
        """The whole answer, and who gave it.

        `caller` is on whose behalf: what one does to circuits and retries is
        kept from others. Each try adds its model's id to `sent_to`, also of a
        call that fails in the end.

        Raises `GatewayError`: the last one of the model asked for, when nobody could answer.
        """
        course = self._course(route, mode, caller=caller, patience_s=patience_s, sent_to=sent_to)
        completion = await course.run(lambda provider, model: provider.complete(conversation, model))
        course.succeeded()
        return course.delivery, completion

    @asynccontextmanager
    async def stream(
        self,
        conversation: Conversation,
        route: Route,
        mode: KeyMode,
        *,
        caller: str = "",
        patience_s: float | None = None,
        sent_to: list[str] | None = None,
    ) -> AsyncGenerator["Flow"]:
        """The answer as events, once its first have come; parameters and errors until then are those of `complete`.

        After that nothing is tried again: the caller has seen the first of it.
        """
        course = self._course(route, mode, caller=caller, patience_s=patience_s, sent_to=sent_to, streams=True)
        context, batches = await course.run(lambda provider, model: _entered(provider.stream(conversation, model)))
        course.began()
        try:
            yield Flow(course, batches)
        finally:
            course.left()
            await context.__aexit__(None, None, None)

    async def count_tokens(self, conversation: Conversation, model: Model, mode: KeyMode, *, caller: str = "") -> int:
        """By the provider's counter, or its estimate. Raises as `complete` does."""
        course = self._course(Route(model), mode, caller=caller, counts=True)
        tokens = await course.run(lambda provider, model: provider.count_tokens(conversation, model))
        course.succeeded()
        return tokens

    def _course(
        self,
        route: Route,
        mode: KeyMode,
        *,
        caller: str,
        patience_s: float | None = None,
        sent_to: list[str] | None = None,
        streams: bool = False,
        counts: bool = False,
    ) -> "_Course":
        is_real = not self._providers.is_sandboxed(route.asked, mode)
        ready = self._ready(route, mode, is_real=is_real)
        limit_s = min(self._longest_s, patience_s or self._longest_s)
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
            caller=caller,
        )
        return _Course(
            attempts,
            ready,
            deadline,
            is_impatient=limit_s < self._longest_s,
            streams=streams,
            sent_to=[] if sent_to is None else sent_to,
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


class Flow(AsyncIterator[Sequence[StreamEvent]]):
    """A stream's events, and who gives them."""

    def __init__(self, course: "_Course", batches: Batches) -> None:
        self.delivery = course.delivery
        self._course = course
        self._batches = batches
        self._is_over = False

    async def __anext__(self) -> Sequence[StreamEvent]:
        try:
            batch = await anext(self._batches)
        except GatewayError as error:
            if not self._is_over:
                self._is_over = True
                self._course.failed(error)
            raise
        if not self._is_over and any(isinstance(event, Finishing) for event in batch):
            self._is_over = True
            self._course.succeeded()
        return batch


class _Course:
    """One call under way: its state machine, its clock, and its providers."""

    def __init__(
        self,
        attempts: Attempts,
        ready: Sequence[tuple[Model, Provider]],
        deadline: float,
        *,
        is_impatient: bool,
        streams: bool,
        sent_to: list[str],
        observe: Observe,
    ) -> None:
        """`is_impatient`: the deadline is the caller's, so that missing it need not say anything of the provider."""
        self._attempts = attempts
        self._asked = ready[0][0]
        self._ready = {model.id: (model, provider) for model, provider in ready}
        self._deadline = deadline
        self._is_impatient = is_impatient
        self._streams = streams
        self._sent_to = sent_to
        self._observe = observe
        self._loop = asyncio.get_running_loop()
        self._current: Model | None = None
        self._because: GatewayError | None = None
        self._is_waiting = False
        self._sent_at = 0.0
        self._answered_ms: float | None = None

    @property
    def delivery(self) -> Delivery:
        model = self._current or self._asked
        because = self._because if model is not self._asked else None
        return Delivery(model, self._asked, tuple(self._sent_to), because)

    async def run(self, ask: Callable[[Provider, Model], Awaitable[T]]) -> T:
        """What the first try that works gives. Whoever hangs up meanwhile leaves no try behind."""
        try:
            while True:
                model, provider = await self._next()
                try:
                    async with asyncio.timeout_at(self._deadline):
                        answer = await ask(provider, model)
                except TimeoutError as late:
                    if self._is_impatient:
                        raise UpstreamTimeoutError from late
                    self.failed(UpstreamTimeoutError())
                except GatewayError as error:
                    self.failed(error)
                else:
                    self._answered_ms = (self._loop.time() - self._sent_at) * 1000
                    return answer
        except BaseException:
            if self._is_long_silent:
                self.failed(UpstreamTimeoutError())
            self.left()
            raise

    @property
    def _is_long_silent(self) -> bool:
        """Whether a stream under way has said nothing for so long that it tells of the provider, not of its caller."""
        return self._streams and self._is_waiting and self._loop.time() - self._sent_at >= _LONG_SILENCE_S

    async def _next(self) -> tuple[Model, Provider]:
        while True:
            step = self._attempts.next(self._loop.time())
            match step:
                case Try(target):
                    self._sent_to.append(target.model)
                    self._sent_at = self._loop.time()
                    self._is_waiting = True
                    model, provider = self._ready[target.model]
                    self._current = model
                    return model, provider
                case Wait(seconds):
                    await asyncio.sleep(seconds)
                case _:
                    raise step.error

    def began(self) -> None:
        self._attempts.began()

    def succeeded(self) -> None:
        self._attempts.succeeded(self._loop.time())
        self._report(Outcome.OK, self._answered_ms)

    def failed(self, error: GatewayError) -> None:
        self._attempts.failed(error, self._loop.time())
        self._is_waiting = False
        if self._current is self._asked:
            self._because = error
        outcome = _outcome(error)
        if outcome is not None:
            self._report(outcome, None)
            log.info("upstream_try_failed", model=self._current and self._current.id, error_code=error.code)

    def left(self) -> None:
        """Nobody waits for it any more, or it is over. Safe to repeat."""
        self._attempts.abandoned()

    def _report(self, outcome: Outcome, latency_ms: float | None) -> None:
        model = self._current or self._asked
        self._observe(model.provider, model.id, outcome, latency_ms)


def _outcome(error: GatewayError) -> Outcome | None:
    """How a provider's health counts `error`; None for one that is not about the provider."""
    match error:
        case UpstreamBusyError():
            return Outcome.BUSY
        case UpstreamTimeoutError():
            return Outcome.TIMEOUT
        case UpstreamFailureError():
            return Outcome.FAILED
        case _:
            return None


async def _entered(
    context: AbstractAsyncContextManager[Batches],
) -> tuple[AbstractAsyncContextManager[Batches], Batches]:
    return context, await context.__aenter__()

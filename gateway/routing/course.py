"""One call under way: its state machine, its clock and its providers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeVar

import structlog

from gateway.catalog import Model
from gateway.completion import Finishing, StreamEvent
from gateway.errors import GatewayError, UpstreamBusyError, UpstreamFailureError, UpstreamTimeoutError
from gateway.providers.provider import Provider
from gateway.routing.attempts import Attempts, Try, Wait
from gateway.routing.route import Delivery, Sender
from gateway.routing.tally import Outcome

T = TypeVar("T")
Batches = AsyncIterator[Sequence[StreamEvent]]

log = structlog.get_logger()

Observe = Callable[[str, str, Outcome, float | None], None]
"""Told of every attempt at a real upstream: provider, model, how it ended, and milliseconds to its answer."""


class Course:
    """What drives `Attempts` for one call, and tells of each try how it ended."""

    def __init__(
        self,
        attempts: Attempts,
        ready: Sequence[tuple[Model, Provider]],
        deadline: float,
        *,
        is_impatient: bool,
        silence_s: float | None,
        sender: Sender,
        observe: Observe,
    ) -> None:
        """`is_impatient`: the deadline is the caller's, so that missing it says nothing of the provider.

        Unless the caller waited for longer than `silence_s`; None where silence is the rule.
        """
        self._attempts = attempts
        self._asked = ready[0][0]
        self._ready = {model.id: (model, provider) for model, provider in ready}
        self._deadline = deadline
        self._is_impatient = is_impatient
        self._silence_s = silence_s
        self._sender = sender
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
        return Delivery(model, self._asked, tuple(self._sender.sent_to), because)

    async def run(self, ask: Callable[[Provider, Model], Awaitable[T]]) -> T:
        """What the first try that works gives. Whoever is cancelled meanwhile leaves no try behind.

        Raises `CancelledError` instead of trying again once the sender has left.
        """
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
            if self._is_silent:
                self.failed(UpstreamTimeoutError())
            self.left()
            raise

    @property
    def _is_silent(self) -> bool:
        """Whether a provider was asked and has said nothing for so long that it cannot be its caller's hurry."""
        if self._silence_s is None or not self._is_waiting:
            return False
        return self._loop.time() - self._sent_at >= self._silence_s

    async def _next(self) -> tuple[Model, Provider]:
        while not self._sender.left.is_set():
            step = self._attempts.next(self._loop.time())
            match step:
                case Try(target):
                    self._sender.sent_to.append(target.model)
                    self._sent_at = self._loop.time()
                    self._is_waiting = True
                    model, provider = self._ready[target.model]
                    self._current = model
                    return model, provider
                case Wait(seconds):
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._sender.left.wait(), seconds)
                case _:
                    raise step.error
        raise asyncio.CancelledError

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
            model = self._current or self._asked
            log.info("upstream_try_failed", vendor=model.provider, model=model.id, error_code=error.code)

    def left(self) -> None:
        """Nobody waits for it any more, or it is over. Safe to repeat."""
        self._attempts.abandoned()

    def _report(self, outcome: Outcome, latency_ms: float | None) -> None:
        model = self._current or self._asked
        self._observe(model.provider, model.id, outcome, latency_ms)


class Flow(AsyncIterator[Sequence[StreamEvent]]):
    """A stream's events, and who gives them."""

    def __init__(self, course: Course, batches: Batches) -> None:
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

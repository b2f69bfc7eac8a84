"""The pipeline's second half for a stream: relay, restore, and settle on what was produced."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import replace
from typing import Any, Protocol

from gateway.agents.delegation import Delegation
from gateway.agents.running import Severable
from gateway.agents.scope import ToolNotInScopeError, begins_other_tool
from gateway.catalog import Model
from gateway.clock import Clock
from gateway.completion import Completion, CompletionFold, Finishing, Stopped, StreamEvent
from gateway.credits import pricing
from gateway.errors import GatewayError
from gateway.inference.call import Call, Outcome, Status
from gateway.inference.reviewing import settle
from gateway.inference.shielding import uninterrupted, unstoppable
from gateway.phi.guard import Screened
from gateway.phi.report import PhiReport
from gateway.routing.route import Delivery

_FIRST_S = 1.0
_TOLD_S = 0.5
"""For how long a call that was ended waits for its record before it says so."""

Batches = AsyncIterator[Sequence[StreamEvent]]


class Streamed(Protocol):
    """One answer, event by event, as a surface renders it."""

    @property
    def call(self) -> Call: ...

    @property
    def delivery(self) -> Delivery: ...

    @property
    def model(self) -> Model:
        """The one that answers."""
        ...

    @property
    def sandboxed(self) -> bool: ...

    @property
    def completion(self) -> Completion | None:
        """The whole answer, restored; set once it is recorded."""
        ...

    @property
    def report(self) -> PhiReport: ...

    @property
    def charge(self) -> int:
        """Credits charged; set with `completion`."""
        ...

    @property
    def cost_micro_usd(self) -> int | None:
        """At list price; None for a model without prices, and before there is a `completion`."""
        ...

    def events(self) -> AsyncIterator[list[StreamEvent]]:
        """Batches of at least one event. Raises `GatewayError` for what the surface says in-band."""
        ...

    async def aclose(self) -> None:
        """Must be called, however the stream ended."""
        ...


class AnswerStream:
    """One answer as it arrives, restored.

    The events that say the answer is complete are held until it is recorded
    and charged: what could not be recorded never looks finished. However the
    stream ends (complete, broken, abandoned, ended from outside), the call is
    closed exactly once.
    """

    def __init__(
        self,
        *,
        call: Call,
        delivery: Delivery,
        screened: Screened,
        sandboxed: bool,
        upstream: AbstractAsyncContextManager[Any],
        batches: Batches,
        close: Callable[[Outcome], Coroutine[Any, Any, None]],
        review: Callable[[Completion], Awaitable[PhiReport]],
        explain: Callable[[BaseException], Awaitable[GatewayError]],
        clock: Clock,
    ) -> None:
        self.call = call
        self.delivery = delivery
        self.sandboxed = sandboxed
        self.completion: Completion | None = None
        self.charge = 0
        self._screened = screened
        self._upstream = upstream
        self._batches = batches
        self._close = close
        self._review = review
        self._explain = explain
        self._clock = clock
        self._fold = CompletionFold()
        """The answer as the provider sent it."""
        self._report = screened.report
        self._closed = False
        self._ending: asyncio.Task[None] | None = None
        call.running.when_unwaited(self._over)

    @property
    def model(self) -> Model:
        return self.delivery.model

    @property
    def cost_micro_usd(self) -> int | None:
        return pricing.cost_micro_usd(self.model, self.completion.usage) if self.completion else None

    @property
    def placeholders(self) -> Mapping[str, str]:
        """What stood in for which value at the provider."""
        return self._screened.placeholders

    @property
    def report(self) -> PhiReport:
        """With what the model itself wrote, once the answer is recorded."""
        return self._report

    async def events(self) -> AsyncIterator[list[StreamEvent]]:
        """Batches of events as they arrive, at least one event each.

        Raises:
            GatewayError: the provider broke off, or the answer could not be
                recorded; the call is closed by then and the surface says so in-band.
                Or the call was ended: that is said at once, however long its record takes.
        """
        restorer = self._screened.restorer.stream()
        withheld: list[StreamEvent] = []
        try:
            async for batch in self._severable():
                for event in batch:
                    self._fold.add(event)
                restored = restorer.feed(batch)
                if self._fold.finished:
                    ready, ending = _split_ending([*withheld, *restored])
                    if self._withholds:
                        await self._finish(Status.COMPLETED)
                    if ready:
                        yield ready
                    if self.completion is None:
                        self.call.running.require()
                        await self._finish(Status.COMPLETED)
                    yield ending
                    return
                if self._withholds:
                    withheld += restored
                elif restored:
                    yield restored
        except Exception as failure:
            raise await self._told(failure) from failure

    async def aclose(self) -> None:
        """End the stream now. A call still open was abandoned by its client and pays for what was produced."""
        await asyncio.shield(self._over())

    def _severable(self) -> Batches:
        delegation = self.call.access.principal.delegation
        if delegation is None:
            # Nobody ends it but its client and its provider.
            return self._batches
        return Severable(self._in_scope(delegation), self.call.running)

    async def _in_scope(self, delegation: Delegation) -> Batches:
        """Raises `ToolNotInScopeError` in place of what begins a tool outside the grants."""
        async for batch in self._batches:
            if begins_other_tool(batch, delegation):
                for event in batch:
                    self._fold.add(event)
                raise ToolNotInScopeError
            yield batch

    async def _told(self, failure: Exception) -> GatewayError:
        """What the surface says of `failure`, with the call closed: unless it was ended, then that is said in time."""
        if isinstance(failure, ToolNotInScopeError) and not self._closed:
            # The review says the same of what was produced, and that is charged.
            with suppress(ToolNotInScopeError):
                await self._finish(Status.COMPLETED)
            return failure
        ended = self.call.running.ended
        if ended is None or failure is not ended:
            return await uninterrupted(self._fail(failure))
        await asyncio.wait({self._over()}, timeout=_TOLD_S)
        return ended

    def _over(self) -> asyncio.Task[None]:
        """What ends the stream, once: its client, or who ends the call while nobody reads it."""
        if self._ending is None:
            self._ending = unstoppable(self._end())
        return self._ending

    async def _end(self) -> None:
        try:
            if not self._closed and not self._fold.started:
                await self._take_first()
            # The provider before the record: it bills for as long as it is let talk.
            await self._upstream.__aexit__(None, None, None)
        finally:
            if not self._closed:
                await self._finish(Status.CANCELLED)

    async def _take_first(self) -> None:
        """The batch that was there when the stream began: it says what the input cost, though nobody waited for it."""
        with suppress(Exception):
            async with asyncio.timeout(_FIRST_S):
                for event in await anext(self._batches):
                    self._fold.add(event)

    @property
    def _withholds(self) -> bool:
        """Whether nothing is shown before all of it was reviewed."""
        return self.call.access.policy.screening.answers == "block"

    async def _finish(self, status: Status) -> None:
        await uninterrupted(self._settle(status))

    async def _settle(self, status: Status) -> None:
        upstream = self._fold.completion()
        outcome = replace(
            self._outcome(status),
            completion=self._screened.restorer.completion(upstream),
            charge=pricing.charge(self.model, upstream.usage),
        )
        # Set first: a close whose fate is unknown is the sweep's to mend, not ours to repeat.
        self._closed = True
        self._report = await settle(outcome, lambda: self._review(upstream), self._close)
        self.completion, self.charge = outcome.completion, outcome.charge

    async def _fail(self, failure: Exception) -> GatewayError:
        open_still, self._closed = not self._closed, True
        error = await self._explain(failure)
        if open_still:
            await self._close(replace(self._outcome(Status.FAILED), error=error))
        return error

    def _outcome(self, status: Status) -> Outcome:
        return Outcome(
            call=self.call,
            model=self.model,
            status=status,
            at=self._clock.now(),
            delivery=self.delivery,
            report=self._report,
            placeholders=self._screened.placeholders,
        )


def _split_ending(events: Sequence[StreamEvent]) -> tuple[list[StreamEvent], list[StreamEvent]]:
    """`events` before and from the one that says why the answer stopped; the second part always ends with `Stopped`."""
    at = next(i for i, event in enumerate(events) if isinstance(event, Finishing))
    ending = [*events[at:]]
    if not isinstance(ending[-1], Stopped):
        ending.append(Stopped())
    return [*events[:at]], ending

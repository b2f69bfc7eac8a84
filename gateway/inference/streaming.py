"""The pipeline's second half for a stream: relay, restore, and settle on what was produced."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

from gateway.catalog import Model
from gateway.clock import Clock
from gateway.completion import Completion, CompletionFold, Finishing, Stopped, StreamEvent
from gateway.credits import pricing
from gateway.errors import GatewayError
from gateway.inference.call import Call, Outcome, Status
from gateway.inference.shielding import uninterrupted
from gateway.phi.guard import PhiReport, Screened

_FIRST_S = 1.0

Batches = AsyncIterator[Sequence[StreamEvent]]


class AnswerStream:
    """One answer as it arrives, restored.

    The events that say the answer is complete are held until it is recorded
    and charged: what could not be recorded never looks finished. However the
    stream ends (complete, broken, abandoned), the call is closed exactly once.
    """

    def __init__(
        self,
        *,
        call: Call,
        model: Model,
        screened: Screened,
        sandboxed: bool,
        upstream: AbstractAsyncContextManager[Batches],
        batches: Batches,
        close: Callable[[Outcome], Coroutine[Any, Any, None]],
        explain: Callable[[BaseException], Awaitable[GatewayError]],
        clock: Clock,
    ) -> None:
        self.call = call
        self.model = model
        self.sandboxed = sandboxed
        self.completion: Completion | None = None
        """The whole answer, restored; set once it is recorded."""
        self.charge = 0
        """Credits charged; set with `completion`."""
        self._screened = screened
        self._upstream = upstream
        self._batches = batches
        self._close = close
        self._explain = explain
        self._clock = clock
        self._fold = CompletionFold()
        self._closed = False

    @property
    def report(self) -> PhiReport:
        return self._screened.report

    async def events(self) -> AsyncIterator[list[StreamEvent]]:
        """Batches of events as they arrive, at least one event each.

        Raises:
            GatewayError: the provider broke off, or the answer could not be
                recorded; the call is closed by then and the surface says so in-band.
        """
        restorer = self._screened.restorer.stream()
        try:
            async for batch in self._batches:
                restored = restorer.feed(batch)
                for event in restored:
                    self._fold.add(event)
                if self._fold.finished:
                    ready, ending = _split_ending(restored)
                    if ready:
                        yield ready
                    await self._finish(Status.COMPLETED)
                    yield ending
                    return
                if restored:
                    yield restored
        except Exception as failure:
            raise await uninterrupted(self._fail(failure)) from failure

    async def aclose(self) -> None:
        """End the stream now. A call still open was abandoned by its client and pays for what was produced."""
        await uninterrupted(self._end())

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

    async def _finish(self, status: Status) -> None:
        completion = self._fold.completion()
        charge = pricing.charge(self.model, completion.usage)
        await uninterrupted(self._record(status, completion=completion, charge=charge))
        self.completion, self.charge = completion, charge

    async def _fail(self, failure: Exception) -> GatewayError:
        open_still, self._closed = not self._closed, True
        error = await self._explain(failure)
        if open_still:
            await self._record(Status.FAILED, error=error)
        return error

    async def _record(
        self,
        status: Status,
        *,
        completion: Completion | None = None,
        charge: int = 0,
        error: GatewayError | None = None,
    ) -> None:
        # Set first: a close whose fate is unknown is the sweep's to mend, not ours to repeat.
        self._closed = True
        await self._close(
            Outcome(
                call=self.call,
                model=self.model,
                status=status,
                at=self._clock.now(),
                completion=completion,
                report=self.report,
                placeholders=self._screened.restorer.values,
                charge=charge,
                error=error,
            )
        )


def _split_ending(events: Sequence[StreamEvent]) -> tuple[list[StreamEvent], list[StreamEvent]]:
    """`events` before and from the one that says why the answer stopped; the second part always ends with `Stopped`."""
    at = next(i for i, event in enumerate(events) if isinstance(event, Finishing))
    ending = [*events[at:]]
    if not isinstance(ending[-1], Stopped):
        ending.append(Stopped())
    return [*events[:at]], ending

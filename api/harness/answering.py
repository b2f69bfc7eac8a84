"""The last steps of every route that the harness answers: begin the run, hand it over, answer whole or line by line."""

from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta

import orjson
from fastapi import Request, Response

from api.exchange import exchange_of
from api.hangup import HangUpWatch
from api.harness import answer
from api.harness.asking import Wanted
from api.harness.stream import CONTENT_TYPE, Lines
from api.idempotency import REPLAYED, claimed
from api.inference import SANDBOXED, ignored_headers
from api.sse import EventStream
from api.state import gateway_of
from gateway import ids
from gateway.completion import StopReason
from gateway.errors import IdempotencyInProgressError, IdempotencyNotReplayableError
from gateway.harness.events import Ended, HarnessEvent, Said
from gateway.harness.run import LONGEST_S
from gateway.ids import RunId
from gateway.inference.call import Call
from gateway.inference.replay import Replay

_LONGEST = timedelta(seconds=LONGEST_S + 600)
"""Of a run: no round begins later, and none takes longer."""
_AGAIN_S = 5


async def answered(request: Request, asked: Wanted) -> Response:
    """What comes of `asked`, once for all requests under one idempotency key.

    A client that hangs up ends the round that is under way, and begins no other.
    """
    exchange, call = exchange_of(request), asked.asked.call
    headers = {**asked.headers, **ignored_headers(asked.moved)}
    async with claimed(request, call) as replay:
        if replay is not None:
            run, told_id = await _again(request, call, replay), ids.request_id(replay.call.id)
            call, headers = replay.call, {**headers, **REPLAYED}
        else:
            exchange.handed_over = True
            async with HangUpWatch(request.receive):
                run, told_id = await _begun(request, asked), exchange.told_id
                if not call.stream:
                    run = _Run(await run.rest(), _nothing())
    if call.stream:
        return EventStream(run, Lines(told_id), headers, content_type=CONTENT_TYPE)
    events = await run.rest()
    if any(isinstance(event, Ended) and event.sandboxed for event in events):
        headers = {**headers, **SANDBOXED}
    body = answer.whole(call, events, request_id=told_id)
    return Response(orjson.dumps(body), media_type="application/json", headers=headers)


async def _again(request: Request, call: Call, replay: Replay) -> "_Run":
    """What a run under the same key came to. Raises `IdempotencyNotReplayableError` for one that broke off."""
    async with gateway_of(request).storage.read(call.access.principal) as tx:
        said = await tx.chat_runs.said(RunId(replay.call.id))
    if said.stop_reason is None or said.stop_reason == StopReason.TOOL_USE:
        if gateway_of(request).clock.now() < replay.call.received_at + _LONGEST:
            # The answer is settled that goes on to the next, and whoever asked first may still be hearing them.
            raise IdempotencyInProgressError(retry_after_s=_AGAIN_S)
        raise IdempotencyNotReplayableError(details={"message_id": ids.message_id(replay.call.id)})
    ended = Ended(StopReason(said.stop_reason), said.rounds, said.uses, replay.sandboxed)
    return _Run([Said(said.text), ended], _nothing())


async def _nothing() -> AsyncGenerator[Sequence[HarnessEvent]]:
    return
    yield


class _Run:
    """A run whose first batch is there: what refuses it is told by a status."""

    def __init__(self, first: Sequence[HarnessEvent], batches: AsyncGenerator[Sequence[HarnessEvent]]) -> None:
        self._first = first
        self._batches = batches

    async def events(self) -> AsyncGenerator[Sequence[HarnessEvent]]:
        if self._first:
            yield self._first
        async for batch in self._batches:
            if batch:
                yield batch

    async def rest(self) -> list[HarnessEvent]:
        """All of it."""
        try:
            return [event async for batch in self.events() for event in batch]
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        await self._batches.aclose()


async def _begun(request: Request, asked: Wanted) -> _Run:
    batches = gateway_of(request).harness.events(asked.asked)
    try:
        return _Run(await anext(batches), batches)
    except BaseException:
        await batches.aclose()
        raise

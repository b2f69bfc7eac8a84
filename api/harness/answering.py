"""The last steps of every route that the harness answers: begin the run, hand it over, answer whole or line by line."""

from collections.abc import AsyncGenerator, Sequence

import orjson
from fastapi import Request, Response

from api.exchange import exchange_of
from api.hangup import HangUpWatch
from api.harness import answer
from api.harness.asking import Wanted
from api.harness.stream import CONTENT_TYPE, Lines
from api.inference import ignored_headers
from api.sse import EventStream
from api.state import gateway_of
from gateway.harness.events import HarnessEvent


async def answered(request: Request, asked: Wanted) -> Response:
    """What comes of `asked`. A client that hangs up ends the round that is under way, and begins no other."""
    exchange = exchange_of(request)
    exchange.handed_over = True
    async with HangUpWatch(request.receive):
        run = await _begun(request, asked)
        events = await run.rest() if not asked.asked.call.stream else []
    headers = {**asked.headers, **ignored_headers(asked.moved)}
    if asked.asked.call.stream:
        return EventStream(run, Lines(exchange.told_id), headers, content_type=CONTENT_TYPE)
    body = answer.whole(asked.asked.call, events, request_id=exchange.told_id)
    return Response(orjson.dumps(body), media_type="application/json", headers=headers)


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

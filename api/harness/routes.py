"""Native chat: a model with tools that the gateway runs (spec, hatz 6)."""

from collections.abc import AsyncGenerator, Sequence

import orjson
from fastapi import APIRouter, Request, Response

from api.authentication import admit_call
from api.dialect import dialect_route
from api.exchange import exchange_of
from api.hangup import HangUpWatch
from api.harness import answer, examples, reading
from api.harness.asking import Wanted, wanted
from api.harness.envelope import HARNESS
from api.harness.schemas import ChatCompletionsRequest
from api.harness.stream import CONTENT_TYPE, Lines
from api.inference import ignored_headers
from api.openapi import INFERENCE_ERRORS, errors, json_body
from api.sse import EventStream
from api.state import gateway_of
from gateway.harness.events import HarnessEvent
from gateway.harness.toolbox import UnknownToolError
from gateway.inference.call import Surface
from gateway.tenancy import Scope

router = APIRouter(route_class=dialect_route(HARNESS), tags=["Native chat"])


@router.post(
    "/v1/chat/completions",
    summary="Chat with a model that has tools of the gateway's",
    response_class=Response,
    responses={
        200: examples.CHAT,
        **errors(
            HARNESS,
            *INFERENCE_ERRORS,
            UnknownToolError,
            reading.ClientToolsError,
            reading.NoModelError,
        ),
    },
    openapi_extra=json_body(ChatCompletionsRequest, examples.CHAT_REQUEST),
)
async def complete(request: Request) -> Response:
    """The model is asked again with what its tools said, up to eight times. Needs the scope `ai:chat`.

    With `stream` the answer is one JSON object a line. Fields that are not known here are ignored.
    """
    access = await admit_call(request, Surface.HARNESS, Scope.AI_CHAT)
    asked = await wanted(request, access, reading.chat(await request.body()))
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

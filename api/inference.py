"""The last steps of every inference route: make the call, hand it over, answer whole or as a stream."""

from collections.abc import Callable
from typing import Protocol

import orjson
from fastapi import Request, Response

from api.dialect import JsonObject
from api.exchange import exchange_of
from api.hangup import HangUpWatch
from api.sse import EventStream, Frames
from api.state import gateway_of
from gateway.conversation import Conversation
from gateway.inference.call import Answer, Call, Surface
from gateway.inference.streaming import AnswerStream
from gateway.tenancy import Access


class Asked(Protocol):
    """What a body of any dialect comes to."""

    @property
    def model(self) -> str: ...

    @property
    def conversation(self) -> Conversation: ...

    @property
    def stream(self) -> bool: ...


def new_call(request: Request, access: Access, surface: Surface, asked: Asked) -> Call:
    """What `request` asks for, under its own id and as of now."""
    exchange = exchange_of(request)
    return Call(
        id=exchange.id,
        access=access,
        surface=surface,
        model=asked.model,
        conversation=asked.conversation,
        received_at=gateway_of(request).clock.now(),
        stream=asked.stream,
        ip_address=exchange.ip_address,
    )


async def answered(
    request: Request,
    call: Call,
    *,
    frames: Callable[[AnswerStream], Frames],
    body: Callable[[Answer], JsonObject],
    headers: dict[str, str] | None = None,
) -> Response:
    """`call`'s answer. A client that hangs up before it began cancels the call."""
    pipeline = gateway_of(request).pipeline
    headers = headers or {}
    # From here on the pipeline audits what it refuses.
    exchange_of(request).handed_over = True
    async with HangUpWatch(request.receive):
        outcome = await (pipeline.stream(call) if call.stream else pipeline.complete(call))
    if outcome.sandboxed:
        headers["hasp-upstream"] = "sandbox"
    if isinstance(outcome, AnswerStream):
        return EventStream(outcome, frames(outcome), headers)
    return Response(orjson.dumps(body(outcome)), media_type="application/json", headers=headers)

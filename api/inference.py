"""The last step of every inference route: hand the call over, then answer whole or as a stream."""

from collections.abc import Callable

import orjson
from fastapi import Request, Response

from api.dialect import JsonObject
from api.exchange import exchange_of
from api.hangup import HangUpWatch
from api.sse import EventStream, Frames
from api.state import gateway_of
from gateway.inference.call import Answer, Call
from gateway.inference.streaming import AnswerStream


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

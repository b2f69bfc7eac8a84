"""The last steps of every inference route: make the call, hand it over, answer whole or as a stream."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import orjson
from fastapi import Request, Response

from api.dialect import JsonObject
from api.exchange import exchange_of
from api.hangup import HangUpWatch
from api.idempotency import REPLAYED, claimed
from api.sse import EventStream, Frames
from api.state import gateway_of
from gateway.completion import StreamEvent
from gateway.conversation import Conversation
from gateway.idempotency import TO_BE_OPENED
from gateway.inference.call import Answer, Call, Surface
from gateway.inference.replay import Replay
from gateway.inference.streaming import AnswerStream, Streamed
from gateway.limits.limiter import UNLIMITED
from gateway.providers.abilities import ignored_parameters
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
    """What `request` asks for, under its own id and as of now. Raises what an agent is refused first."""
    exchange, gateway = exchange_of(request), gateway_of(request)
    exchange.model, now = gateway.catalog.find(asked.model), gateway.clock.now()
    if access.principal.delegation is not None:
        # Not the pipeline's alone: what was answered once is answered again without it.
        gateway.pipeline.require_scope(access, asked.conversation)
    return Call(
        id=exchange.id,
        access=access,
        surface=surface,
        model=asked.model,
        conversation=asked.conversation,
        received_at=now,
        open_by=now + TO_BE_OPENED,
        stream=asked.stream,
        ip_address=exchange.ip_address,
        patience_s=_patience_s(request),
        quota=exchange.quota or UNLIMITED,
    )


def _patience_s(request: Request) -> float | None:
    """How long the client waits, which official SDKs say of themselves; anything but a positive number says nothing."""
    said = request.headers.get("x-stainless-timeout") or request.headers.get("x-stainless-read-timeout") or ""
    try:
        seconds = float(said)
    except ValueError:
        return None
    return seconds if 0 < seconds < math.inf else None


async def answered(
    request: Request,
    call: Call,
    *,
    frames: Callable[[Streamed], Frames[StreamEvent]],
    body: Callable[[Answer | Replay], JsonObject],
    ignored: Sequence[str] = (),
    named: Mapping[str, str] | None = None,
) -> Response:
    """`call`'s answer, once for all requests under one idempotency key. A client that hangs up cancels the call.

    `ignored` are the parameters that were taken and are sent to nobody, `named` headers that tell which model was
    meant.
    """
    async with claimed(request, call) as replay:
        outcome = replay or await _begun(request, call)
    headers = {**(named or {}), **_told(outcome, ignored)}
    if isinstance(outcome, AnswerStream) or (call.stream and isinstance(outcome, Replay)):
        return EventStream(outcome, frames(outcome), headers)
    return Response(orjson.dumps(body(outcome)), media_type="application/json", headers=headers)


async def _begun(request: Request, call: Call) -> Answer | AnswerStream:
    pipeline = gateway_of(request).pipeline
    # From here on the pipeline audits what it refuses.
    exchange_of(request).handed_over = True
    async with HangUpWatch(request.receive):
        return await (pipeline.stream(call) if call.stream else pipeline.complete(call))


def _told(outcome: Answer | AnswerStream | Replay, ignored: Sequence[str]) -> dict[str, str]:
    """Who answered, where that is not who was asked, which hints had no reader there, and whether it was then."""
    told: dict[str, str] = {**REPLAYED} if isinstance(outcome, Replay) else {}
    if outcome.sandboxed:
        told |= SANDBOXED
    if outcome.delivery.is_failover:
        told["hasp-answered-by"] = outcome.model.id
    unread = (*ignored, *ignored_parameters(outcome.call.conversation, outcome.model))
    return told | ignored_headers(unread)


SANDBOXED = {"hasp-upstream": "sandbox"}
"""With an answer that is made up."""


def ignored_headers(names: Sequence[str]) -> dict[str, str]:
    """Tell of the parameters that were taken and are sent to nobody, if there are any."""
    return {"hasp-ignored-parameters": ", ".join(names)} if names else {}

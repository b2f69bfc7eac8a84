"""One call through the real pipeline, and what each surface shows of its answer, with ids and times fixed."""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.types import Message, Scope

from api.anthropic import translate as messages
from api.anthropic.envelope import ANTHROPIC
from api.anthropic.stream import MessageFrames
from api.dialect import Dialect, error_headers
from api.exchange import Exchange, put_exchange
from api.native.envelope import NATIVE
from api.native.routes import _body as native_body  # pyright: ignore[reportPrivateUsage]
from api.native.stream import ChatFrames
from api.sse import EventStream, Frames
from gateway.catalog import Catalog, shipped_catalog
from gateway.clock import SystemClock
from gateway.completion import StreamEvent
from gateway.conversation import Conversation
from gateway.errors import GatewayError
from gateway.ids import ConversationId, InferenceId, request_id
from gateway.inference.call import Answer, Call, Surface
from gateway.inference.pipeline import InferencePipeline
from gateway.inference.streaming import AnswerStream
from gateway.phi.guard import Guard
from gateway.providers.provider import Provider
from gateway.routing.attempts import Limits
from gateway.routing.dispatch import Dispatcher
from tests.golden.dialects import SELF_HOSTED
from tests.unit.inference.bench import NOW, access
from tests.unit.inference.ports import FakeDetector, FakeJournal, FakeProviders, Steps

CALL_ID = InferenceId("01JZ0000000000000000000000")
_THREAD = ConversationId("01JZ0000000000000000000001")
_EVENT_ID = re.compile(rb"evt_[0-9A-Z]{22}")
_CREATED = re.compile(rb'"created":\d+')


@dataclass(frozen=True, slots=True)
class ShownSurface:
    kind: Surface
    errors: Dialect
    body: Callable[[Answer], dict[str, Any]]
    frames: Callable[[AnswerStream], Frames[StreamEvent]]
    thread: ConversationId | None = None


SURFACES: Mapping[str, ShownSurface] = {
    "messages": ShownSurface(Surface.MESSAGES, ANTHROPIC, messages.message, lambda stream: MessageFrames(stream.call)),
    "native": ShownSurface(Surface.NATIVE, NATIVE, native_body, ChatFrames, _THREAD),
}


def pipeline_of(provider: Provider) -> InferencePipeline:
    """Every gate there is, over a detector that finds nothing."""
    steps = Steps()
    return InferencePipeline(
        catalog=Catalog([*shipped_catalog(), SELF_HOSTED]),
        journal=FakeJournal(steps),
        guard=Guard(FakeDetector(steps)),
        dispatcher=Dispatcher(FakeProviders(provider), longest_s=60, limits=Limits(retries=0)),
        clock=SystemClock(),
        baa_url="https://gateway.example/baa",
    )


def call_of(surface: ShownSurface, model: str, conversation: Conversation, *, stream: bool = False) -> Call:
    return Call(
        id=CALL_ID,
        access=access(unscannable="allow"),
        surface=surface.kind,
        model=model,
        conversation=conversation,
        received_at=NOW,
        stream=stream,
        thread=surface.thread,
    )


def shown_error(surface: ShownSurface, error: GatewayError) -> bytes:
    """An error as the HTTP answer it becomes."""
    return pretty(
        {
            "status": surface.errors.status(error),
            "headers": error_headers(error),
            "body": surface.errors.body(error, request_id(CALL_ID)),
        }
    )


async def shown_answer(surface: ShownSurface, provider: Provider, call: Call) -> bytes:
    """The body of a plain answer, pretty-printed. Raises what the pipeline raises."""
    return pretty(surface.body(await pipeline_of(provider).complete(call)))


async def shown_stream(surface: ShownSurface, provider: Provider, call: Call) -> bytes:
    """The bytes of a streamed answer, its end included. Raises what comes before the first of them."""
    stream = await pipeline_of(provider).stream(call)
    sent: list[bytes] = []

    async def send(message: Message) -> None:
        sent.append(message.get("body", b""))

    async def receive() -> Message:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    scope: Scope = {"type": "http"}
    put_exchange(scope, Exchange(CALL_ID, None, send))
    await EventStream(stream, surface.frames(stream), {})(scope, receive, send)
    return _CREATED.sub(b'"created":0', _EVENT_ID.sub(b"evt_" + b"0" * 22, b"".join(sent)))


def pretty(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)

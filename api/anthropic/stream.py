"""Anthropic's event stream, to the byte: `event` and `data` lines, deltas spliced between constant halves."""

from collections.abc import Sequence
from typing import Any, assert_never

import orjson

from api.anthropic.envelope import ANTHROPIC
from api.anthropic.translate import opening_message, stopped
from api.content import metering
from api.dialect import Dialect
from gateway import ids
from gateway.completion import (
    BlockDelta,
    BlockStarted,
    BlockStopped,
    CitationDelta,
    Delta,
    Finishing,
    InputDelta,
    Ping,
    SignatureDelta,
    Started,
    Stopped,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
)
from gateway.errors import GatewayError
from gateway.inference.call import Call
from gateway.transcript import dump_block

_PING = b'event: ping\ndata: {"type":"ping"}\n\n'
_STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
_DELTA = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":%b}\n\n'
_TEXT = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,'
    b'"delta":{"type":"text_delta","text":%b}}\n\n'
)
_BLOCK_STOP = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n'


class MessageFrames:
    """Renders one call's events. Streams stay pure: nothing of ours but the message id and the model as asked for."""

    keep_alive = _PING

    def __init__(self, call: Call, dialect: Dialect = ANTHROPIC, *, request_id: str | None = None) -> None:
        """A failure is told in `dialect`, under `request_id` if the caller has one of their own."""
        self._call = call
        self._dialect = dialect
        self._request_id = request_id or ids.request_id(call.id)

    def opening(self) -> bytes:
        return b""

    def render(self, events: Sequence[StreamEvent]) -> bytes:
        return b"".join([self._frame(event) for event in events])

    def failure(self, error: GatewayError) -> bytes:
        return _frame(b"error", self._dialect.body(error, self._request_id))

    def _frame(self, event: StreamEvent) -> bytes:
        match event:
            case BlockDelta(index, TextDelta(text)):
                return _TEXT % (index, orjson.dumps(text))
            case BlockDelta(index, delta):
                return _DELTA % (index, orjson.dumps(_delta(delta)))
            case BlockStarted(index, block):
                started = {"type": "content_block_start", "index": index, "content_block": dump_block(block)}
                return _frame(b"content_block_start", started)
            case BlockStopped(index):
                return _BLOCK_STOP % index
            case Started(usage=usage):
                opened = opening_message(ids.message_id(self._call.id), self._call.model, usage)
                return _frame(b"message_start", {"type": "message_start", "message": opened})
            case Finishing():
                return _frame(b"message_delta", _ending(event))
            case Stopped():
                return _STOP
            case Ping():
                return _PING
            case _:
                assert_never(event)


def _ending(event: Finishing) -> dict[str, Any]:
    return {
        "type": "message_delta",
        "delta": {"container": None, **stopped(event)},
        # Input and cache counts again: some clients read them only here.
        "usage": metering.anthropic_usage(event.usage),
    }


def _delta(delta: Delta) -> dict[str, Any]:
    match delta:
        case TextDelta(text):
            return {"type": "text_delta", "text": text}
        case InputDelta(json):
            return {"type": "input_json_delta", "partial_json": json}
        case ThinkingDelta(thinking):
            return {"type": "thinking_delta", "thinking": thinking}
        case SignatureDelta(signature):
            return {"type": "signature_delta", "signature": signature}
        case CitationDelta(citation):
            return {"type": "citations_delta", "citation": dict(citation)}


def _frame(name: bytes, data: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name, orjson.dumps(data))

"""The native event taxonomy as server-sent events (spec B1, D21).

`run.created run.started message.created (message.delta | tool_call.created |
tool_call.completed)* message.completed usage.updated run.completed`; a run
that breaks ends with `run.failed` instead. Deltas are spliced between
constant halves: rendering one costs a few microseconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import time
from typing import Any

import orjson

from api.content import metering
from api.middleware import API_VERSION
from api.native import translate
from api.native.envelope import NATIVE
from gateway import ids
from gateway.completion import (
    BlockDelta,
    BlockStarted,
    BlockStopped,
    InputDelta,
    Stopped,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    parse_tool_input,
)
from gateway.conversation import ToolUse
from gateway.errors import GatewayError
from gateway.inference.streaming import Streamed

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(f"{high}{low}".encode() for high in _ALPHABET for low in _ALPHABET)

_FRAME = (
    b"event: %b\nid: evt_%b\n"
    b'data: {"id":"evt_%b","object":"event","type":"%b","api_version":"' + API_VERSION.encode() + b'",'
    b'"created":%d,"data":%b}\n\n'
)


@dataclass(frozen=True, slots=True)
class _Call:
    """A tool call while its input arrives."""

    id: str
    name: str
    pieces: list[str] = field(default_factory=list[str])


class ChatFrames:
    """Renders one stream's events. Reads the recorded answer off the stream at its end."""

    keep_alive = b": ping\n\n"

    def __init__(self, stream: Streamed) -> None:
        self._stream = stream
        call = stream.call
        self._message_id = ids.message_id(call.id)
        self._run_id = ids.run_id(call.id)
        self._request_id = ids.request_id(call.id)
        # One random ULID per stream; its last four digits count the events up to a million.
        self._event_prefix = ids.new_ulid()[:22].encode()
        self._events = 0
        self._text_delta = b'{"message_id":"%b","delta":{"type":"text","text":' % self._message_id.encode()
        self._calls: dict[int, _Call] = {}
        """By their blocks: ids do not tell calls apart where a vendor says one twice."""

    def opening(self) -> bytes:
        identity = {"request_id": self._request_id, "message_id": self._message_id, "run_id": self._run_id}
        conversation = translate.conversation_id(self._stream.call)
        return b"".join(
            (
                self._frame(b"run.created", {**identity, "conversation_id": conversation}),
                self._frame(b"run.started", {**identity, "model": self._stream.model.id}),
                self._frame(b"message.created", {"message": {"id": self._message_id, "role": "assistant"}}),
            )
        )

    def render(self, events: Sequence[StreamEvent]) -> bytes:
        return b"".join([self._render(event) for event in events])

    def failure(self, error: GatewayError) -> bytes:
        body = NATIVE.body(error, self._request_id)
        return self._frame(b"run.failed", {"run_id": self._run_id, "error": body["error"]})

    def _render(self, event: StreamEvent) -> bytes:
        match event:
            case BlockDelta(_, TextDelta(text)):
                return self._spliced(b"message.delta", self._text_delta + orjson.dumps(text) + b"}}")
            case BlockDelta(index, InputDelta(json)):
                call = self._calls[index]
                call.pieces.append(json)
                return self._delta({"type": "tool_input", "tool_call_id": call.id, "partial_json": json})
            case BlockDelta(_, ThinkingDelta(thinking)):
                return self._delta({"type": "thinking", "text": thinking})
            case BlockStarted(index, ToolUse(id=tool_id, name=name)):
                self._calls[index] = _Call(tool_id, name)
                opened = {"message_id": self._message_id, "tool_call": {"id": tool_id, "name": name}}
                return self._frame(b"tool_call.created", opened)
            case BlockStopped(index) if index in self._calls:
                return self._tool_call(self._calls.pop(index))
            case Stopped():
                return self._ending()
            case _:
                # Signatures, citations and block edges have no event here; `message.completed` has the blocks.
                return b""

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return self._frame(b"message.delta", {"message_id": self._message_id, "delta": delta})

    def _tool_call(self, call: "_Call") -> bytes:
        shown = {"id": call.id, "name": call.name, "input": dict(parse_tool_input("".join(call.pieces)))}
        return self._frame(b"tool_call.completed", {"message_id": self._message_id, "tool_call": shown})

    def _ending(self) -> bytes:
        stream = self._stream
        completion = stream.completion
        if completion is None:
            raise RuntimeError("The stream says it is complete before it is recorded.")
        completed: dict[str, Any] = {"message": translate.message(stream.call, completion)}
        if report := translate.phi(stream.report):
            completed["phi"] = report
        usage = metering.usage_lines(stream.model.id, completion.usage, stream.charge, stream.cost_micro_usd)
        return b"".join(
            (
                self._frame(b"message.completed", completed),
                self._frame(b"usage.updated", {"usage": usage}),
                self._frame(b"run.completed", {"run_id": self._run_id, "status": "completed"}),
            )
        )

    def _frame(self, name: bytes, data: dict[str, Any]) -> bytes:
        return self._spliced(name, orjson.dumps(data))

    def _spliced(self, name: bytes, data: bytes) -> bytes:
        event_id = self._event_prefix + _PAIRS[self._events >> 10 & 1023] + _PAIRS[self._events & 1023]
        self._events += 1
        return _FRAME % (name, event_id, event_id, name, int(time()), data)

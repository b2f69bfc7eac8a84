"""A chat completion's chunks: `data` lines without a name, and `[DONE]` after the last (spec, hatz 13.3)."""

from collections.abc import Sequence
from typing import Any, assert_never

import orjson

from api.openai.chat import answer
from api.openai.envelope import OPENAI
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
    tool_input_text,
)
from gateway.conversation import RedactedThinking, Text, Thinking, ToolUse
from gateway.errors import GatewayError
from gateway.inference.call import Call

Json = dict[str, Any]

_DONE = b"data: [DONE]\n\n"


class _OpenCall:
    """A tool call while its arguments arrive."""

    __slots__ = ("call", "index", "is_begun")

    def __init__(self, call: ToolUse, index: int) -> None:
        self.call = call
        self.index = index
        self.is_begun = False


class ChunkFrames:
    """Renders one call's events."""

    keep_alive = b": ping\n\n"

    def __init__(self, call: Call, *, includes_usage: bool, request_id: str | None = None) -> None:
        self._shell = answer.shell(call, "chat.completion.chunk")
        self._request_id = request_id or ids.request_id(call.id)
        self._includes_usage = includes_usage
        self._calls: dict[int, _OpenCall] = {}
        self._called = 0
        self._said = False
        self._head = orjson.dumps(self._shell)[:-1]
        self._tail = b',"usage":null}\n\n' if includes_usage else b"}\n\n"

    def opening(self) -> bytes:
        return self._chunk({"role": "assistant", "content": "", "refusal": None})

    def render(self, events: Sequence[StreamEvent]) -> bytes:
        return b"".join([self._render(event) for event in events])

    def failure(self, error: GatewayError) -> bytes:
        return b"data: %b\n\n" % orjson.dumps(OPENAI.body(error, self._request_id))

    def _render(self, event: StreamEvent) -> bytes:
        match event:
            case BlockDelta(index, delta):
                return self._delta(index, delta)
            case BlockStarted(index, block):
                return self._started(index, block)
            case BlockStopped(index):
                return self._stopped(index)
            case Finishing():
                return self._finishing(event)
            case Stopped():
                return _DONE
            case Started() | Ping():
                return b""
            case _:
                assert_never(event)

    def _started(self, index: int, block: Text | ToolUse | Thinking | RedactedThinking) -> bytes:
        match block:
            case Text(text):
                return self._text(text) if text else b""
            case ToolUse():
                opened = self._calls[index] = _OpenCall(block, self._called)
                self._called += 1
                return self._chunk({"tool_calls": [answer.tool_call(opened.index, block, "")]})
            case Thinking(thinking):
                return self._chunk({"reasoning_content": thinking}) if thinking else b""
            case RedactedThinking():
                return b""

    def _delta(self, index: int, delta: Delta) -> bytes:
        match delta:
            case TextDelta(text):
                return self._text(text)
            case InputDelta(json):
                opened = self._calls[index]
                opened.is_begun = opened.is_begun or bool(json.strip())
                return self._arguments(opened, json)
            case ThinkingDelta(thinking):
                return self._chunk({"reasoning_content": thinking})
            case SignatureDelta() | CitationDelta():
                return b""

    def _stopped(self, index: int) -> bytes:
        opened = self._calls.pop(index, None)
        if opened is None or opened.is_begun:
            return b""
        return self._arguments(opened, tool_input_text(opened.call.input))

    def _text(self, text: str) -> bytes:
        self._said = True
        return b'data: %b,"choices":[{"index":0,"delta":{"content":%b},"finish_reason":null}]%b' % (
            self._head,
            orjson.dumps(text),
            self._tail,
        )

    def _arguments(self, opened: _OpenCall, arguments: str) -> bytes:
        return self._chunk({"tool_calls": [{"index": opened.index, "function": {"arguments": arguments}}]})

    def _finishing(self, event: Finishing) -> bytes:
        words = answer.refusal(event.stop_reason, event.stop_details, said=self._said)
        refused = self._chunk({"refusal": words}) if words else b""
        ended = self._chunk({}, answer.finish_reason(event.stop_reason, said=self._said))
        if not self._includes_usage:
            return refused + ended
        counted: Json = {**self._shell, "choices": [], "usage": answer.usage(event.usage)}
        return refused + ended + b"data: %b\n\n" % orjson.dumps(counted)

    def _chunk(self, delta: Json, finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return b'data: %b,"choices":[%b]%b' % (self._head, orjson.dumps(choice), self._tail)

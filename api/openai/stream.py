"""The Responses API's event stream: nine steps a text, all with full payloads (spec, hatz 13.2).

Every client reads some of them and breaks without those: nothing is left out. What breaks off ends in
`response.failed`; no event has a field `error` of its own, which one client takes for the end.
"""

from collections.abc import Sequence
from typing import Any, assert_never

import orjson

from api.openai import items
from api.openai.envelope import code_of
from api.openai.response import Echo, shell
from gateway.completion import (
    AnswerBlock,
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
    StopReason,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    tool_input_text,
)
from gateway.conversation import RedactedThinking, Text, Thinking, ToolUse
from gateway.errors import GatewayError
from gateway.inference.call import Call

Json = dict[str, Any]

_FRAME = b'event: %b\ndata: {"type":"%b","sequence_number":%d,%b\n\n'
_DELTA = (
    b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":%d,'
    b'"item_id":"%b","output_index":%d,"content_index":0,"delta":%b,"logprobs":[]}\n\n'
)


class _OpenItem:
    """One item while it arrives."""

    __slots__ = ("block", "id", "index", "pieces", "signature")

    def __init__(self, block: AnswerBlock, identity: str, index: int) -> None:
        self.block = block
        self.id = identity
        self.index = index
        self.pieces: list[str] = []
        self.signature = block.signature if isinstance(block, Thinking) else ""

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def place(self) -> Json:
        return {"item_id": self.id, "output_index": self.index}


class ResponseFrames:
    """Renders one call's events."""

    keep_alive = b": ping\n\n"

    def __init__(self, call: Call, echo: Echo) -> None:
        self._call = call
        self._echo = echo
        self._sequence = 0
        self._open: dict[int, _OpenItem] = {}
        self._blocks: list[AnswerBlock] = []
        self._output: list[Json] = []
        self._finishing: Finishing | None = None

    def opening(self) -> bytes:
        begun = {"response": shell(self._call, self._echo, status="in_progress")}
        return self._frame(b"response.created", begun) + self._frame(b"response.in_progress", begun)

    def render(self, events: Sequence[StreamEvent]) -> bytes:
        return b"".join([self._render(event) for event in events])

    def failure(self, error: GatewayError) -> bytes:
        failed = {
            **shell(self._call, self._echo, status="failed"),
            "output": self._output,
            "error": {"code": code_of(error), "message": error.text},
        }
        return self._frame(b"response.failed", {"response": failed})

    def _render(self, event: StreamEvent) -> bytes:
        match event:
            case BlockDelta(index, delta):
                return self._delta(self._open[index], delta)
            case BlockStarted(index, block):
                return self._started(index, block)
            case BlockStopped(index):
                return self._stopped(self._open.pop(index))
            case Finishing():
                self._finishing = event
                return b""
            case Stopped():
                return self._ending()
            case Started() | Ping():
                return b""
            case _:
                assert_never(event)

    def _started(self, index: int, block: AnswerBlock) -> bytes:
        place = len(self._output) + len(self._open)
        opened = self._open[index] = _OpenItem(block, items.item_id(block, self._call.id, place), place)
        match block:
            case Text(text):
                added = items.message(opened.id, [], status="in_progress")
                part = {**opened.place(), "content_index": 0, "part": items.text_part("")}
                begun = self._added(opened, added) + self._frame(b"response.content_part.added", part)
                return begun + (self._text(opened, text) if text else b"")
            case ToolUse():
                return self._added(opened, items.function_call(opened.id, block, "", status="in_progress"))
            case Thinking(thinking):
                begun = self._added(opened, items.reasoning(opened.id, "", None))
                part = {**opened.place(), "summary_index": 0, "part": {"type": "summary_text", "text": ""}}
                begun += self._frame(b"response.reasoning_summary_part.added", part)
                return begun + (self._thought(opened, thinking) if thinking else b"")
            case RedactedThinking():
                return self._added(opened, items.reasoning(opened.id, "", None))

    def _added(self, opened: _OpenItem, item: Json) -> bytes:
        return self._frame(b"response.output_item.added", {"output_index": opened.index, "item": item})

    def _text(self, opened: _OpenItem, text: str) -> bytes:
        opened.pieces.append(text)
        sequence = self._sequence
        self._sequence += 1
        return _DELTA % (sequence, opened.id.encode(), opened.index, orjson.dumps(text))

    def _thought(self, opened: _OpenItem, thinking: str) -> bytes:
        opened.pieces.append(thinking)
        told = {**opened.place(), "summary_index": 0, "delta": thinking}
        return self._frame(b"response.reasoning_summary_text.delta", told)

    def _delta(self, opened: _OpenItem, delta: Delta) -> bytes:
        match delta:
            case TextDelta(text):
                return self._text(opened, text)
            case InputDelta(json):
                opened.pieces.append(json)
                told = {**opened.place(), "delta": json}
                return self._frame(b"response.function_call_arguments.delta", told)
            case ThinkingDelta(thinking):
                return self._thought(opened, thinking)
            case SignatureDelta(signature):
                opened.signature += signature
                return b""
            case CitationDelta():
                return b""

    def _stopped(self, opened: _OpenItem) -> bytes:
        match opened.block:
            case Text():
                return self._text_done(opened)
            case ToolUse() as call:
                return self._call_done(opened, call)
            case Thinking():
                return self._thought_done(opened)
            case RedactedThinking() as block:
                return self._done(opened, block, items.item(block, opened.id))

    def _text_done(self, opened: _OpenItem) -> bytes:
        text, place = opened.text, {**opened.place(), "content_index": 0}
        part = items.text_part(text)
        done = self._frame(b"response.output_text.done", {**place, "text": text, "logprobs": []})
        done += self._frame(b"response.content_part.done", {**place, "part": part})
        return done + self._done(opened, Text(text), items.message(opened.id, [part], status="completed"))

    def _call_done(self, opened: _OpenItem, call: ToolUse) -> bytes:
        arguments = opened.text if opened.text.strip() else tool_input_text(call.input)
        told = {**opened.place(), "name": call.name, "arguments": arguments}
        done = self._frame(b"response.function_call_arguments.done", told)
        return done + self._done(opened, call, items.function_call(opened.id, call, arguments, status="completed"))

    def _thought_done(self, opened: _OpenItem) -> bytes:
        text, place = opened.text, {**opened.place(), "summary_index": 0}
        done = self._frame(b"response.reasoning_summary_text.done", {**place, "text": text})
        part = {**place, "part": {"type": "summary_text", "text": text}}
        done += self._frame(b"response.reasoning_summary_part.done", part)
        whole = items.reasoning(opened.id, text, opened.signature)
        return done + self._done(opened, Thinking(text, opened.signature), whole)

    def _done(self, opened: _OpenItem, block: AnswerBlock, item: Json) -> bytes:
        self._blocks.append(block)
        self._output.append(item)
        return self._frame(b"response.output_item.done", {"output_index": opened.index, "item": item})

    def _ending(self) -> bytes:
        finishing = self._finishing
        if finishing is None:
            raise RuntimeError("The stream stops without having said why.")
        status, incomplete = items.ending(finishing.stop_reason, self._blocks)
        refused = b""
        if finishing.stop_reason is StopReason.REFUSAL and incomplete is None:
            refused = self._refused(finishing)
        ended = {
            **shell(self._call, self._echo, status=status),
            "incomplete_details": incomplete,
            "output": self._output,
            "usage": items.usage(finishing.usage),
        }
        name = b"response.completed" if incomplete is None else b"response.incomplete"
        return refused + self._frame(name, {"response": ended})

    def _refused(self, finishing: Finishing) -> bytes:
        """A refusal without a word, as the item that tells of one."""
        index = len(self._output)
        identity = f"msg_{self._call.id}{index:04d}"
        whole = items.refusal(identity, finishing.stop_details)
        part: Json = whole["content"][0]
        place = {"item_id": identity, "output_index": index, "content_index": 0}
        empty = {"type": "refusal", "refusal": ""}
        self._output.append(whole)
        return b"".join(
            (
                self._frame(
                    b"response.output_item.added",
                    {"output_index": index, "item": items.message(identity, [], status="in_progress")},
                ),
                self._frame(b"response.content_part.added", {**place, "part": empty}),
                self._frame(b"response.refusal.delta", {**place, "delta": part["refusal"]}),
                self._frame(b"response.refusal.done", {**place, "refusal": part["refusal"]}),
                self._frame(b"response.content_part.done", {**place, "part": part}),
                self._frame(b"response.output_item.done", {"output_index": index, "item": whole}),
            )
        )

    def _frame(self, name: bytes, data: Json) -> bytes:
        sequence = self._sequence
        self._sequence += 1
        return _FRAME % (name, name, sequence, orjson.dumps(data)[1:])

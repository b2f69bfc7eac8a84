"""Anthropic's stream, frame by frame. No I/O."""

from collections.abc import Iterable

import orjson

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
    Usage,
)
from gateway.conversation import RedactedThinking, Text, Thinking, ToolUse
from gateway.errors import UpstreamFailureError
from gateway.providers.anthropic.decode import decode_block, decode_usage, stop_details_of, stop_reason_of
from gateway.providers.anthropic.errors import error_of_event
from gateway.providers.wire import WireObject, child, index, optional_text, parse_object, text

_DELTAS_OF: dict[str, frozenset[str]] = {
    "text": frozenset({"text_delta", "citations_delta"}),
    "tool_use": frozenset({"input_json_delta"}),
    "thinking": frozenset({"thinking_delta", "signature_delta"}),
    "redacted_thinking": frozenset(),
}


class AnthropicFrames:
    """Decodes frames in the order they come; an event type that is not known is skipped, as the vendor asks."""

    __slots__ = ("_finishing", "_open", "_usage", "finished")

    def __init__(self) -> None:
        self.finished = False
        self._usage: Usage | None = None
        self._open: dict[int, frozenset[str]] = {}
        self._finishing = False

    def decode(self, data: bytes) -> Iterable[StreamEvent]:
        frame = parse_object(data)
        match frame.get("type"):
            case "content_block_delta":
                return (self._delta(frame),)
            case "content_block_start":
                return self._block_started(frame)
            case "content_block_stop":
                return (self._block_stopped(frame),)
            case "message_start":
                return (self._started(frame),)
            case "message_delta":
                return (self._finishing_event(frame),)
            case "message_stop":
                return (self._stopped(),)
            case "ping":
                return (Ping(),)
            case "error":
                raise error_of_event(frame)
            case _:
                return ()

    def close(self) -> Iterable[StreamEvent]:
        return ()

    def _started(self, frame: WireObject) -> Started:
        if self._usage is not None:
            raise UpstreamFailureError
        message = child(frame, "message")
        self._usage = decode_usage(child(message, "usage"))
        return Started(text(message, "model"), self._usage, optional_text(message, "id"))

    def _block_started(self, frame: WireObject) -> list[StreamEvent]:
        at, block = index(frame, "index"), child(frame, "content_block")
        if self._usage is None or self._finishing or at in self._open:
            raise UpstreamFailureError
        started = _started_block(at, block)
        self._open[at] = _DELTAS_OF[block["type"]]
        return started

    def _delta(self, frame: WireObject) -> BlockDelta:
        delta = child(frame, "delta")
        at, kind = index(frame, "index"), text(delta, "type")
        if kind not in self._open.get(at, ()):
            raise UpstreamFailureError
        return BlockDelta(at, _delta_of(kind, delta))

    def _block_stopped(self, frame: WireObject) -> BlockStopped:
        at = index(frame, "index")
        if self._open.pop(at, None) is None:
            raise UpstreamFailureError
        return BlockStopped(at)

    def _finishing_event(self, frame: WireObject) -> Finishing:
        if self._usage is None or self._open:
            raise UpstreamFailureError
        self._finishing = True
        delta = child(frame, "delta")
        self._usage = decode_usage(child(frame, "usage"), self._usage)
        stop_sequence = optional_text(delta, "stop_sequence")
        return Finishing(stop_reason_of(delta), self._usage, stop_sequence, stop_details_of(delta))

    def _stopped(self) -> Stopped:
        if not self._finishing:
            raise UpstreamFailureError
        self.finished = True
        return Stopped()


def _started_block(at: int, wire: WireObject) -> list[StreamEvent]:
    """A block's start, empty, and what it already held as its first deltas."""
    block = decode_block(wire)
    deltas: list[Delta] = []
    match block:
        case Text():
            deltas += [TextDelta(block.text)] if block.text else []
            deltas += [CitationDelta(citation) for citation in block.citations]
            block = Text("")
        case ToolUse():
            deltas += [InputDelta(orjson.dumps(block.input).decode())] if block.input else []
            block = ToolUse(block.id, block.name, {})
        case Thinking():
            deltas += [ThinkingDelta(block.thinking)] if block.thinking else []
            deltas += [SignatureDelta(block.signature)] if block.signature else []
            block = Thinking("", "")
        case RedactedThinking():
            pass
    return [BlockStarted(at, block), *(BlockDelta(at, delta) for delta in deltas)]


def _delta_of(kind: str, delta: WireObject) -> Delta:
    match kind:
        case "text_delta":
            return TextDelta(text(delta, "text"))
        case "input_json_delta":
            return InputDelta(text(delta, "partial_json"))
        case "thinking_delta":
            return ThinkingDelta(text(delta, "thinking"))
        case "signature_delta":
            return SignatureDelta(text(delta, "signature"))
        case _:
            return CitationDelta(child(delta, "citation"))

"""Anthropic's stream, frame by frame. No I/O."""

from collections.abc import Iterable
from dataclasses import dataclass

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


_KNOWN_DELTAS = frozenset[str]().union(*_DELTAS_OF.values())


@dataclass(frozen=True, slots=True)
class _Open:
    """The block that is being written, by the vendor's number and by ours."""

    vendor_index: int
    index: int
    deltas: frozenset[str]


class AnthropicFrames:
    """Decodes frames in the order they come. Blocks come one after another and are numbered here as they open.

    What is not known is skipped where it adds to something known, as a field of
    the same answer would be: an event type, as the vendor asks, or a delta type
    inside a block. A block type that is not known fails the call (`decode`).
    """

    __slots__ = ("_blocks", "_finishing", "_open", "_usage", "finished")

    def __init__(self) -> None:
        self.finished = False
        self._usage: Usage | None = None
        self._blocks = 0
        self._open: _Open | None = None
        self._finishing = False

    def decode(self, data: bytes) -> Iterable[StreamEvent]:
        frame = parse_object(data)
        match frame.get("type"):
            case "content_block_delta":
                return self._delta(frame)
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
        if self._usage is None or self._finishing or self._open is not None:
            raise UpstreamFailureError
        started = _started_block(self._blocks, block)
        self._open = _Open(at, self._blocks, _DELTAS_OF[block["type"]])
        self._blocks += 1
        return started

    def _delta(self, frame: WireObject) -> Iterable[StreamEvent]:
        block, delta = self._current(frame), child(frame, "delta")
        kind = text(delta, "type")
        if kind in block.deltas:
            return (BlockDelta(block.index, _delta_of(kind, delta)),)
        if kind in _KNOWN_DELTAS:
            raise UpstreamFailureError
        return ()

    def _block_stopped(self, frame: WireObject) -> BlockStopped:
        block, self._open = self._current(frame), None
        return BlockStopped(block.index)

    def _current(self, frame: WireObject) -> _Open:
        if self._open is None or self._open.vendor_index != index(frame, "index"):
            raise UpstreamFailureError
        return self._open

    def _finishing_event(self, frame: WireObject) -> Finishing:
        if self._usage is None or self._open is not None or self._finishing:
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

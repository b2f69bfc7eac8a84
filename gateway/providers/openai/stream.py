"""The Responses API's stream, frame by frame. No I/O.

The vendor's items and parts become blocks numbered as they open; its stream
never interleaves them, and one that did would be refused.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gateway.completion import (
    BlockDelta,
    BlockStarted,
    BlockStopped,
    Delta,
    Finishing,
    InputDelta,
    SignatureDelta,
    Started,
    Stopped,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from gateway.conversation import Text, Thinking, ToolUse
from gateway.errors import UpstreamFailureError
from gateway.providers.openai import reasoning
from gateway.providers.openai.decode import decode_usage, part_text, stop_reason_of
from gateway.providers.openai.errors import error_of_event, error_of_response
from gateway.providers.wire import WireObject, child, index, optional_text, parse_object, text


@dataclass(slots=True)
class _Open:
    """The block that is being written: deltas of any other kind break the grammar."""

    index: int
    delta: Callable[[str], Delta]
    grown: bool = False


class OpenAiFrames:
    """Decodes frames in the order they come; an event type that is not known is skipped."""

    __slots__ = ("_asked_tokens", "_blocks", "_called", "_open", "_refused", "_started", "finished")

    def __init__(self, asked_tokens: int) -> None:
        """`asked_tokens` estimates the input, which this vendor counts only at the end: a cut stream pays for that."""
        self._asked_tokens = asked_tokens
        self.finished = False
        self._started = False
        self._blocks = 0
        self._open: _Open | None = None
        self._called = False
        self._refused = False

    def decode(self, data: bytes) -> Iterable[StreamEvent]:  # noqa: C901 - one arm for each event type
        frame = parse_object(data)
        match frame.get("type"):
            case "response.output_text.delta" | "response.refusal.delta":
                return self._grow(TextDelta, text(frame, "delta"))
            case "response.function_call_arguments.delta":
                return self._grow(InputDelta, text(frame, "delta"))
            case "response.reasoning_summary_text.delta":
                return self._grow(ThinkingDelta, text(frame, "delta"))
            case "response.reasoning_summary_part.added":
                return self._grow(ThinkingDelta, reasoning.summary_gap(index(frame, "summary_index")))
            case "response.output_item.added":
                return self._item_added(child(frame, "item"))
            case "response.content_part.added":
                return self._part_added(child(frame, "part"))
            case "response.content_part.done":
                return self._part_done(child(frame, "part"))
            case "response.output_item.done":
                return self._item_done(child(frame, "item"))
            case "response.created":
                return self._created(child(frame, "response"))
            case "response.completed" | "response.incomplete":
                return self._ended(child(frame, "response"))
            case "response.failed":
                raise error_of_response(child(frame, "response"))
            case "error":
                raise error_of_event(frame)
            case _:
                return ()

    def close(self) -> Iterable[StreamEvent]:
        return ()

    def _created(self, response: WireObject) -> Iterable[StreamEvent]:
        if self._started:
            raise UpstreamFailureError
        self._started = True
        usage = Usage(input=self._asked_tokens, estimated=True)
        return (Started(text(response, "model"), usage, optional_text(response, "id")),)

    def _item_added(self, item: WireObject) -> Iterable[StreamEvent]:
        match item.get("type"):
            case "function_call":
                self._called = True
                return (self._start(ToolUse(text(item, "call_id"), text(item, "name"), {}), InputDelta),)
            case "reasoning":
                return (self._start(Thinking("", ""), ThinkingDelta),)
            case "message":
                return ()
            case _:
                raise UpstreamFailureError

    def _part_added(self, part: WireObject) -> Iterable[StreamEvent]:
        if part.get("type") == "reasoning_text":
            return ()
        self._refused = self._refused or part.get("type") == "refusal"
        return (self._start(Text(""), TextDelta), *self._grow(TextDelta, part_text(part)))

    def _part_done(self, part: WireObject) -> Iterable[StreamEvent]:
        if part.get("type") == "reasoning_text":
            return ()
        return (*self._catch_up(TextDelta, part_text(part)), *self._stop())

    def _item_done(self, item: WireObject) -> Iterable[StreamEvent]:
        match item.get("type"):
            case "function_call":
                return (*self._catch_up(InputDelta, text(item, "arguments")), *self._stop())
            case "reasoning":
                summary = self._catch_up(ThinkingDelta, reasoning.summary_of(item))
                signature = BlockDelta(self._current(ThinkingDelta).index, SignatureDelta(reasoning.pack(item)))
                return (*summary, signature, *self._stop())
            case _:
                return ()

    def _ended(self, response: WireObject) -> Iterable[StreamEvent]:
        if not self._started:
            raise UpstreamFailureError
        reason = stop_reason_of(response, called=self._called, refused=self._refused)
        usage = decode_usage(response)
        self.finished = True
        # A cut answer may leave its last item open.
        return (*self._stop(), Finishing(reason, usage), Stopped())

    def _start(self, block: Text | ToolUse | Thinking, delta: Callable[[str], Delta]) -> BlockStarted:
        if not self._started or self._open is not None:
            raise UpstreamFailureError
        self._open = _Open(self._blocks, delta)
        self._blocks += 1
        return BlockStarted(self._open.index, block)

    def _grow(self, delta: Callable[[str], Delta], piece: str) -> Iterable[StreamEvent]:
        block = self._current(delta)
        if not piece:
            return ()
        block.grown = True
        return (BlockDelta(block.index, delta(piece)),)

    def _catch_up(self, delta: Callable[[str], Delta], whole: str) -> Iterable[StreamEvent]:
        """The whole of a block that came without deltas."""
        return () if self._current(delta).grown else self._grow(delta, whole)

    def _stop(self) -> Iterable[StreamEvent]:
        block, self._open = self._open, None
        return () if block is None else (BlockStopped(block.index),)

    def _current(self, delta: Callable[[str], Delta]) -> _Open:
        if self._open is None or self._open.delta is not delta:
            raise UpstreamFailureError
        return self._open

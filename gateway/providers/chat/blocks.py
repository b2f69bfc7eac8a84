"""Blocks one after the other, out of deltas that name them in any order.

Only the first of the blocks that are under way is told as it grows. It is over
when another has begun behind it: text and reasoning at once, a call when its
arguments are whole JSON. Where a server does write two calls at a time, the
later ones wait for the answer's end. A block of nothing but white space is
left out: not every model takes one back.
"""

from collections import deque
from dataclasses import dataclass, field

import orjson

from gateway.completion import (
    AnswerBlock,
    BlockDelta,
    BlockStarted,
    BlockStopped,
    InputDelta,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
)
from gateway.conversation import Text, Thinking, ToolUse
from gateway.errors import UpstreamFailureError
from gateway.providers.chat.ids import CallIds
from gateway.providers.wire import WireObject, as_object, index, object_or_none, optional_child, optional_text

ProseDelta = type[TextDelta] | type[ThinkingDelta]


@dataclass(slots=True)
class _Prose:
    """Text or reasoning. `waiting` is what has not been told yet."""

    delta: ProseDelta
    index: int | None = None
    waiting: list[str] = field(default_factory=list[str])
    solid: bool = False

    def add(self, piece: str) -> None:
        self.waiting.append(piece)
        self.solid = self.solid or not piece.isspace()

    def opening(self, ids: CallIds) -> AnswerBlock | None:  # noqa: ARG002 - a call's
        if not self.solid:
            return None
        return Text("") if self.delta is TextDelta else Thinking("", "")

    def is_over(self) -> bool:
        return True


@dataclass(slots=True)
class _Call:
    """A call; its id and name may come after its first arguments."""

    id: str
    name: str
    index: int | None = None
    waiting: list[str] = field(default_factory=list[str])
    told: bool = False
    """Whether all of it was: nothing may follow."""
    _arguments: list[str] = field(default_factory=list[str])
    _whole: bool | None = None

    delta = InputDelta

    def add(self, piece: str) -> None:
        if self.told and piece.strip():
            raise UpstreamFailureError
        if piece and not self.told:
            self.waiting.append(piece)
            self._arguments.append(piece)

    def opening(self, ids: CallIds) -> AnswerBlock | None:
        return ToolUse(ids.take(self.id), self.name, {}) if self.name else None

    def is_over(self) -> bool:
        if self.index is None:
            return False
        if self._whole is None:
            # Looked at once: a server that mixes calls could have it parsed for every piece.
            self._whole = object_or_none("".join(self._arguments).encode()) is not None
        return self._whole

    def is_another(self, call_id: str, name: str) -> bool:
        """Whether a delta that comes under this call's index opens a call of its own: some servers give all one."""
        if not name or not self.name:
            return False
        return call_id != self.id if call_id and self.id else name != self.name


class BlockQueue:
    """Takes the pieces of an answer in the order they come and gives the events of its blocks in the order of ours.

    `size_bytes` is what the pieces hold, in UTF-8.
    """

    def __init__(self, ids: CallIds) -> None:
        self._ids = ids
        self._queue: deque[_Prose | _Call] = deque()
        self._calls: dict[int, _Call] = {}
        self._last_call = 0
        self._begun = 0
        self.size_bytes = 0

    @property
    def called(self) -> bool:
        return bool(self._calls)

    def say(self, delta: ProseDelta, piece: str) -> list[StreamEvent]:
        if not piece:
            return []
        last = self._queue[-1] if self._queue else None
        if last is None or last.delta is not delta:
            last = _Prose(delta)
            self._queue.append(last)
        return self._add(last, piece)

    def call(self, wire: WireObject) -> list[StreamEvent]:
        """One entry of a `tool_calls` list. Raises `UpstreamFailureError` for one of another form."""
        function = optional_child(wire, "function")
        call_id, name = optional_text(wire, "id") or "", optional_text(function, "name") or ""
        arguments = _arguments_of(function)
        if not (call_id or name or arguments):
            return []
        call = self._call_at(wire, call_id, name)
        call.id, call.name = call.id or call_id, call.name or name
        return self._add(call, arguments)

    def leave_out(self, piece: str) -> None:
        """Count what was generated and is not to be told."""
        self.size_bytes += len(piece.encode())

    def close(self) -> list[StreamEvent]:
        """What is left, at the answer's end. Raises `UpstreamFailureError` for a call that was never named."""
        events: list[StreamEvent] = []
        while self._queue:
            events += self._tell(self._queue[0])
            events += self._stop_first()
        return events

    def _call_at(self, wire: WireObject, call_id: str, name: str) -> _Call:
        indexed = wire.get("index") is not None
        at = index(wire, "index") if indexed else self._last_call
        call = self._calls.get(at)
        if call is None or call.is_another(call_id, name) or (name and not call_id and not indexed):
            call = self._calls[at] = _Call(call_id, name)
            self._queue.append(call)
            self._last_call = at
        return call

    def _add(self, block: _Prose | _Call, piece: str) -> list[StreamEvent]:
        self.size_bytes += len(piece.encode())
        block.add(piece)
        events: list[StreamEvent] = []
        while self._queue:
            first = self._queue[0]
            events += self._tell(first)
            if len(self._queue) == 1 or not first.is_over():
                break
            events += self._stop_first()
        return events

    def _tell(self, block: _Prose | _Call) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        if block.index is None:
            opening = block.opening(self._ids)
            if opening is None:
                return []
            block.index = self._begun
            self._begun += 1
            events.append(BlockStarted(block.index, opening))
        if block.waiting:
            events.append(BlockDelta(block.index, block.delta("".join(block.waiting))))
            block.waiting.clear()
        return events

    def _stop_first(self) -> list[StreamEvent]:
        block = self._queue.popleft()
        if isinstance(block, _Call):
            block.told = True
            if block.index is None:
                raise UpstreamFailureError
        return [] if block.index is None else [BlockStopped(block.index)]


def _arguments_of(function: WireObject) -> str:
    """Arguments as JSON text; some servers send the object itself."""
    given = as_object(function.get("arguments"))
    return optional_text(function, "arguments") or "" if given is None else orjson.dumps(given).decode()

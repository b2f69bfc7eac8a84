"""Puts values back where the model used their placeholders: whole answers, and streams cut anywhere.

A stream holds back only what could still become a placeholder of this very
request; everything before it, and everything without a bracket, passes at
once. Reasoning is never restored: it is signed over the masked text.
"""

import json
import re
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache

from pydantic import JsonValue

from gateway.completion import (
    AnswerBlock,
    BlockDelta,
    BlockStarted,
    BlockStopped,
    CitationDelta,
    Completion,
    Finishing,
    InputDelta,
    StopDetails,
    Stopped,
    StreamEvent,
    TextDelta,
)
from gateway.conversation import RedactedThinking, Text, Thinking, ToolUse
from gateway.phi.cited import CitedDocuments
from gateway.phi.placeholders import canonical, canonical_start

_SLACK = 8
"""Characters a model may add inside the brackets: Markdown escapes and spaces."""


class Restorer:
    """One request's way back. Holds a person's data: lives as long as its request, never logged or shared."""

    __slots__ = ("_cited", "_in_answer", "_in_json", "_in_text", "active")

    def __init__(
        self, values: Mapping[str, str], *, structured: bool = False, documents: Sequence[str | None] = ()
    ) -> None:
        """`values` are originals by placeholder body (`NAME_1`); empty when answers are to stay as they are.

        `structured`: the answer's text is JSON, so that what is put into it is escaped.
        `documents` are the texts that citations count characters of, as they were sent.
        """
        self.active = bool(values)
        self._in_text = _Grammar(values, in_json=False)
        self._in_json = _Grammar(values, in_json=True)
        self._in_answer = self._in_json if structured else self._in_text
        self._cited = CitedDocuments(documents, self._in_text.growth)

    def completion(self, completion: Completion) -> Completion:
        if not self.active:
            return completion
        return replace(
            completion,
            blocks=tuple(self._block(block) for block in completion.blocks),
            stop_sequence=self.optional_text(completion.stop_sequence),
            stop_details=self.stop_details(completion.stop_details),
        )

    def stream(self) -> "StreamRestorer":
        return StreamRestorer(self)

    def text_tail(self) -> "Tail":
        return Tail(self._in_answer, TextDelta)

    def input_tail(self) -> "Tail":
        return Tail(self._in_json, InputDelta)

    def optional_text(self, text: str | None) -> str | None:
        return text and self._in_text.restore(text)

    def stop_details(self, details: StopDetails | None) -> StopDetails | None:
        return replace(details, explanation=self.optional_text(details.explanation)) if details else None

    def citation(self, citation: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        return self.object(self._cited.placed(citation))

    def json(self, value: JsonValue) -> JsonValue:
        match value:
            case str():
                return self._in_text.restore(value)
            case list():
                return [self.json(item) for item in value]
            case dict():
                return dict(self.object(value))
            case _:
                return value

    def object(self, value: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        return {self._in_text.restore(key): self.json(item) for key, item in value.items()}

    def _block(self, block: AnswerBlock) -> AnswerBlock:
        match block:
            case Text():
                citations = tuple(map(self.citation, block.citations))
                return replace(block, text=self._in_answer.restore(block.text), citations=citations)
            case ToolUse():
                return replace(block, input=self.object(block.input))
            case Thinking() | RedactedThinking():
                return block


class StreamRestorer:
    """Restores one stream, event by event. Events that change nothing come back as the same objects."""

    def __init__(self, restorer: Restorer) -> None:
        self._restorer = restorer
        self._tails: dict[int, Tail] = {}

    def feed(self, events: Sequence[StreamEvent]) -> list[StreamEvent]:
        if not self._restorer.active:
            return list(events)
        restored: list[StreamEvent] = []
        for event in events:
            restored += self._event(event)
        return restored

    def flush(self) -> list[StreamEvent]:
        """What was held back, as it is: for a stream that broke or was cut."""
        return [event for index in sorted(self._tails) for event in self._close(index)]

    def _event(self, event: StreamEvent) -> list[StreamEvent]:
        match event:
            case BlockDelta(index, TextDelta(text)):
                passed = self._tail(index, self._restorer.text_tail).feed(text)
                return self._delta(event, text, passed, TextDelta(passed))
            case BlockDelta(index, InputDelta(text)):
                passed = self._tail(index, self._restorer.input_tail).feed(text)
                return self._delta(event, text, passed, InputDelta(passed))
            case BlockDelta(index, CitationDelta(citation)):
                return [BlockDelta(index, CitationDelta(self._restorer.citation(citation)))]
            case BlockStarted():
                return self._started(event)
            case BlockStopped(index):
                return [*self._close(index), event]
            case Finishing():
                stop_sequence = self._restorer.optional_text(event.stop_sequence)
                stop_details = self._restorer.stop_details(event.stop_details)
                return [*self.flush(), replace(event, stop_sequence=stop_sequence, stop_details=stop_details)]
            case Stopped():
                return [*self.flush(), event]
            case _:
                return [event]

    def _started(self, event: BlockStarted) -> list[StreamEvent]:
        match event.block:
            case Text(text=text) if text:
                opened = BlockStarted(event.index, replace(event.block, text=""))
                return [opened, *self._event(BlockDelta(event.index, TextDelta(text)))]
            case ToolUse(input=value) if value:
                return [BlockStarted(event.index, replace(event.block, input=self._restorer.object(value)))]
            case _:
                return [event]

    @staticmethod
    def _delta(event: BlockDelta, text: str, passed: str, delta: TextDelta | InputDelta) -> list[StreamEvent]:
        if passed == text:
            return [event]
        return [BlockDelta(event.index, delta)] if passed else []

    def _tail(self, index: int, begin: "Callable[[], Tail]") -> "Tail":
        tail = self._tails.get(index)
        if tail is None:
            tail = self._tails[index] = begin()
        return tail

    def _close(self, index: int) -> list[StreamEvent]:
        tail = self._tails.pop(index, None)
        if tail is None or not tail.held:
            return []
        return [BlockDelta(index, tail.delta(tail.held))]


class Tail:
    """One block's text while it streams: `held` is what may still become a placeholder."""

    __slots__ = ("_grammar", "delta", "held")

    def __init__(self, grammar: "_Grammar", delta: type[TextDelta] | type[InputDelta]) -> None:
        self._grammar = grammar
        self.delta = delta
        self.held = ""

    def feed(self, text: str) -> str:
        """What can be shown now, restored."""
        if not self.held and "[" not in text and not text.endswith("\\"):
            return text
        text = self.held + text
        cut = self._grammar.open_at(text)
        self.held = text[cut:]
        return self._grammar.restore(text[:cut])


class _Grammar:
    """How this request's placeholders may look: in plain text, or inside a string of JSON text."""

    __slots__ = ("_escapes", "_names", "_open", "_reach", "_values", "_whole", "in_json")

    def __init__(self, values: Mapping[str, str], *, in_json: bool) -> None:
        self.in_json = in_json
        self._values = values
        self._names: list[str] | None = None
        longest = max(map(len, values), default=0) + _SLACK
        self._whole, self._open, self._escapes = _patterns(longest, in_json=in_json)
        self._reach = 2 * longest + 4

    def restore(self, text: str) -> str:
        return self._whole.sub(self._restored, text) if "[" in text else text

    def growth(self, text: str) -> list[tuple[int, int]]:
        """Where each placeholder ends in `text`, and by how many characters its value is longer."""
        return [(found.end(), len(self._restored(found)) - len(found[0])) for found in self._whole.finditer(text)]

    def open_at(self, text: str) -> int:
        """Where the end of `text` begins to look like a live placeholder; the length when it does not."""
        start = max(0, len(text) - self._reach)
        opened = self._open.search(text, start)
        if opened and self._may_become_live(opened[1]):
            return opened.start()
        escapes = self._escapes.search(text, start)
        return escapes.start() if escapes else len(text)

    def _restored(self, match: re.Match[str]) -> str:
        value = self._values.get(canonical(match[1] or match[2]))
        if value is None:
            return match[0]
        return json.dumps(value, ensure_ascii=False)[1:-1] if self.in_json else value

    def _may_become_live(self, body: str) -> bool:
        begun = canonical_start(body)
        if self._names is None:
            self._names = sorted(self._values)
        at = bisect_left(self._names, begun)
        return (at < len(self._names) and self._names[at].startswith(begun)) or begun.rstrip("_") in self._values


@cache
def _patterns(longest: int, *, in_json: bool) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """A whole placeholder, one that is open at the end, and escapes at the end that may belong to one."""
    escape = r"\\\\" if in_json else r"\\"
    unit = rf"(?:[A-Za-z0-9_ \-]|{escape})"
    # A backslash before the bracket is Markdown's when one is before the other bracket too, and otherwise a path's.
    whole = re.compile(rf"{escape}\[({unit}{{1,{longest}}}?){escape}\]|\[({unit}{{1,{longest}}})\]")
    opened = re.compile(rf"(?:{escape})?\[({unit}{{0,{longest}}}\\?)\Z")
    return whole, opened, re.compile(r"\\{1,2}\Z" if in_json else r"\\\Z")

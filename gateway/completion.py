"""What a model answers: whole, or as a stream of events that folds to the same thing.

The event grammar is Anthropic's, which names everything the other dialects
need: `Started (BlockStarted BlockDelta* BlockStopped)* Finishing Stopped`,
with `Ping` anywhere. Decoders emit it, surfaces render it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import orjson
from pydantic import JsonValue

from gateway import exact_json
from gateway.conversation import RedactedThinking, Text, Thinking, ToolUse
from gateway.nesting import is_too_deep


class StopReason(StrEnum):
    END_TURN = "end_turn"
    MAX_TOKENS = "max_tokens"
    STOP_SEQUENCE = "stop_sequence"
    TOOL_USE = "tool_use"
    PAUSE_TURN = "pause_turn"
    REFUSAL = "refusal"
    CONTEXT_EXCEEDED = "model_context_window_exceeded"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens by kind. `input` excludes cache reads and writes; `output` includes thinking."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0
    """Of `output`, the tokens spent on reasoning, when the provider says so."""
    service_tier: str | None = None
    """By the vendor's own name for it."""
    inference_geo: str | None = None
    """The region that ran the model, when the provider says so."""
    speed: str | None = None
    estimated: bool = False
    """True until the provider's own count: all there is when the caller hung up before it."""

    @property
    def cache_write(self) -> int:
        return self.cache_write_5m + self.cache_write_1h

    @property
    def total_input(self) -> int:
        return self.input + self.cache_read + self.cache_write

    @property
    def total(self) -> int:
        return self.total_input + self.output


AnswerBlock = Text | ToolUse | Thinking | RedactedThinking


@dataclass(frozen=True, slots=True)
class StopDetails:
    """Why an answer was refused: the policy, by the vendor's name for it, and words for people, written by the vendor.

    The words may repeat what was asked, so they are restored and reviewed as the answer's text is.
    """

    category: str | None = None
    explanation: str | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """One whole answer. `upstream_id` is the vendor's own id, for their support."""

    model: str
    blocks: tuple[AnswerBlock, ...]
    stop_reason: StopReason
    usage: Usage
    stop_sequence: str | None = None
    upstream_id: str | None = None
    stop_details: StopDetails | None = None


@dataclass(frozen=True, slots=True)
class Started:
    model: str
    usage: Usage
    upstream_id: str | None = None


@dataclass(frozen=True, slots=True)
class BlockStarted:
    """`block` is empty but for its kind, and for a tool use its id and name."""

    index: int
    block: AnswerBlock


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class InputDelta:
    """A piece of a tool call's input, as JSON text cut anywhere."""

    json: str


@dataclass(frozen=True, slots=True)
class ThinkingDelta:
    thinking: str


@dataclass(frozen=True, slots=True)
class SignatureDelta:
    signature: str


@dataclass(frozen=True, slots=True)
class CitationDelta:
    citation: Mapping[str, JsonValue]


Delta = TextDelta | InputDelta | ThinkingDelta | SignatureDelta | CitationDelta


@dataclass(frozen=True, slots=True)
class BlockDelta:
    index: int
    delta: Delta


@dataclass(frozen=True, slots=True)
class BlockStopped:
    index: int


@dataclass(frozen=True, slots=True)
class Finishing:
    """Why it stopped, and the whole answer's usage."""

    stop_reason: StopReason
    usage: Usage
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None


@dataclass(frozen=True, slots=True)
class Stopped:
    pass


@dataclass(frozen=True, slots=True)
class Ping:
    pass


StreamEvent = Started | BlockStarted | BlockDelta | BlockStopped | Finishing | Stopped | Ping


class _OpenBlock:
    """One block while its deltas arrive."""

    __slots__ = ("citations", "pieces", "signature", "start")

    def __init__(self, start: AnswerBlock) -> None:
        self.start = start
        self.pieces: list[str] = []
        self.citations: list[Mapping[str, JsonValue]] = []
        self.signature = start.signature if isinstance(start, Thinking) else ""

    def add(self, delta: Delta) -> None:
        match delta:
            case TextDelta(text):
                self.pieces.append(text)
            case InputDelta(json):
                self.pieces.append(json)
            case ThinkingDelta(thinking):
                self.pieces.append(thinking)
            case SignatureDelta(signature):
                self.signature += signature
            case CitationDelta(citation):
                self.citations.append(citation)

    def close(self) -> AnswerBlock:
        grown = "".join(self.pieces)
        match self.start:
            case Text() as text:
                return replace(text, text=text.text + grown, citations=(*text.citations, *self.citations))
            case ToolUse() as tool:
                return replace(tool, input=parse_tool_input(grown)) if grown.strip() else tool
            case Thinking() as thinking:
                return Thinking(thinking.thinking + grown, self.signature)
            case RedactedThinking() as redacted:
                return redacted


class CompletionFold:
    """Folds a stream to the `Completion` it stands for, also when the stream was cut short."""

    def __init__(self) -> None:
        self._model = ""
        self._upstream_id: str | None = None
        self._blocks: dict[int, _OpenBlock] = {}
        self._stop_reason: StopReason | None = None
        self._stop_sequence: str | None = None
        self._stop_details: StopDetails | None = None
        self._usage = Usage()

    @property
    def started(self) -> bool:
        """Whether the provider has said what the input cost."""
        return self._model != ""

    @property
    def finished(self) -> bool:
        """Whether the provider said why it stopped, so that its usage is final."""
        return self._stop_reason is not None

    def add(self, event: StreamEvent) -> None:
        match event:
            case BlockDelta(index, delta):
                self._blocks[index].add(delta)
            case BlockStarted(index, block):
                self._blocks[index] = _OpenBlock(block)
            case Started(model, usage, upstream_id):
                self._model, self._usage, self._upstream_id = model, usage, upstream_id
            case Finishing(stop_reason, usage, stop_sequence, stop_details):
                self._stop_reason, self._usage = stop_reason, usage
                self._stop_sequence, self._stop_details = stop_sequence, stop_details
            case BlockStopped() | Stopped() | Ping():
                pass

    def completion(self) -> Completion:
        """What arrived so far. An unfinished stream has its start's input, and its produced text for output tokens."""
        blocks = tuple(block.close() for _, block in sorted(self._blocks.items()))
        return Completion(
            model=self._model,
            blocks=blocks,
            stop_reason=self._stop_reason or StopReason.END_TURN,
            usage=self._usage if self.finished else self._produced_usage(),
            stop_sequence=self._stop_sequence,
            upstream_id=self._upstream_id,
            stop_details=self._stop_details,
        )

    def _produced_usage(self) -> Usage:
        # Vendors count output, thinking included, only at the end; four bytes a token is their own rule of thumb.
        produced = sum(len(piece.encode()) for block in self._blocks.values() for piece in block.pieces)
        return replace(self._usage, output=max(self._usage.output, -(-produced // 4)), estimated=True)


UNPARSED = "_unparsed"
"""The one key of a tool call's input that is not the JSON object it should be: its value is the text as it came."""


def parse_tool_input(text: str) -> Mapping[str, JsonValue]:
    """A tool call's input: nothing is no input, and what is cut, malformed or too deep is kept under `UNPARSED`."""
    if not text.strip():
        return {}
    try:
        value = exact_json.loads(text.encode())
    except orjson.JSONDecodeError:
        return {UNPARSED: text}
    if not isinstance(value, dict) or is_too_deep(value, brackets=text.count("{") + text.count("[")):
        return {UNPARSED: text}
    return value


def tool_input_text(parsed: Mapping[str, JsonValue]) -> str:
    """The JSON text that `parse_tool_input` reads as `parsed`; what was kept under `UNPARSED` is as it came."""
    match parsed.get(UNPARSED):
        case str(as_it_came) if len(parsed) == 1:
            return as_it_came
        case _:
            return orjson.dumps(parsed).decode()

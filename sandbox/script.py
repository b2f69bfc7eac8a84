"""What the sandbox will answer, before any dialect puts it on the wire."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from sandbox.bill import Charge
from sandbox.directives import DirectiveError, Directives, Stop
from sandbox.example import example

_WORDS = re.compile(r"\s*\S+\s*")

StopReason = Stop | Literal["tool_use"]

THOUGHTS = ("Considering the request.", "Deciding what to say.")

ANY_OBJECT: Mapping[str, Any] = {"type": "object", "properties": {"answer": {"type": "string"}}}
"""The schema of an answer that has to be JSON of no particular form."""


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool the request declares."""

    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """What of a request bears on the answer, whatever its dialect."""

    directives: Directives
    text: str
    """The last user text, without its directives."""
    tools: Sequence[ToolSpec]
    max_tokens: int | None
    input_tokens: int
    parallel_calls: bool = True
    stop_sequences: Sequence[str] = ()
    output_schema: Mapping[str, Any] | None = None
    quotes: Sequence[str] = ()
    """What an answer in prose adds of its sources, each a part of its own."""


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    arguments: str
    """JSON text."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Input tokens by kind; `input` excludes what the cache served or stored."""

    input: int
    cache_read: int
    cache_write: int
    output: int
    thinking: int

    @property
    def total_input(self) -> int:
        return self.input + self.cache_read + self.cache_write

    @property
    def cache_write_1h(self) -> int:
        return self.cache_write // 4


@dataclass(frozen=True, slots=True)
class Script:
    directives: Directives
    thoughts: tuple[str, ...]
    parts: tuple[tuple[str, ...], ...]
    """The text, cut as a stream would send it: what is said, then each quote."""
    calls: tuple[Call, ...]
    stop: StopReason
    stop_sequence: str | None
    usage: Usage

    @property
    def pieces(self) -> tuple[str, ...]:
        return tuple(piece for part in self.parts for piece in part)

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def cut(self, text: str) -> list[str]:
        """`text` in the deltas that the directives ask for."""
        return cut(text, self.directives.chunk)

    def charge(self, answer_id: str, request: Mapping[str, Any]) -> Charge:
        """Cache writes as OpenAI states them: of one kind, which is the shorter."""
        usage = self.usage
        return Charge(
            id=answer_id,
            model=request["model"],
            input=usage.input,
            output=usage.output,
            cache_read=usage.cache_read,
            cache_write_5m=usage.cache_write,
            cache_write_1h=0,
            streamed=bool(request.get("stream")),
        )


def write_script(request: Request) -> Script:
    """The same answer to the same request, always.

    Raises:
        DirectiveError: it names a tool, or asks for a stop sequence, that the request does not have.
    """
    directives = request.directives
    thoughts = _thoughts(request)
    parts = _parts(request)
    calls = _calls(request)
    stop: StopReason = directives.stop or ("tool_use" if calls else "end_turn")
    stop_sequence = _asked_for_sequence(request)
    thinking = tokens(*thoughts)
    if request.max_tokens is not None:
        allowed = max(0, (request.max_tokens - thinking) * 4)
        parts, was_cut = _first_bytes(parts, allowed)
        if was_cut:
            stop, stop_sequence = "max_tokens", None
    found = _first_found("".join(piece for part in parts for piece in part), request.stop_sequences)
    if found is not None:
        at, stop_sequence = found
        parts, calls, stop = _first_characters(parts, at), (), "stop_sequence"
    text = "".join(piece for part in parts for piece in part)
    output = tokens(*thoughts, text, *(call.arguments for call in calls))
    usage = _usage(request, max(1, output), thinking)
    return Script(directives, thoughts, tuple(tuple(part) for part in parts), calls, stop, stop_sequence, usage)


def tokens(*texts: str) -> int:
    """Four bytes a token, rounded up."""
    return -(-sum(len(text.encode()) for text in texts) // 4)


def cut(text: str, chunk: int | None) -> list[str]:
    """`text` in words, or in pieces of `chunk` characters."""
    if not chunk:
        return _WORDS.findall(text) or ([text] if text else [])
    return [text[at : at + chunk] for at in range(0, len(text), chunk)]


def _thoughts(request: Request) -> tuple[str, ...]:
    match request.directives.thinking:
        case "off":
            return ()
        case "echo":
            return (f"They said: {request.text}",)
        case "on" | "redacted":
            return THOUGHTS


def _parts(request: Request) -> list[list[str]]:
    directives = request.directives
    said = _pieces(request)
    if directives.tool is not None or request.output_schema is not None:
        return [said]
    return [said, *(cut(quote, directives.chunk) for quote in request.quotes)]


def _pieces(request: Request) -> list[str]:
    directives = request.directives
    if directives.frames is not None:
        return [f"word{number} " for number in range(directives.frames)]
    if directives.text is not None:
        return cut(directives.text, directives.chunk)
    if directives.tool is not None:
        return []
    if request.output_schema is not None:
        return cut(orjson.dumps(example(request.output_schema, request.text)).decode(), directives.chunk)
    return cut(f"Echo: {request.text}", directives.chunk)


def _calls(request: Request) -> tuple[Call, ...]:
    if request.directives.invents is not None:
        return (Call(request.directives.invents, "{}"),)
    name = request.directives.tool
    if name is None:
        return ()
    for tool in request.tools:
        if tool.name == name:
            words = request.text if request.directives.words is None else request.directives.words
            call = Call(name, orjson.dumps(example(tool.schema, words)).decode())
            return (call,) * (request.directives.tools if request.parallel_calls else 1)
    raise DirectiveError("directive tool names a tool that the request does not declare")


def _asked_for_sequence(request: Request) -> str | None:
    if request.directives.stop != "stop_sequence":
        return None
    if not request.stop_sequences:
        raise DirectiveError("directive stop=stop_sequence needs a stop sequence in the request")
    return request.stop_sequences[0]


def _first_found(text: str, sequences: Sequence[str]) -> tuple[int, str] | None:
    """Where the first of `sequences` begins in `text`, and which it is."""
    return min(((text.index(each), each) for each in sequences if each in text), default=None)


def _first_bytes(parts: list[list[str]], limit: int) -> tuple[list[list[str]], bool]:
    """As many whole pieces as fit, and whether any did not."""
    kept: list[list[str]] = []
    for part in parts:
        kept.append([])
        for piece in part:
            limit -= len(piece.encode())
            if limit < 0:
                return kept, True
            kept[-1].append(piece)
    return kept, False


def _first_characters(parts: list[list[str]], limit: int) -> list[list[str]]:
    kept: list[list[str]] = []
    for part in parts:
        kept.append([])
        for piece in part:
            if limit > 0:
                kept[-1].append(piece[:limit])
            limit -= len(piece)
    return kept


def _usage(request: Request, output: int, thinking: int) -> Usage:
    total = request.input_tokens
    read, written = (total // 2, total // 4) if request.directives.cache else (0, 0)
    return Usage(total - read - written, read, written, output, thinking)

"""What the sandbox will answer, before any dialect puts it on the wire."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from sandbox.directives import DirectiveError, Directives

_WORDS = re.compile(r"\s*\S+\s*")

StopReason = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal"]

THOUGHTS = ("Considering the request.", "Deciding what to say.")


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
    stop_sequences: Sequence[str] = ()
    output_schema: Mapping[str, Any] | None = None


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


@dataclass(frozen=True, slots=True)
class Script:
    directives: Directives
    thoughts: tuple[str, ...]
    pieces: tuple[str, ...]
    """The text, cut as a stream would send it."""
    calls: tuple[Call, ...]
    stop: StopReason
    stop_sequence: str | None
    usage: Usage

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def cut(self, text: str) -> list[str]:
        """`text` in the deltas that the directives ask for."""
        return cut(text, self.directives.chunk)


def write_script(request: Request) -> Script:
    """The same answer to the same request, always. Raises `DirectiveError` for a tool the request does not declare."""
    directives = request.directives
    thoughts = _thoughts(request)
    pieces = _pieces(request)
    calls = _calls(request)
    stop: StopReason = directives.stop or ("tool_use" if calls else "end_turn")
    stop_sequence = None
    thinking = tokens(*thoughts)
    if request.max_tokens is not None:
        allowed = max(0, (request.max_tokens - thinking) * 4)
        pieces, was_cut = _first_bytes(pieces, allowed)
        stop = "max_tokens" if was_cut else stop
    for sequence in request.stop_sequences:
        before, found, _ = "".join(pieces).partition(sequence)
        if found:
            pieces, stop, stop_sequence = cut(before, directives.chunk), "stop_sequence", sequence
            break
    output = tokens(*thoughts, "".join(pieces), *(call.arguments for call in calls))
    usage = _usage(request, max(1, output), thinking)
    return Script(directives, thoughts, tuple(pieces), calls, stop, stop_sequence, usage)


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
    name = request.directives.tool
    if name is None:
        return ()
    for tool in request.tools:
        if tool.name == name:
            call = Call(name, orjson.dumps(example(tool.schema, request.text)).decode())
            return (call,) * request.directives.tools
    raise DirectiveError("directive tool names a tool that the request does not declare")


def _first_bytes(pieces: list[str], limit: int) -> tuple[list[str], bool]:
    kept: list[str] = []
    for piece in pieces:
        limit -= len(piece.encode())
        if limit < 0:
            return kept, True
        kept.append(piece)
    return kept, False


def _usage(request: Request, output: int, thinking: int) -> Usage:
    total = request.input_tokens
    read, written = (total // 2, total // 4) if request.directives.cache else (0, 0)
    return Usage(total - read - written, read, written, output, thinking)


def example(schema: Mapping[str, Any], words: str) -> object:
    """A value that `schema` allows; its first string says `words`."""
    unsaid = [words] if words else []
    return _example(schema, unsaid, 0)


def _example(schema: Mapping[str, Any], unsaid: list[str], depth: int) -> object:
    if "enum" in schema:
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    kinds: str | list[str] = schema.get("type", "object" if "properties" in schema else "string")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    if kind == "object":
        properties: Mapping[str, Any] = schema.get("properties", {}) if depth < 8 else {}
        return {name: _example(each, unsaid, depth + 1) for name, each in properties.items()}
    if kind == "array":
        items: Mapping[str, Any] | None = schema.get("items")
        return [_example(items, unsaid, depth + 1)] if items and depth < 8 else []
    if kind == "string":
        return unsaid.pop() if unsaid else "text"
    return {"integer": 1, "number": 1.5, "boolean": True}.get(kind)

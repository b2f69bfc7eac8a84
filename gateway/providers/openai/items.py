"""Turns as the Responses API's input items: messages, function calls, their outputs, and reasoning."""

from collections.abc import Iterable, Sequence

from pydantic import JsonValue

from gateway.completion import tool_input_text
from gateway.conversation import (
    Block,
    Document,
    Image,
    RedactedThinking,
    SearchResult,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
    Turn,
)
from gateway.providers.call_ids import fitted
from gateway.providers.openai import reasoning

Json = dict[str, JsonValue]

_ROLES = {"user": "user", "assistant": "assistant", "system": "developer"}
# A function call's output has no flag that says it failed.
_FAILED: Json = {"type": "input_text", "text": "The tool failed:"}


def encode_turns(turns: Iterable[Turn]) -> list[JsonValue]:
    items: list[JsonValue] = []
    for turn in turns:
        if turn.plain:
            items.append({"role": _ROLES[turn.role], "content": _joined(turn.blocks)})
        else:
            items += _items_of(turn)
    return items


def _items_of(turn: Turn) -> list[Json]:
    """A turn's items, in the order of its blocks; the message parts between two items of their own are one message."""
    items: list[Json] = []
    parts: list[JsonValue] = []
    for block in turn.blocks:
        match block:
            case Text() | Image() | Document() | SearchResult():
                if not parts:
                    items.append({"role": _ROLES[turn.role], "content": parts})
                parts += _assistant_parts(block) if turn.role == "assistant" else _parts(block)
            case _:
                items += _own_items(block)
                parts = []
    return items


def _own_items(block: ToolUse | ToolResult | Thinking | RedactedThinking) -> list[Json]:
    match block:
        case ToolUse():
            arguments = tool_input_text(block.input)
            return [{"type": "function_call", "call_id": fitted(block.id), "name": block.name, "arguments": arguments}]
        case ToolResult():
            return [{"type": "function_call_output", "call_id": fitted(block.tool_use_id), "output": _output(block)}]
        case Thinking():
            item = reasoning.encode(block)
            return [] if item is None else [item]
        case RedactedThinking():
            # Another vendor's, which only that vendor can read.
            return []


def _output(result: ToolResult) -> JsonValue:
    if result.plain and not result.is_error:
        return _joined(result.content)
    failed: list[JsonValue] = [_FAILED] if result.is_error else []
    # A result of nothing is an empty text: the API's lists have at least one part.
    return failed + [part for block in result.content for part in _parts(block)] or ""


def _assistant_parts(block: Block) -> list[Json]:
    if not isinstance(block, Text):
        return []  # refused before
    return [{"type": "output_text", "text": block.text}]


def _parts(block: Text | Image | Document | SearchResult) -> list[Json]:
    match block:
        case Text():
            return [_text(block.text)]
        case Image():
            return [{"type": "input_image", "image_url": _url(block, "image/png"), "detail": "auto"}]
        case Document():
            return _document(block)
        case SearchResult():
            return [_text(f"{block.title}\n{block.source}"), *(_text(part.text) for part in block.content)]


def _document(block: Document) -> list[Json]:
    """A document's parts. This API has no place for a title or context beside text, so they go in front of it."""
    heading = [_text(line) for line in (block.title, block.context) if line]
    if block.text is not None:
        return [*heading, _text(block.text)]
    if block.blocks:
        return [*heading, *(part for nested in block.blocks for part in _parts(nested))]
    if block.data is None:
        return [*heading, {"type": "input_file", "file_url": _url(block, "application/pdf")}]
    file: Json = {"type": "input_file", "filename": "document.pdf", "file_data": _url(block, "application/pdf")}
    return [*heading, file]


def _url(block: Image | Document, media_type: str) -> str:
    if block.data is not None:
        return f"data:{block.media_type or media_type};base64,{block.data}"
    return block.url or ""  # never empty: a block is data or a URL


def _joined(blocks: Sequence[Block]) -> str:
    return "".join(block.text for block in blocks if isinstance(block, Text))


def _text(words: str) -> Json:
    return {"type": "input_text", "text": words}

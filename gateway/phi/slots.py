"""Every place of a conversation that can hold text, walked one way for reading and for rewriting.

One traversal serves both, so a place that is scanned is a place that can be
masked. A block kind it does not know fails type checking here and raises at
run time; nothing is passed on unread.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol, TypeVar, assert_never

from pydantic import JsonValue

from gateway.conversation import (
    Block,
    ClientTool,
    Conversation,
    Document,
    Image,
    RedactedThinking,
    Role,
    SearchResult,
    Text,
    Thinking,
    Tool,
    ToolResult,
    ToolUse,
    Turn,
)
from gateway.packed_reasoning import unpack

_Item = TypeVar("_Item")
_Block = TypeVar("_Block", Text, Document, SearchResult, ToolUse, ToolResult, Thinking, Turn)


class Visitor(Protocol):
    def speaker(self, role: Role) -> None: ...
    def text(self, path: str, text: str) -> str: ...
    def json(self, path: str, value: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]: ...
    def citation(self, path: str, value: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]: ...
    def identifier(self, path: str, text: str) -> None: ...
    def call(self, path: str, call: str) -> None: ...
    def sealed(self, path: str, text: str) -> None: ...
    def opaque(self, path: str, text: str) -> None: ...
    def definition(self, path: str, value: JsonValue) -> None: ...
    def file(self, path: str, data: str | None) -> None: ...


def visit(conversation: Conversation, visitor: Visitor) -> Conversation:
    """Walks every text of `conversation` and returns it with what `visitor` answered; unchanged parts are shared."""
    system = _each(
        conversation.system,
        "system",
        lambda path, block: _text(path, block, visitor),
        plain=conversation.system_plain,
    )
    turns = _each(conversation.turns, "messages", lambda path, turn: _turn(path, turn, visitor))
    sampling = conversation.sampling
    stops = _each(sampling.stop_sequences, "stop_sequences", visitor.text)
    end_user = conversation.end_user and visitor.text("metadata.user_id", conversation.end_user)
    settings = {
        "output_config.effort": sampling.effort,
        "service_tier": sampling.service_tier,
        "inference_geo": sampling.inference_geo,
    }
    for name, value in settings.items():
        if value:
            visitor.identifier(name, value)
    if conversation.tool_choice and conversation.tool_choice.name:
        visitor.identifier("tool_choice.name", conversation.tool_choice.name)
    for index, tool in enumerate(conversation.tools):
        _tool(f"tools[{index}]", tool, visitor)
    if sampling.output_schema is not None:
        visitor.definition("output_config.format.schema", dict(sampling.output_schema))
    if stops is not sampling.stop_sequences:
        sampling = replace(sampling, stop_sequences=stops)
    changed = (system, turns, sampling, end_user)
    if all(
        new is old
        for new, old in zip(
            changed,
            (conversation.system, conversation.turns, conversation.sampling, conversation.end_user),
            strict=True,
        )
    ):
        return conversation
    return replace(conversation, system=system, turns=turns, sampling=sampling, end_user=end_user)


def _each(
    items: tuple[_Item, ...], path: str, edit: Callable[[str, _Item], _Item], *, plain: bool = False
) -> tuple[_Item, ...]:
    """`plain` items came as one string on the wire, so their path has no index."""
    edited: list[_Item] = []
    is_changed = False
    for index, item in enumerate(items):
        new = edit(path if plain else f"{path}[{index}]", item)
        is_changed = is_changed or new is not item
        edited.append(new)
    return tuple(edited) if is_changed else items


def _with(block: _Block, **changes: object) -> _Block:
    if all(getattr(block, name) is value for name, value in changes.items()):
        return block
    return replace(block, **changes)


def _turn(path: str, turn: Turn, visitor: Visitor) -> Turn:
    visitor.speaker(turn.role)
    blocks = _each(turn.blocks, f"{path}.content", lambda at, block: _block(at, block, visitor), plain=turn.plain)
    visitor.speaker("user")
    return _with(turn, blocks=blocks)


def _block(path: str, block: Block, visitor: Visitor) -> Block:
    match block:
        case Text():
            return _text(path, block, visitor)
        case ToolUse():
            visitor.call(f"{path}.id", block.id)
            visitor.identifier(f"{path}.name", block.name)
            return _with(block, input=visitor.json(f"{path}.input", block.input))
        case ToolResult():
            visitor.call(f"{path}.tool_use_id", block.tool_use_id)
            content = _each(
                block.content, f"{path}.content", lambda at, part: _part(at, part, visitor), plain=block.plain
            )
            return _with(block, content=content)
        case Thinking():
            return _thinking(path, block, visitor)
        case RedactedThinking():
            visitor.opaque(f"{path}.data", block.data)
            return block
        case Image() | Document() | SearchResult():
            return _part(path, block, visitor)
        case _:
            assert_never(block)


def _thinking(path: str, block: Thinking, visitor: Visitor) -> Thinking:
    """Honest reasoning was made from masked text, but anyone can write a block that looks signed."""
    if not block.signature:
        return _with(block, thinking=visitor.text(f"{path}.thinking", block.thinking))
    visitor.sealed(f"{path}.thinking", block.thinking)
    packed = unpack(block.signature)
    if packed is None:
        visitor.opaque(f"{path}.signature", block.signature)
    else:
        if not packed.has_made_id:
            visitor.identifier(f"{path}.signature", packed.id)
        if packed.encrypted_content is not None:
            visitor.opaque(f"{path}.signature", packed.encrypted_content)
    return block


def _part(
    path: str, part: Text | Image | Document | SearchResult, visitor: Visitor
) -> Text | Image | Document | SearchResult:
    match part:
        case Text():
            return _text(path, part, visitor)
        case Image():
            return _image(path, part, visitor)
        case Document():
            return _document(path, part, visitor)
        case SearchResult():
            return _with(
                part,
                source=visitor.text(f"{path}.source", part.source),
                title=visitor.text(f"{path}.title", part.title),
                content=_each(part.content, f"{path}.content", lambda at, text: _text(at, text, visitor)),
            )
        case _:
            assert_never(part)


def _text(path: str, block: Text, visitor: Visitor) -> Text:
    at = path if path.endswith((".content", "system")) else f"{path}.text"
    text = visitor.text(at, block.text)
    citations = _each(block.citations, f"{path}.citations", visitor.citation)
    return _with(block, text=text, citations=citations)


def _image(path: str, image: Image, visitor: Visitor) -> Image:
    visitor.file(path, image.data)
    _addresses(path, image.media_type, image.url, visitor)
    return image


def _document(path: str, document: Document, visitor: Visitor) -> Document:
    if document.data is not None or document.url is not None:
        visitor.file(path, document.data)
    _addresses(path, document.media_type, document.url, visitor)
    named = {
        name: visitor.text(f"{path}.{field}", value)
        for name, field, value in (
            ("title", "title", document.title),
            ("context", "context", document.context),
            ("text", "source.data", document.text),
        )
        if value is not None
    }

    def nested(at: str, block: Text | Image) -> Text | Image:
        return _text(at, block, visitor) if isinstance(block, Text) else _image(at, block, visitor)

    return _with(document, blocks=_each(document.blocks, f"{path}.source.content", nested), **named)


def _addresses(path: str, media_type: str | None, url: str | None, visitor: Visitor) -> None:
    if media_type:
        visitor.identifier(f"{path}.source.media_type", media_type)
    if url:
        visitor.identifier(f"{path}.source.url", url)


def _tool(path: str, tool: Tool | ClientTool, visitor: Visitor) -> None:
    visitor.definition(f"{path}.name", tool.name)
    if isinstance(tool, ClientTool):
        visitor.definition(f"{path}.type", tool.type)
        for name, value in tool.options.items():
            visitor.definition(f"{path}.{name}", value)
        return
    if tool.description:
        visitor.definition(f"{path}.description", tool.description)
    visitor.definition(f"{path}.input_schema", dict(tool.schema))
    for index, example in enumerate(tool.examples):
        visitor.definition(f"{path}.input_examples[{index}]", dict(example))

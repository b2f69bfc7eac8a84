"""Every place of a conversation that can hold text, walked one way for reading and for rewriting.

One traversal serves both, so a place that is scanned is a place that can be
masked. A block kind it does not know fails type checking here and raises at
run time; nothing is passed on unread.
"""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Protocol, TypeVar, assert_never

from pydantic import JsonValue

from gateway.conversation import (
    Block,
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
from gateway.errors import ValidationFailedError
from gateway.packed_reasoning import unpack
from gateway.phi.budget import Budget
from gateway.phi.json_text import Leaf, render, rewrite

_OPAQUE = re.compile(r"[A-Za-z0-9+/=_-]+")
_SHORTEST_OPAQUE = 40
"""Characters of the shortest thing a vendor seals; what is shorter is someone's own text, and is scanned."""
_OPENING = 1024
"""Characters of a seal that show whether it is one: what a vendor encrypts does not decode to text."""
_WORDY = 0.72
"""The share of small letters, of capitals or of digits, with dashes, that says text: a cipher's is under half."""
_SEAMS = re.compile(r"[_\-./:]+|(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_FEWEST_WORDS = 2

_Item = TypeVar("_Item")
_Block = TypeVar("_Block", Text, Document, SearchResult, ToolUse, ToolResult, Thinking, Turn)


class Access(Enum):
    """What may be done about PHI in a place."""

    CONTENT = auto()
    """Masked in place."""
    IDENTIFIER = auto()
    """Ids, names and addresses that other parts refer to: a masked one would be a broken one."""
    SEALED = auto()
    """Reasoning that a vendor signed: it goes back byte for byte or not at all."""
    DEFINITION = auto()
    """Tool definitions and output schemas: PHI there is always an error."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A text as the detector reads it, made of one slot or, for JSON, of one for every string, number and key."""

    path: str
    text: str
    access: Access
    leaves: tuple[Leaf, ...]
    answered: bool = False
    """Whether a model said it in an earlier answer."""


class Visitor(Protocol):
    def speaker(self, role: Role) -> None: ...
    def text(self, path: str, text: str) -> str: ...
    def json(self, path: str, value: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]: ...
    def identifier(self, path: str, text: str) -> None: ...
    def sealed(self, path: str, text: str) -> None: ...
    def opaque(self, path: str, text: str) -> None: ...
    def definition(self, path: str, value: JsonValue) -> None: ...
    def unscannable(self, path: str) -> None: ...


class Reader:
    """Collects what there is to scan, system first, then the turns from the oldest, then the rest.

    A visit raises `TooLargeError` when that is more than one request may hold,
    and `ValidationFailedError` for text in a place that only a vendor's sealed bytes belong in.
    """

    def __init__(self) -> None:
        self.passages: list[Passage] = []
        self.unscannables: list[str] = []
        self._budget = Budget()
        self._answered = False

    def speaker(self, role: Role) -> None:
        self._answered = role == "assistant"

    def text(self, path: str, text: str) -> str:
        self._add(path, text, Access.CONTENT)
        return text

    def json(self, path: str, value: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        if value:
            text, leaves = render(path, dict(value), self._budget)
            self.passages.append(Passage(path, text, Access.CONTENT, leaves, self._answered))
        return value

    def identifier(self, path: str, text: str) -> None:
        self._add(path, text, Access.IDENTIFIER)
        self._add_names(path, [text], Access.IDENTIFIER)

    def sealed(self, path: str, text: str) -> None:
        self._add(path, text, Access.SEALED)

    def opaque(self, path: str, text: str) -> None:
        if not _OPAQUE.fullmatch(text) or (len(text) >= _SHORTEST_OPAQUE and _is_text(text)):
            raise ValidationFailedError("This must be what the model provider returned, unchanged.", param=path)
        if len(text) < _SHORTEST_OPAQUE:
            self._add(path, text, Access.SEALED)

    def definition(self, path: str, value: JsonValue) -> None:
        text, leaves = render(path, value, self._budget)
        self.passages.append(Passage(path, text, Access.DEFINITION, leaves))
        self._add_names(path, [leaf.text for leaf in leaves], Access.DEFINITION)

    def unscannable(self, path: str) -> None:
        self._budget.spend()
        self.unscannables.append(path)

    def _add(self, path: str, text: str, access: Access) -> None:
        self._budget.spend(len(text))
        if text:
            leaves = (Leaf(path, 0, text, is_key=False),)
            self.passages.append(Passage(path, text, access, leaves, self._answered))

    def _add_names(self, path: str, identifiers: Sequence[str], access: Access) -> None:
        """The words that identifiers were made of, which a detector cannot see in `lookup_Maria_Lopez`."""
        text = "\n".join(filter(None, map(_spelled_out, identifiers)))
        if text:
            self.passages.append(Passage(path, text, access, (Leaf(path, 0, text, is_key=False),)))


def _spelled_out(identifier: str) -> str:
    """`lookup_Maria_Lopez` and `lookupMariaLopez` as words; nothing for what is one word, or no identifier."""
    if not identifier.isascii() or " " in identifier:
        return ""
    words = [word.capitalize() for word in _SEAMS.split(identifier) if word]
    return " ".join(words) if sum(map(str.isalpha, words)) >= _FEWEST_WORDS else ""


def _is_text(seal: str) -> bool:
    """Whether someone only wrote or encoded a text of their own, as any caller can."""
    opening = seal[:_OPENING].rstrip("=")
    kinds = Counter("a" if c.islower() else "A" if c.isupper() else "0" if c.isdigit() else c for c in opening)
    dashes = kinds["-"] + kinds["_"]
    if max(kinds["a"], kinds["A"], kinds["0"]) + dashes > _WORDY * len(opening):
        return True
    standard = opening.replace("-", "+").replace("_", "/")
    try:
        return b64decode(standard[: len(standard) // 4 * 4]).decode("ascii").isprintable()
    except (Base64Error, UnicodeDecodeError):
        return False


class Rewriter:
    """Puts new texts in, by the paths of the leaves of `passages` that they replace."""

    def __init__(self, passages: Sequence[Passage], texts: Mapping[str, str]) -> None:
        self._texts = texts
        self._changed = {each.path for each in passages if any(leaf.path in texts for leaf in each.leaves)}

    def speaker(self, role: Role) -> None: ...

    def text(self, path: str, text: str) -> str:
        return self._texts.get(path, text)

    def json(self, path: str, value: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        return rewrite(path, value, self._texts) if path in self._changed else value

    def identifier(self, path: str, text: str) -> None: ...
    def sealed(self, path: str, text: str) -> None: ...
    def opaque(self, path: str, text: str) -> None: ...
    def definition(self, path: str, value: JsonValue) -> None: ...
    def unscannable(self, path: str) -> None: ...


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
    for name, value in (("output_config.effort", sampling.effort), ("service_tier", sampling.service_tier)):
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
            visitor.identifier(f"{path}.id", block.id)
            visitor.identifier(f"{path}.name", block.name)
            return _with(block, input=visitor.json(f"{path}.input", block.input))
        case ToolResult():
            visitor.identifier(f"{path}.tool_use_id", block.tool_use_id)
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
    citations = _each(block.citations, f"{path}.citations", visitor.json)
    return _with(block, text=text, citations=citations)


def _image(path: str, image: Image, visitor: Visitor) -> Image:
    visitor.unscannable(path)
    _addresses(path, image.media_type, image.url, visitor)
    return image


def _document(path: str, document: Document, visitor: Visitor) -> Document:
    if document.data is not None or document.url is not None:
        visitor.unscannable(path)
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


def _tool(path: str, tool: Tool, visitor: Visitor) -> None:
    visitor.definition(f"{path}.name", tool.name)
    if tool.description:
        visitor.definition(f"{path}.description", tool.description)
    visitor.definition(f"{path}.input_schema", dict(tool.schema))

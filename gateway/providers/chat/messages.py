"""Turns as Chat Completions messages, in the forms that every server's template takes.

Content is one string wherever it is all text: servers differ in what they
make of several text parts. `tool` messages come before anything else of their
turn, since they must follow the calls they answer, and hold text only.

Many templates take one system message, at the beginning, and users and
assistants in turns. So turns of one speaker are one message, as they are one
turn to Anthropic; rules in mid conversation are the user's, marked as rules.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, dropwhile, groupby, takewhile

import orjson
from pydantic import JsonValue

from gateway.conversation import (
    Block,
    Conversation,
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
from gateway.errors import ValidationFailedError
from gateway.providers.abilities import unsupported

Json = dict[str, JsonValue]
Part = str | Json
"""Words, or an image part."""

_BETWEEN = "\n\n"


def encode_messages(conversation: Conversation) -> list[JsonValue]:
    messages: list[JsonValue] = []
    rules = [block.text for block in conversation.system]
    rules += [text for turn in takewhile(_is_rule, conversation.turns) for text in _words_only(turn)]
    if rules:
        messages.append({"role": "system", "content": _BETWEEN.join(rules)})
    for is_assistant, turns in groupby(dropwhile(_is_rule, conversation.turns), _is_assistant):
        said = tuple(turns)
        messages += [_assistant(said)] if is_assistant else _user(said)
    return messages


def continues_answer(conversation: Conversation) -> bool:
    """Whether the model is to go on with an answer that the caller began."""
    last = conversation.turns[-1]
    return last.role == "assistant" and not any(isinstance(block, ToolUse) for block in last.blocks)


def _is_rule(turn: Turn) -> bool:
    return turn.role == "system"


def _is_assistant(turn: Turn) -> bool:
    return turn.role == "assistant"


def _assistant(turns: Iterable[Turn]) -> Json:
    said: list[str] = []
    calls: list[JsonValue] = []
    for turn in turns:
        # Joined without a gap: what was one text when it was decoded is the same text again.
        said.append("".join(block.text for block in turn.blocks if isinstance(block, Text)))
        calls += _calls(turn)
    words = _BETWEEN.join(filter(None, said))
    if calls:
        return {"role": "assistant", "content": words or None, "tool_calls": calls}
    return {"role": "assistant", "content": words}


def _calls(turn: Turn) -> Iterator[Json]:
    for block in turn.blocks:
        match block:
            case Text() | Thinking() | RedactedThinking():
                # These servers' templates drop earlier reasoning, and none could verify another's.
                continue
            case ToolUse():
                yield _call(block)
            case _:
                raise ValidationFailedError("The model takes text only in an assistant message.", param="messages")


def _call(block: ToolUse) -> Json:
    function: Json = {"name": block.name, "arguments": orjson.dumps(block.input).decode()}
    return {"id": block.id, "type": "function", "function": function}


def _words_only(turn: Turn) -> list[str]:
    words = [block.text for block in turn.blocks if isinstance(block, Text)]
    if len(words) != len(turn.blocks):
        raise ValidationFailedError("The model takes text only in a system message.", param="messages")
    return words


def _told(turn: Turn) -> Iterable[Block]:
    if _is_rule(turn):
        return (Text(f"<system>\n{_BETWEEN.join(_words_only(turn))}\n</system>"),)
    return turn.blocks


def _user(turns: Iterable[Turn]) -> list[Json]:
    messages: list[Json] = []
    images: list[Part] = []
    parts: list[Part] = []
    for block in chain.from_iterable(map(_told, turns)):
        match block:
            case ToolResult():
                message, shown = _tool_message(block)
                messages.append(message)
                images += shown
            case Text() | Image() | Document() | SearchResult():
                parts += _parts(block)
            case _:
                raise ValidationFailedError("A user message cannot hold what the model says.", param="messages")
    said = images + parts
    if said or not messages:
        messages.append({"role": "user", "content": _content(said)})
    return messages


def _tool_message(result: ToolResult) -> tuple[Json, list[Part]]:
    """A call's result as text, and its images for a message of the user's: few servers take one in a `tool` message."""
    # There is no flag that says it failed.
    words = ["The tool failed:"] if result.is_error else []
    images: list[Part] = []
    for block in result.content:
        for part in _parts(block):
            if isinstance(part, str):
                words.append(part)
            else:
                images.append(part)
    if images:
        words.append("Images are in the message after the results.")
        images.insert(0, f"Images of the result of call {result.tool_use_id}:")
    return {"role": "tool", "tool_call_id": result.tool_use_id, "content": _BETWEEN.join(words)}, images


def _parts(block: Text | Image | Document | SearchResult) -> list[Part]:
    match block:
        case Text():
            return [block.text] if block.text else []
        case Image():
            return [{"type": "image_url", "image_url": {"url": _url(block)}}]
        case Document():
            return _document(block)
        case SearchResult():
            _refuse_citations(block.citations_enabled)
            return [f"{block.title}\n{block.source}", *(part.text for part in block.content)]


def _document(block: Document) -> list[Part]:
    """A document's parts. There is no place for a title or context beside text, so they go in front of it."""
    _refuse_citations(block.citations_enabled)
    heading: list[Part] = [line for line in (block.title, block.context) if line]
    if block.text is not None:
        return [*heading, block.text]
    if block.blocks:
        return [*heading, *(part for nested in block.blocks for part in _parts(nested))]
    raise unsupported("messages")


def _url(image: Image) -> str:
    if image.data is not None:
        return f"data:{image.media_type or 'image/png'};base64,{image.data}"
    return image.url or ""  # never empty: an image is data or a URL


def _refuse_citations(enabled: bool | None) -> None:
    if enabled:
        raise unsupported("citations")


def _content(parts: Sequence[Part]) -> JsonValue:
    words = list(_words_of(parts))
    if len(words) == len(parts):
        return _BETWEEN.join(words)
    return [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts]


def _words_of(parts: Iterable[Part]) -> Iterable[str]:
    return (part for part in parts if isinstance(part, str))

"""A chat completion's request as our words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

from pydantic import JsonValue

from api.openai import tools
from api.openai.chat import schemas
from api.openai.parts import arguments, data_of
from api.openai.turns import Said, Spoken, spoken
from api.validation import read_object, validated
from gateway.conversation import (
    Block,
    Conversation,
    Document,
    Image,
    Sampling,
    Text,
    ThinkingConfig,
    ToolResult,
    ToolUse,
)
from gateway.errors import UnsupportedParameterError, ValidationFailedError

NAMES: Mapping[str, str] = {
    "messages": "messages",
    "system": "messages",
    "tools": "tools",
    "tool_choice": "tool_choice",
    "stop_sequences": "stop",
    "output_config.format": "response_format",
    "output_config.effort": "reasoning_effort",
    "thinking": "reasoning_effort",
    "max_tokens": "max_completion_tokens",
    "metadata.user_id": "safety_identifier",
}
"""What the request calls that which has another name elsewhere."""

_OTHERWISE: Mapping[str, str] = {
    "audio": "Nothing is said aloud here.",
    "functions": "Send `tools`.",
    "function_call": "Send `tool_choice`.",
}
"""To leave these out would answer another question than was asked."""

_IGNORED = (
    *("frequency_penalty", "logit_bias", "logprobs", "metadata", "prediction", "presence_penalty", "seed"),
    *("service_tier", "top_logprobs", "verbosity", "web_search_options"),
)


@dataclass(frozen=True, slots=True)
class Parsed:
    """`limit` is the tokens that the caller allows; `ignored` names what was taken and is sent to nobody."""

    model: str
    conversation: Conversation
    places: tuple[tuple[str, ...], ...]
    limit: int | None
    stream: bool = False
    includes_usage: bool = False
    ignored: tuple[str, ...] = ()


def chat_completion(body: bytes) -> Parsed:
    """Raises `ValidationFailedError`, `UnsupportedParameterError`."""
    value: dict[str, JsonValue] = {name: sent for name, sent in read_object(body).items() if sent is not None}
    _require_answerable(value)
    request = validated(schemas.ChatCompletionRequest, value, unknown=ValidationFailedError)
    said = _spoken(request.messages)
    taken = tools.read_tools(request.tools)
    limit = request.max_completion_tokens or request.max_tokens
    return Parsed(
        model=request.model,
        conversation=Conversation(
            turns=said.turns,
            sampling=_sampling(request, limit or 1),
            system=said.system,
            system_plain=len(said.system) == 1,
            tools=taken.taken,
            tool_choice=tools.read_choice(request.tool_choice, taken, parallel=request.parallel_tool_calls),
            end_user=request.safety_identifier or request.user,
        ),
        places=said.places,
        limit=limit,
        stream=bool(request.stream),
        includes_usage=bool(request.stream_options and request.stream_options.include_usage),
        ignored=(*(name for name in _IGNORED if name in value), *taken.left_out),
    )


def _require_answerable(value: Mapping[str, JsonValue]) -> None:
    for name, instead in _OTHERWISE.items():
        if name in value:
            raise UnsupportedParameterError(f"`{name}` is not supported. {instead}", param=name)
    if value.get("n") not in (None, 1):
        raise UnsupportedParameterError("`n` is not supported: one request has one answer.", param="n")
    modalities = value.get("modalities")
    if modalities is not None and modalities != ["text"]:
        raise UnsupportedParameterError("`modalities` is not supported: answers are text.", param="modalities")


def _sampling(request: schemas.ChatCompletionRequest, limit: int) -> Sampling:
    effort = request.reasoning_effort
    return Sampling(
        max_tokens=limit,
        temperature=request.temperature,
        top_p=request.top_p,
        stop_sequences=(request.stop,) if isinstance(request.stop, str) else tuple(request.stop or ()),
        thinking=ThinkingConfig("disabled") if effort == "none" else None,
        effort=None if effort in (None, "none") else {"minimal": "low"}.get(effort, effort),
        output_schema=_schema(request.response_format),
    )


def _schema(form: schemas.ResponseFormat | None) -> Mapping[str, JsonValue] | None:
    if form is None or form.type != "json_schema":
        return None
    if form.json_schema is None or form.json_schema.schema_ is None:
        path = "response_format.json_schema.schema"
        raise ValidationFailedError(f"`{path}` is required.", param=path)
    return form.json_schema.schema_


def _spoken(messages: Sequence[schemas.MessageParam]) -> Spoken:
    said = spoken((), [_said(message, f"messages[{index}]") for index, message in enumerate(messages)])
    if not said.turns:
        raise ValidationFailedError("`messages` has nothing to answer.", param="messages")
    return said


def _said(message: schemas.MessageParam, path: str) -> Said:
    match message:
        case schemas.SystemMessage():
            return _placed("system", _content(message.content, path), path)
        case schemas.UserMessage():
            return _placed("user", _content(message.content, path), path)
        case schemas.AssistantMessage():
            return _answered(message, path)
        case schemas.ToolMessage():
            content = _texts(message.content, path)
            result = ToolResult(message.tool_call_id, content, plain=isinstance(message.content, str))
            return Said("user", (result,), (path,))
        case _:
            assert_never(message)


def _placed(role: Literal["system", "user"], content: Sequence[tuple[Block, str]], path: str) -> Said:
    if not content and role == "user":
        raise ValidationFailedError(f"`{path}.content` is empty.", param=f"{path}.content")
    return Said(role, tuple(block for block, _ in content), tuple(place for _, place in content))


def _answered(message: schemas.AssistantMessage, path: str) -> Said:
    content: list[tuple[Block, str]] = [*_content(message.content or "", path)]
    if message.refusal:
        content.append((Text(message.refusal), f"{path}.refusal"))
    for index, call in enumerate(message.tool_calls or ()):
        place = f"{path}.tool_calls[{index}]"
        given = arguments(call.function.arguments, f"{place}.function.arguments")
        content.append((ToolUse(call.id, call.function.name, given), place))
    return Said("assistant", tuple(block for block, _ in content), tuple(place for _, place in content))


def _content(content: str | Sequence[schemas.PartParam], path: str) -> list[tuple[Block, str]]:
    if isinstance(content, str):
        return [(Text(content), f"{path}.content")] if content else []
    return [(_part(part), f"{path}.content[{index}]") for index, part in enumerate(content)]


def _texts(content: str | Sequence[schemas.TextPart], path: str) -> tuple[Text, ...]:
    return tuple(block for block, _ in _content(content, path) if isinstance(block, Text))


def _part(part: schemas.PartParam) -> Text | Image | Document:
    match part:
        case schemas.TextPart():
            return Text(part.text)
        case schemas.RefusalPart():
            return Text(part.refusal)
        case schemas.ImagePart():
            media_type, data = data_of(part.image_url.url)
            return Image(media_type, data, None if data else part.image_url.url)
        case schemas.FilePart():
            media_type, data = data_of(part.file.file_data)
            return Document(media_type=media_type, data=data, title=part.file.filename)
        case _:
            assert_never(part)

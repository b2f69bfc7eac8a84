"""A Responses request as our words.

Items follow one another as they were said; those of one side are one turn, as every vendor behind us wants them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from pydantic import JsonValue

from api.openai import schemas, tools
from api.openai.items import REDACTED
from api.openai.parts import arguments, data_of
from api.openai.response import Echo
from api.openai.turns import Said, Spoken, spoken
from api.validation import read_object, validated
from gateway.conversation import (
    Block,
    Conversation,
    Document,
    Image,
    RedactedThinking,
    Role,
    Sampling,
    Text,
    Thinking,
    ThinkingConfig,
    ToolResult,
    ToolUse,
    Turn,
)
from gateway.errors import UnsupportedParameterError, ValidationFailedError

NAMES: Mapping[str, str] = {
    "messages": "input",
    "system": "instructions",
    "tools": "tools",
    "tool_choice": "tool_choice",
    "output_config.format": "text.format",
    "output_config.effort": "reasoning.effort",
    "thinking": "reasoning.effort",
    "max_tokens": "max_output_tokens",
    "metadata.user_id": "safety_identifier",
}
"""What the request calls that which has another name elsewhere."""

_LOSES_CONTEXT = ("previous_response_id", "conversation", "prompt")
"""To leave these out would answer another question than was asked (spec U6)."""

_IGNORED = ("include", "prompt_cache_key", "prompt_cache_retention", "truncation", "max_tool_calls", "top_logprobs")

_ECHOED: Mapping[str, JsonValue] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "reasoning": {"effort": None, "summary": None},
    "service_tier": "default",
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}


@dataclass(frozen=True, slots=True)
class Parsed:
    """`limit` is the tokens that the caller allows; `ignored` names what was taken and is sent to nobody."""

    model: str
    conversation: Conversation
    echo: Echo
    places: tuple[tuple[str, ...], ...]
    limit: int | None
    stream: bool = False
    ignored: tuple[str, ...] = field(default=())


Items = Mapping[str, Block]
"""What items that are only referred to stand for, by their ids."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it was sent, without what is null in it."""

    value: Mapping[str, JsonValue]
    request: schemas.CreateResponseRequest

    @property
    def references(self) -> tuple[str, ...]:
        """Ids of items that it only refers to, each once."""
        if isinstance(self.request.input, str):
            return ()
        return tuple(dict.fromkeys(item.id for item in self.request.input if isinstance(item, schemas.ItemReference)))


def sent(body: bytes) -> Sent:
    """Raises `ValidationFailedError`, `UnsupportedParameterError`."""
    value: dict[str, JsonValue] = {name: given for name, given in read_object(body).items() if given is not None}
    _require_context(value)
    return Sent(value, validated(schemas.CreateResponseRequest, value, unknown=ValidationFailedError))


def create_response(sent: Sent, items: Items) -> Parsed:
    """Raises `ValidationFailedError`, also for a reference to what is not among `items`."""
    request, value = sent.request, sent.value
    taken = tools.read_tools(request.tools)
    said = _spoken(request, items)
    return Parsed(
        model=request.model,
        conversation=Conversation(
            turns=said.turns,
            sampling=_sampling(request),
            system=said.system,
            system_plain=len(said.system) == 1,
            tools=taken.taken,
            tool_choice=tools.read_choice(request.tool_choice, taken, parallel=request.parallel_tool_calls),
            end_user=request.safety_identifier or request.user,
        ),
        echo=Echo({name: value.get(name, default) for name, default in _ECHOED.items()}),
        places=said.places,
        limit=request.max_output_tokens,
        stream=bool(request.stream),
        ignored=(*(name for name in _IGNORED if name in value), *taken.left_out),
    )


def _require_context(value: Mapping[str, JsonValue]) -> None:
    for name in _LOSES_CONTEXT:
        if name in value:
            raise UnsupportedParameterError(
                f"`{name}` is not supported: nothing is kept between requests. Send the whole input.", param=name
            )
    if value.get("background") is True:
        raise UnsupportedParameterError("`background` is not supported on this surface.", param="background")


def _sampling(request: schemas.CreateResponseRequest) -> Sampling:
    effort = request.reasoning.effort if request.reasoning else None
    form = request.text.format if request.text else None
    if form is not None and form.type == "json_schema" and form.schema_ is None:
        raise ValidationFailedError("`text.format.schema` is required.", param="text.format.schema")
    return Sampling(
        max_tokens=request.max_output_tokens or 1,
        temperature=request.temperature,
        top_p=request.top_p,
        thinking=ThinkingConfig("disabled") if effort == "none" else None,
        effort=None if effort in (None, "none") else {"minimal": "low"}.get(effort, effort),
        output_schema=form.schema_ if form and form.type == "json_schema" else None,
    )


def _spoken(request: schemas.CreateResponseRequest, items: Items) -> Spoken:
    """What a developer says before anybody else does is part of the system prompt."""
    system = [Text(request.instructions)] if request.instructions else []
    if isinstance(request.input, str):
        return Spoken(tuple(system), (Turn("user", (Text(request.input),), plain=True),), (("input",),))
    said = spoken(system, [_said(item, f"input[{index}]", items) for index, item in enumerate(request.input)])
    if not said.turns:
        raise ValidationFailedError("`input` has nothing to answer.", param="input")
    return said


def _said(item: schemas.ItemParam, path: str, items: Items) -> Said:
    match item:
        case schemas.MessageItem():
            role: Role = "system" if item.role in ("system", "developer") else cast("Role", item.role)
            return _placed(role, _content(item.content, f"{path}.content"), path)
        case schemas.FunctionCallItem():
            given = arguments(item.arguments, f"{path}.arguments")
            return _placed("assistant", (ToolUse(item.call_id, item.name, given),), path)
        case schemas.FunctionCallOutputItem():
            content = _content(item.output, f"{path}.output")
            return _placed("user", (ToolResult(item.call_id, content, plain=isinstance(item.output, str)),), path)
        case schemas.ReasoningItem():
            return _placed("assistant", _thoughts(item), path)
        case schemas.ItemReference():
            if (block := items.get(item.id)) is not None:
                return _placed("assistant", (block,), path)
            raise ValidationFailedError(
                "The item that is referred to is not known, or no longer. Send it whole, with `store: false`.",
                param=f"{path}.id",
            )


def _placed(role: Role, blocks: tuple[Block, ...], path: str) -> Said:
    return Said(role, blocks, (path,) * len(blocks))


def _thoughts(item: schemas.ReasoningItem) -> tuple[Block, ...]:
    """What cannot be said to a vendor again is left out."""
    if not item.encrypted_content:
        return ()
    if item.encrypted_content.startswith(REDACTED):
        return (RedactedThinking(item.encrypted_content.removeprefix(REDACTED)),)
    return (Thinking("".join(part.text for part in item.summary or ()), item.encrypted_content),)


def _content(content: str | Sequence[schemas.PartParam], path: str) -> tuple[Text | Image | Document, ...]:
    if isinstance(content, str):
        return (Text(content),) if content else ()
    return tuple(_part(part, f"{path}[{index}]") for index, part in enumerate(content))


def _part(part: schemas.PartParam, path: str) -> Text | Image | Document:
    match part:
        case schemas.TextPart():
            return Text(part.text)
        case schemas.RefusalPart():
            return Text(part.refusal)
        case schemas.ImagePart():
            media_type, data = data_of(part.image_url)
            return Image(media_type, data, None if data else part.image_url)
        case schemas.FilePart():
            if part.file_data is None and part.file_url is None:
                raise ValidationFailedError(f"`{path}` needs `file_data` or `file_url`.", param=f"{path}.file_data")
            media_type, data = data_of(part.file_data or "")
            return Document(media_type=media_type, data=data, url=None if data else part.file_url, title=part.filename)

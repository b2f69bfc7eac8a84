"""A native chat request as our words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from api.harness.schemas import ChatCompletionsRequest, ChatMessage
from api.validation import read_object, validated
from gateway.conversation import Conversation, Role, Sampling, Text, Turn
from gateway.errors import GatewayError, Kind, ValidationFailedError
from gateway.ids import FileId

DEFAULT_MAX_TOKENS = 8_192
PRESET = "agent-"
"""Before a preset's id where a model's name could stand."""


class ClientToolsError(GatewayError):
    kind, code = Kind.UNSUPPORTED, "CLIENT_TOOLS_NOT_SUPPORTED"
    message = (
        "Tools here are run by the gateway: name them in `tools_to_use`. For tools of your own use"
        " `/v1/openai/responses`, `/v1/openai/chat/completions` or `/v1/anthropic/messages`."
    )


class NoModelError(GatewayError):
    kind, code = Kind.UNSUPPORTED, "MODEL_REQUIRED"
    message = "`model` is required: neither the organization's policy nor this gateway has a default."


@dataclass(frozen=True, slots=True)
class Parsed:
    """`model` is None where none is named; `limit` the tokens that the caller allows."""

    model: str | None
    system: tuple[Text, ...]
    turns: tuple[Turn, ...]
    sampling: Sampling
    limit: int | None
    stream: bool
    files: tuple[FileId, ...]
    tools: tuple[str, ...] | None
    picks_tools: bool
    end_user: str | None
    background: bool = False

    @property
    def asked_last(self) -> str:
        """The text of the last message of the user's."""
        said = next((turn for turn in reversed(self.turns) if turn.role == "user"), None)
        return " ".join(block.text for block in said.blocks if isinstance(block, Text)) if said else ""

    def conversation(self, instructions: Sequence[Text], *, max_tokens: int) -> Conversation:
        """With a preset's `instructions` before the caller's own."""
        return Conversation(
            turns=self.turns,
            sampling=Sampling(max_tokens, self.sampling.temperature, self.sampling.top_p),
            system=(*instructions, *self.system),
            end_user=self.end_user,
        )


def chat(body: bytes) -> Parsed:
    """Raises `ValidationFailedError`, `ClientToolsError`."""
    value: dict[str, JsonValue] = {name: sent for name, sent in read_object(body).items() if sent is not None}
    if "tools" in value:
        raise ClientToolsError(param="tools")
    request = validated(ChatCompletionsRequest, value, unknown=ValidationFailedError)
    system, turns = _said(request.messages)
    return Parsed(
        model=f"{PRESET}{request.agent_id}" if request.agent_id and not request.model else request.model,
        system=system,
        turns=turns,
        sampling=Sampling(request.max_tokens or 1, request.temperature, request.top_p),
        limit=request.max_tokens,
        stream=bool(request.stream) and not request.background,
        background=bool(request.background),
        files=tuple(FileId(each.lower()) for each in dict.fromkeys(request.file_uuids or ())),
        tools=tuple(request.tools_to_use) if request.tools_to_use is not None else None,
        picks_tools=bool(request.auto_tool_selection),
        end_user=_end_user(request, value),
    )


def _said(messages: Sequence[ChatMessage]) -> tuple[tuple[Text, ...], tuple[Turn, ...]]:
    system: tuple[Text, ...] | None = None
    turns: list[Turn] = []
    for index, message in enumerate(messages):
        texts = _texts(message)
        if not any(text.text for text in texts):
            raise ValidationFailedError(f"`messages[{index}].content` is empty.", param=f"messages[{index}].content")
        if message.role == "system":
            if system is not None:
                raise ValidationFailedError("At most one message may be the system's.", param=f"messages[{index}].role")
            system = texts
        else:
            role: Role = message.role
            turns.append(Turn(role, texts, plain=isinstance(message.content, str)))
    if not turns:
        raise ValidationFailedError("`messages` has nothing to answer.", param="messages")
    return system or (), tuple(turns)


def _texts(message: ChatMessage) -> tuple[Text, ...]:
    if isinstance(message.content, str):
        return (Text(message.content),)
    return tuple(Text(part.text) for part in message.content)


def _end_user(request: ChatCompletionsRequest, value: Mapping[str, JsonValue]) -> str | None:
    in_metadata = request.metadata.user_id if request.metadata else None
    if "end_user" in value and in_metadata not in (None, request.end_user):
        raise ValidationFailedError("`end_user` and `metadata.user_id` name two people.", param="end_user")
    return in_metadata if request.end_user is None else request.end_user

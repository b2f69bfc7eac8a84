"""Body of `POST /v1/openai/chat/completions`, in OpenAI's published shapes (spec, hatz 13.3)."""

from typing import Annotated, Any, Literal, cast

from pydantic import Discriminator, Field, Tag

from api.content.schemas import JsonObject
from api.openai.schemas import Lenient


class TextPart(Lenient):
    type: Literal["text"]
    text: str


class RefusalPart(Lenient):
    type: Literal["refusal"]
    refusal: str


class ImageUrl(Lenient):
    url: Annotated[str, Field(pattern=r"^(https?://|data:image/(jpeg|png|gif|webp);base64,)")]


class ImagePart(Lenient):
    type: Literal["image_url"]
    image_url: ImageUrl


class FileData(Lenient):
    """By data only: a file's id means nothing here, since the gateway keeps none at the vendor."""

    file_data: Annotated[str, Field(pattern=r"^data:application/pdf;base64,")]
    filename: str | None = None


class FilePart(Lenient):
    type: Literal["file"]
    file: FileData


PartParam = Annotated[TextPart | RefusalPart | ImagePart | FilePart, Field(discriminator="type")]
SaidTextParam = Annotated[TextPart | RefusalPart, Field(discriminator="type")]


class CalledFunction(Lenient):
    name: Annotated[str, Field(min_length=1)]
    arguments: str


class ToolCall(Lenient):
    id: Annotated[str, Field(min_length=1)]
    type: Literal["function"] | None = None
    function: CalledFunction


class SystemMessage(Lenient):
    role: Literal["system", "developer"]
    content: str | Annotated[list[TextPart], Field(fail_fast=True)]


class UserMessage(Lenient):
    role: Literal["user"]
    content: str | Annotated[list[PartParam], Field(fail_fast=True)]


class AssistantMessage(Lenient):
    role: Literal["assistant"]
    content: str | Annotated[list[SaidTextParam], Field(fail_fast=True)] | None = None
    refusal: str | None = None
    tool_calls: Annotated[list[ToolCall], Field(fail_fast=True)] | None = None


class ToolMessage(Lenient):
    role: Literal["tool"]
    tool_call_id: Annotated[str, Field(min_length=1)]
    content: str | Annotated[list[TextPart], Field(fail_fast=True)]


def _role(message: object) -> str | None:
    role = cast("dict[str, Any]", message).get("role") if isinstance(message, dict) else None
    return "system" if role == "developer" else role if isinstance(role, str) and role in _ROLES else None


_ROLES = frozenset({"system", "user", "assistant", "tool"})

MessageParam = Annotated[
    Annotated[SystemMessage, Tag("system")]
    | Annotated[UserMessage, Tag("user")]
    | Annotated[AssistantMessage, Tag("assistant")]
    | Annotated[ToolMessage, Tag("tool")],
    Discriminator(_role),
]


class JsonSchemaFormat(Lenient):
    # `schema` is a (deprecated) method of BaseModel; the wire calls the field so.
    schema_: Annotated[JsonObject | None, Field(alias="schema")] = None


class ResponseFormat(Lenient):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchemaFormat | None = None


class StreamOptions(Lenient):
    include_usage: bool | None = None


class ChatCompletionRequest(Lenient):
    """What is read of a request; what else it says is ignored."""

    model: Annotated[str, Field(min_length=1, examples=["gpt-5.4-mini"])]
    messages: Annotated[list[MessageParam], Field(fail_fast=True, min_length=1, max_length=50_000)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    stop: Annotated[str, Field(min_length=1)] | Annotated[list[str], Field(max_length=16)] | None = None
    tools: Annotated[list[JsonObject], Field(fail_fast=True)] | None = None
    tool_choice: str | JsonObject | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    user: Annotated[str, Field(max_length=1024)] | None = None
    safety_identifier: Annotated[str, Field(max_length=1024)] | None = None

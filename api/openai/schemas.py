"""Body of `POST /v1/openai/responses`, in OpenAI's published shapes (spec, hatz 7.1 and 13.1).

Fields that are not here are ignored, at the top and inside of items: clients of this surface send many, of many
versions. Null is as good as absent.
"""

from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from api.content.schemas import JsonObject


class Lenient(BaseModel):
    """No coercion; what is not declared is ignored."""

    model_config = ConfigDict(extra="ignore", strict=True)


class TextPart(Lenient):
    type: Literal["input_text", "output_text", "text"]
    text: str


class RefusalPart(Lenient):
    type: Literal["refusal"]
    refusal: str


class ImagePart(Lenient):
    """By URL or as data; a file's id means nothing here: the gateway keeps none at the vendor."""

    type: Literal["input_image"]
    image_url: Annotated[str, Field(pattern=r"^(https?://|data:image/(jpeg|png|gif|webp);base64,)")]


class FilePart(Lenient):
    type: Literal["input_file"]
    filename: str | None = None
    file_data: Annotated[str, Field(pattern=r"^data:application/pdf;base64,")] | None = None
    file_url: Annotated[str, Field(pattern=r"^https?://", max_length=8192)] | None = None


PartParam = Annotated[TextPart | RefusalPart | ImagePart | FilePart, Field(discriminator="type")]


class MessageItem(Lenient):
    type: Literal["message"] | None = None
    role: Literal["user", "assistant", "system", "developer"]
    content: str | Annotated[list[PartParam], Field(fail_fast=True)]


class FunctionCallItem(Lenient):
    type: Literal["function_call"]
    call_id: Annotated[str, Field(min_length=1)]
    name: Annotated[str, Field(min_length=1)]
    arguments: str


class FunctionCallOutputItem(Lenient):
    type: Literal["function_call_output"]
    call_id: Annotated[str, Field(min_length=1)]
    output: str | Annotated[list[PartParam], Field(fail_fast=True)]


class SummaryPart(Lenient):
    text: str


class ReasoningItem(Lenient):
    type: Literal["reasoning"]
    summary: Annotated[list[SummaryPart], Field(fail_fast=True)] | None = None
    encrypted_content: str | None = None


class ItemReference(Lenient):
    type: Literal["item_reference"] | None = None
    id: Annotated[str, Field(min_length=1, max_length=256)]


def _kind(item: object) -> str | None:
    if not isinstance(item, dict):
        return None
    given = cast("dict[str, Any]", item)
    kind = given.get("type")
    if kind is not None:
        return kind if isinstance(kind, str) else None
    if "role" in given:
        return "message"
    return "item_reference" if "id" in given else None


ItemParam = Annotated[
    Annotated[MessageItem, Tag("message")]
    | Annotated[FunctionCallItem, Tag("function_call")]
    | Annotated[FunctionCallOutputItem, Tag("function_call_output")]
    | Annotated[ReasoningItem, Tag("reasoning")]
    | Annotated[ItemReference, Tag("item_reference")],
    Discriminator(_kind),
]


class Format(Lenient):
    type: Literal["text", "json_object", "json_schema"]
    # `schema` is a (deprecated) method of BaseModel; the wire calls the field so.
    schema_: Annotated[JsonObject | None, Field(alias="schema")] = None


class TextSettings(Lenient):
    format: Format | None = None


class ReasoningSettings(Lenient):
    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    summary: Literal["auto", "concise", "detailed", "none"] | None = None


class FunctionTool(Lenient):
    """Flat, as the Responses API has it; `function`, as Chat Completions nests it."""

    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,128}$")]
    description: str | None = None
    parameters: JsonObject | None = None
    strict: bool | None = None


class CreateResponseRequest(Lenient):
    """What is read of a request; what else it says is ignored."""

    model: Annotated[str, Field(min_length=1)]
    input: str | Annotated[list[ItemParam], Field(fail_fast=True, min_length=1, max_length=50_000)]
    instructions: str | None = None
    stream: bool | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    parallel_tool_calls: bool | None = None
    text: TextSettings | None = None
    tools: Annotated[list[JsonObject], Field(fail_fast=True)] | None = None
    tool_choice: str | JsonObject | None = None
    reasoning: ReasoningSettings | None = None
    metadata: JsonObject | None = None
    user: Annotated[str, Field(max_length=1024)] | None = None
    safety_identifier: Annotated[str, Field(max_length=1024)] | None = None
    service_tier: str | None = None
    truncation: str | None = None

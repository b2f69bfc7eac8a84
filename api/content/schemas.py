"""Content blocks and settings on the wire, in Anthropic's published shapes.

Both HASP surfaces take them. Optional fields take null as absent, as official
SDKs send it. A field that Anthropic publishes and we do not carry is declared
with its harmless values only, so that it is refused by name and never dropped.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, GetPydanticSchema, JsonValue
from pydantic_core import core_schema


def _object_schema(_source: object, _handler: object) -> core_schema.CoreSchema:
    return core_schema.dict_schema(core_schema.str_schema())


# What `orjson` read is JSON already; pydantic's own JsonValue asks Python code about every leaf.
JsonObject = Annotated[dict[str, JsonValue], GetPydanticSchema(_object_schema)]


class Strict(BaseModel):
    """No coercion, no unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True)


class CacheControlParam(Strict):
    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] | None = None


class CitationsParam(Strict):
    enabled: bool | None = None


class TextParam(Strict):
    type: Literal["text"]
    text: str
    cache_control: CacheControlParam | None = None
    citations: list[JsonObject] | None = None


class Base64ImageSource(Strict):
    type: Literal["base64"]
    media_type: Literal["image/jpeg", "image/png", "image/gif", "image/webp"]
    data: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]+={0,2}$")]


class UrlSource(Strict):
    type: Literal["url"]
    url: Annotated[str, Field(pattern=r"^https?://", max_length=8192)]


class ImageTransformationsParam(Strict):
    oversized_image: Literal["downsize", "error"] | None = None


class ImageParam(Strict):
    type: Literal["image"]
    source: Annotated[Base64ImageSource | UrlSource, Field(discriminator="type")]
    cache_control: CacheControlParam | None = None
    transformations: ImageTransformationsParam | None = None


class PdfSource(Strict):
    type: Literal["base64"]
    media_type: Literal["application/pdf"]
    data: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]+={0,2}$")]


class PlainTextSource(Strict):
    type: Literal["text"]
    media_type: Literal["text/plain"]
    data: str


class ContentSource(Strict):
    type: Literal["content"]
    content: str | Annotated[list[Annotated[TextParam | ImageParam, Field(discriminator="type")]], Field(min_length=1)]


class DocumentParam(Strict):
    type: Literal["document"]
    source: Annotated[PdfSource | PlainTextSource | ContentSource | UrlSource, Field(discriminator="type")]
    title: str | None = None
    context: str | None = None
    citations: CitationsParam | None = None
    cache_control: CacheControlParam | None = None


class SearchResultParam(Strict):
    type: Literal["search_result"]
    source: str
    title: str
    content: list[TextParam]
    citations: CitationsParam | None = None
    cache_control: CacheControlParam | None = None


class DirectCaller(Strict):
    type: Literal["direct"]


class ToolUseParam(Strict):
    type: Literal["tool_use"]
    id: Annotated[str, Field(min_length=1, max_length=256)]
    name: Annotated[str, Field(min_length=1, max_length=256)]
    input: JsonObject
    cache_control: CacheControlParam | None = None
    caller: DirectCaller | None = None
    toolset_name: None = None


ToolResultContent = Annotated[TextParam | ImageParam | DocumentParam | SearchResultParam, Field(discriminator="type")]


class ToolResultParam(Strict):
    type: Literal["tool_result"]
    tool_use_id: Annotated[str, Field(min_length=1, max_length=256)]
    content: str | list[ToolResultContent] | None = None
    is_error: bool | None = None
    cache_control: CacheControlParam | None = None
    toolset_name: None = None


class ThinkingParam(Strict):
    type: Literal["thinking"]
    thinking: str
    signature: str


class RedactedThinkingParam(Strict):
    type: Literal["redacted_thinking"]
    data: str


BlockParam = Annotated[
    TextParam
    | ImageParam
    | DocumentParam
    | SearchResultParam
    | ToolUseParam
    | ToolResultParam
    | ThinkingParam
    | RedactedThinkingParam,
    Field(discriminator="type"),
]


class MessageParam(Strict):
    """One turn. `system` turns are taken inside `messages` too, as agent clients send them."""

    role: Literal["user", "assistant", "system"]
    content: str | list[BlockParam]


class ThinkingEnabled(Strict):
    type: Literal["enabled"]
    budget_tokens: Annotated[int, Field(ge=1)]
    display: Literal["summarized", "omitted"] | None = None


class ThinkingAdaptive(Strict):
    type: Literal["adaptive"]
    display: Literal["summarized", "omitted"] | None = None


class ThinkingBetweenTools(Strict):
    type: Literal["between_tools"]


class ThinkingDisabled(Strict):
    type: Literal["disabled"]


ThinkingConfigParam = Annotated[
    ThinkingEnabled | ThinkingAdaptive | ThinkingBetweenTools | ThinkingDisabled, Field(discriminator="type")
]


class MetadataParam(Strict):
    user_id: Annotated[str, Field(max_length=1024)] | None = None


class JsonOutputFormat(Strict):
    type: Literal["json_schema"]
    # `schema` is a (deprecated) method of BaseModel; the wire calls the field so.
    schema_: Annotated[JsonObject, Field(alias="schema")]


class OutputConfigParam(Strict):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: JsonOutputFormat | None = None


StopSequence = Annotated[str, Field(min_length=1)]
SystemParam = str | list[TextParam]

"""Tools that the client runs, on the wire: the caller's own, and those that Anthropic defines."""

from typing import Annotated, Literal, cast, get_args

from pydantic import Discriminator, Field, Tag

from api.content.schemas import CacheControlParam, JsonObject, Strict


class _ToolSettings(Strict):
    """What every tool can say. Of who may call it and when it is loaded, only what needs no tool of the vendor's."""

    strict: bool | None = None
    cache_control: CacheControlParam | None = None
    input_examples: list[JsonObject] | None = None
    defer_loading: Literal[False] | None = None
    allowed_callers: list[Literal["direct"]] | None = None


class ToolParam(_ToolSettings):
    """A function of the caller's own."""

    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,128}$")]
    input_schema: JsonObject
    description: str | None = None
    type: Literal["custom"] | None = None
    eager_input_streaming: bool | None = None


class BashToolParam(_ToolSettings):
    type: Literal["bash_20250124"]
    name: Literal["bash"]


class TextEditorTool20250124Param(_ToolSettings):
    type: Literal["text_editor_20250124"]
    name: Literal["str_replace_editor"]


class TextEditorTool20250429Param(_ToolSettings):
    type: Literal["text_editor_20250429"]
    name: Literal["str_replace_based_edit_tool"]


class TextEditorTool20250728Param(_ToolSettings):
    type: Literal["text_editor_20250728"]
    name: Literal["str_replace_based_edit_tool"]
    max_characters: Annotated[int, Field(ge=1)] | None = None


class MemoryToolParam(_ToolSettings):
    type: Literal["memory_20250818"]
    name: Literal["memory"]


ClientToolParam = (
    BashToolParam
    | TextEditorTool20250124Param
    | TextEditorTool20250429Param
    | TextEditorTool20250728Param
    | MemoryToolParam
)


def _whose(tool: object) -> str:
    """Whether a tool is the caller's own, which may leave its `type` out, or one that Anthropic defines."""
    kind = cast("dict[str, object]", tool).get("type") if isinstance(tool, dict) else getattr(tool, "type", None)
    return "custom" if kind in (None, "custom") else "client"


AnyToolParam = Annotated[
    Annotated[ToolParam, Tag("custom")] | Annotated[ClientToolParam, Field(discriminator="type"), Tag("client")],
    Discriminator(_whose),
]

TOOL_KINDS = frozenset(
    {"custom", *(get_args(tool.model_fields["type"].annotation)[0] for tool in get_args(ClientToolParam))}
)


class ToolChoiceAuto(Strict):
    type: Literal["auto"]
    disable_parallel_tool_use: bool | None = None


class ToolChoiceAny(Strict):
    type: Literal["any"]
    disable_parallel_tool_use: bool | None = None


class ToolChoiceTool(Strict):
    type: Literal["tool"]
    name: str
    disable_parallel_tool_use: bool | None = None


class ToolChoiceNone(Strict):
    type: Literal["none"]


ToolChoiceParam = Annotated[
    ToolChoiceAuto | ToolChoiceAny | ToolChoiceTool | ToolChoiceNone, Field(discriminator="type")
]

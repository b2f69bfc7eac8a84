"""Wire shapes of content to the neutral conversation. Pure and total: what validated has a translation."""

from typing import assert_never

from api.content import schemas as wire
from api.content import tools
from gateway import conversation as neutral

_OPTIONS = {"input_examples", "max_characters", "strict"}


def turn(message: wire.MessageParam) -> neutral.Turn:
    if isinstance(message.content, str):
        return neutral.Turn(message.role, (neutral.Text(message.content),), plain=True)
    return neutral.Turn(message.role, tuple(map(block, message.content)))


def system(value: wire.SystemParam | None) -> tuple[tuple[neutral.Text, ...], bool]:
    """The system prompt's blocks, and whether it came as one string."""
    if value is None:
        return (), False
    if isinstance(value, str):
        return (neutral.Text(value),), True
    return tuple(map(text, value)), False


def block(param: wire.BlockParam) -> neutral.Block:
    match param:
        case wire.TextParam():
            return text(param)
        case wire.ToolUseParam():
            return neutral.ToolUse(param.id, param.name, param.input, cache=cache(param.cache_control))
        case wire.ToolResultParam():
            return _tool_result(param)
        case wire.ThinkingParam():
            return neutral.Thinking(param.thinking, param.signature)
        case wire.RedactedThinkingParam():
            return neutral.RedactedThinking(param.data)
        case _:
            return _attachment(param)


def text(param: wire.TextParam) -> neutral.Text:
    return neutral.Text(param.text, cache=cache(param.cache_control), citations=tuple(param.citations or ()))


def cache(param: wire.CacheControlParam | None) -> neutral.CacheControl | None:
    return neutral.CacheControl(param.ttl) if param else None


def _tool_result(param: wire.ToolResultParam) -> neutral.ToolResult:
    content = param.content
    plain = isinstance(content, str)
    parts = (neutral.Text(content),) if isinstance(content, str) else tuple(map(_attachment, content or ()))
    return neutral.ToolResult(
        param.tool_use_id,
        parts,
        is_error=bool(param.is_error),
        plain=plain,
        cache=cache(param.cache_control),
    )


def _attachment(
    param: wire.TextParam | wire.ImageParam | wire.DocumentParam | wire.SearchResultParam,
) -> neutral.Text | neutral.Image | neutral.Document | neutral.SearchResult:
    match param:
        case wire.TextParam():
            return text(param)
        case wire.ImageParam():
            return _image(param)
        case wire.DocumentParam():
            return _document(param)
        case wire.SearchResultParam():
            return neutral.SearchResult(
                source=param.source,
                title=param.title,
                content=tuple(map(text, param.content)),
                citations_enabled=param.citations.enabled if param.citations else None,
                cache=cache(param.cache_control),
            )


def _image(param: wire.ImageParam) -> neutral.Image:
    source = param.source
    inline = source if isinstance(source, wire.Base64ImageSource) else None
    return neutral.Image(
        media_type=inline and inline.media_type,
        data=inline and inline.data,
        url=source.url if isinstance(source, wire.UrlSource) else None,
        cache=cache(param.cache_control),
        oversized=param.transformations.oversized_image if param.transformations else None,
    )


def _document(param: wire.DocumentParam) -> neutral.Document:
    content: str | None = None
    blocks: tuple[neutral.Text | neutral.Image, ...] = ()
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    match param.source:
        case wire.PlainTextSource():
            content = param.source.data
        case wire.PdfSource():
            media_type, data = param.source.media_type, param.source.data
        case wire.UrlSource():
            url = param.source.url
        case wire.ContentSource(content=nested):
            blocks = (neutral.Text(nested),) if isinstance(nested, str) else tuple(map(_nested, nested))
        case _:
            assert_never(param.source)
    return neutral.Document(
        text=content,
        blocks=blocks,
        media_type=media_type,
        data=data,
        url=url,
        title=param.title,
        context=param.context,
        citations_enabled=param.citations.enabled if param.citations else None,
        cache=cache(param.cache_control),
    )


def _nested(param: wire.TextParam | wire.ImageParam) -> neutral.Text | neutral.Image:
    return text(param) if isinstance(param, wire.TextParam) else _image(param)


def tool(param: tools.ToolParam | tools.ClientToolParam) -> neutral.Tool | neutral.ClientTool:
    if isinstance(param, tools.ToolParam):
        return neutral.Tool(
            name=param.name,
            schema=param.input_schema,
            description=param.description,
            strict=param.strict,
            cache=cache(param.cache_control),
            examples=tuple(param.input_examples or ()),
            eager_streaming=param.eager_input_streaming,
        )
    options = param.model_dump(include=_OPTIONS, exclude_none=True)
    return neutral.ClientTool(param.type, param.name, options, cache(param.cache_control))


def tool_choice(param: tools.ToolChoiceParam | None) -> neutral.ToolChoice | None:
    match param:
        case None:
            return None
        case tools.ToolChoiceNone():
            return neutral.ToolChoice("none")
        case tools.ToolChoiceTool(name=name, disable_parallel_tool_use=disable_parallel):
            return neutral.ToolChoice("tool", name, disable_parallel)
        case tools.ToolChoiceAuto() | tools.ToolChoiceAny():
            return neutral.ToolChoice(param.type, disable_parallel=param.disable_parallel_tool_use)


def thinking(param: wire.ThinkingConfigParam | None) -> neutral.ThinkingConfig | None:
    match param:
        case None:
            return None
        case wire.ThinkingEnabled():
            return neutral.ThinkingConfig("enabled", param.budget_tokens, param.display)
        case wire.ThinkingAdaptive():
            return neutral.ThinkingConfig("adaptive", display=param.display)
        case wire.ThinkingBetweenTools() | wire.ThinkingDisabled():
            return neutral.ThinkingConfig(param.type)

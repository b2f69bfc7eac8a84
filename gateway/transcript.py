"""Conversations as JSON in the block format of the Messages API: what is sealed into records and shown from them.

`dump_*` and `load_*` are inverse; `load_*` trusts its input, which is our own.
"""

from collections.abc import Iterable, Mapping
from typing import Any, assert_never

from pydantic import JsonValue

from gateway.completion import StopDetails
from gateway.conversation import (
    Block,
    CacheControl,
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

Json = dict[str, JsonValue]
Loaded = Mapping[str, Any]


def dump_turn(turn: Turn) -> Json:
    return {"role": turn.role, "content": dump_content(turn.blocks, plain=turn.plain)}


def dump_content(blocks: Iterable[Block], *, plain: bool) -> JsonValue:
    """A list of blocks, or the one string it was sent as."""
    if plain:
        return "".join(block.text for block in blocks if isinstance(block, Text))
    return [dump_block(block) for block in blocks]


def dump_block(block: Block) -> Json:
    match block:
        case Text():
            encoded: Json = {"type": "text", "text": block.text}
            if block.citations:
                encoded["citations"] = [dict(citation) for citation in block.citations]
            return _cached(encoded, block.cache)
        case ToolUse():
            encoded = {"type": "tool_use", "id": block.id, "name": block.name, "input": dict(block.input)}
            return _cached(encoded, block.cache)
        case ToolResult():
            return _dump_tool_result(block)
        case Thinking():
            return {"type": "thinking", "thinking": block.thinking, "signature": block.signature}
        case RedactedThinking():
            return {"type": "redacted_thinking", "data": block.data}
        case Image():
            return _dump_image(block)
        case Document():
            return _dump_document(block)
        case SearchResult():
            return _dump_search_result(block)
        case _:
            assert_never(block)


def dump_cache(cache: CacheControl) -> Json:
    return {"type": "ephemeral"} if cache.ttl is None else {"type": "ephemeral", "ttl": cache.ttl}


def dump_stop_details(details: StopDetails | None) -> Json | None:
    """Why an answer was refused; null for one that was not."""
    if details is None:
        return None
    return {"type": "refusal", "category": details.category, "explanation": details.explanation}


def load_stop_details(source: Loaded | None) -> StopDetails | None:
    return None if source is None else StopDetails(source["category"], source["explanation"])


def load_turn(source: Loaded) -> Turn:
    content = source["content"]
    if isinstance(content, str):
        return Turn(source["role"], (Text(content),), plain=True)
    return Turn(source["role"], tuple(load_block(block) for block in content))


def load_block(source: Loaded) -> Block:
    cache = _load_cache(source)
    match source["type"]:
        case "text":
            return Text(source["text"], cache, tuple(source.get("citations", ())))
        case "tool_use":
            return ToolUse(source["id"], source["name"], source["input"], cache)
        case "tool_result":
            return _load_tool_result(source, cache)
        case "thinking":
            return Thinking(source["thinking"], source["signature"])
        case "redacted_thinking":
            return RedactedThinking(source["data"])
        case "image":
            oversized = source.get("transformations", {}).get("oversized_image")
            return Image(**_load_source(source["source"]), cache=cache, oversized=oversized)
        case "document":
            return _load_document(source, cache)
        case "search_result":
            return SearchResult(
                source=source["source"],
                title=source["title"],
                content=_load_blocks(source["content"]),
                citations_enabled=_load_citations_enabled(source),
                cache=cache,
            )
        case kind:
            raise ValueError(f"no such block kind: {kind}")


def _dump_tool_result(block: ToolResult) -> Json:
    encoded: Json = {"type": "tool_result", "tool_use_id": block.tool_use_id}
    encoded["content"] = dump_content(block.content, plain=block.plain)
    if block.is_error:
        encoded["is_error"] = True
    return _cached(encoded, block.cache)


def _dump_image(block: Image) -> Json:
    encoded: Json = {"type": "image", "source": _dump_source(block)}
    if block.oversized is not None:
        encoded["transformations"] = {"oversized_image": block.oversized}
    return _cached(encoded, block.cache)


def _dump_document(block: Document) -> Json:
    if block.text is not None:
        source: Json = {"type": "text", "media_type": "text/plain", "data": block.text}
    elif block.blocks:
        source = {"type": "content", "content": dump_content(block.blocks, plain=False)}
    else:
        source = _dump_source(block)
    encoded: Json = {"type": "document", "source": source}
    if block.title is not None:
        encoded["title"] = block.title
    if block.context is not None:
        encoded["context"] = block.context
    return _cached(_with_citations_enabled(encoded, block.citations_enabled), block.cache)


def _dump_search_result(block: SearchResult) -> Json:
    encoded: Json = {"type": "search_result", "source": block.source, "title": block.title}
    encoded["content"] = dump_content(block.content, plain=False)
    return _cached(_with_citations_enabled(encoded, block.citations_enabled), block.cache)


def _dump_source(block: Image | Document) -> Json:
    if block.data is not None:
        return {"type": "base64", "media_type": block.media_type, "data": block.data}
    return {"type": "url", "url": block.url}


def _with_citations_enabled(encoded: Json, enabled: bool | None) -> Json:
    if enabled is not None:
        encoded["citations"] = {"enabled": enabled}
    return encoded


def _cached(encoded: Json, cache: CacheControl | None) -> Json:
    if cache is not None:
        encoded["cache_control"] = dump_cache(cache)
    return encoded


def _load_tool_result(source: Loaded, cache: CacheControl | None) -> ToolResult:
    content = source["content"]
    plain = isinstance(content, str)
    return ToolResult(
        tool_use_id=source["tool_use_id"],
        content=(Text(content),) if plain else _load_blocks(content),
        is_error=source.get("is_error", False),
        plain=plain,
        cache=cache,
    )


def _load_document(source: Loaded, cache: CacheControl | None) -> Document:
    origin = source["source"]
    head: dict[str, Any] = {
        "title": source.get("title"),
        "context": source.get("context"),
        "citations_enabled": _load_citations_enabled(source),
        "cache": cache,
    }
    match origin["type"]:
        case "text":
            return Document(text=origin["data"], **head)
        case "content":
            return Document(blocks=_load_blocks(origin["content"]), **head)
        case _:
            return Document(**_load_source(origin), **head)


def _load_blocks(sources: Iterable[Loaded]) -> tuple[Any, ...]:
    return tuple(load_block(source) for source in sources)


def _load_source(source: Loaded) -> dict[str, Any]:
    return {"media_type": source.get("media_type"), "data": source.get("data"), "url": source.get("url")}


def _load_citations_enabled(source: Loaded) -> bool | None:
    citations = source.get("citations")
    return citations["enabled"] if citations is not None else None


def _load_cache(source: Loaded) -> CacheControl | None:
    cache = source.get("cache_control")
    return CacheControl(cache.get("ttl")) if cache is not None else None

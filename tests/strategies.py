"""Hypothesis strategies for conversations and answers, as anybody may send or say them."""

from base64 import b64encode
from typing import Any

from hypothesis import strategies as st
from pydantic import JsonValue

from gateway.completion import AnswerBlock, Completion, StopDetails, StopReason, Usage
from gateway.conversation import (
    CacheControl,
    ClientTool,
    Conversation,
    Document,
    Image,
    RedactedThinking,
    Sampling,
    SearchResult,
    Text,
    Thinking,
    ThinkingConfig,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
    Turn,
)

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
"""Any text there is in UTF-8: lone surrogates cannot arrive over a wire."""
said = words.filter(bool)
ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)

_whole_numbers = st.integers(-(2**63), 2**64 - 1)
"""JSON's integers as far as 64 bits hold them; beyond, they are doubles, as to every client written in JavaScript."""
_leaves = st.none() | st.booleans() | _whole_numbers | st.floats(allow_nan=False, allow_infinity=False) | words
json_values: st.SearchStrategy[JsonValue] = st.recursive(
    _leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3), max_leaves=8
)
json_objects: st.SearchStrategy[dict[str, JsonValue]] = st.dictionaries(words, json_values, max_size=4)

caches = st.none() | st.builds(CacheControl, st.sampled_from([None, "5m", "1h"]))
citations = st.lists(json_objects, max_size=2).map(tuple)
texts = st.builds(Text, said, caches, citations)
_data = st.binary(min_size=1, max_size=12).map(lambda data: b64encode(data).decode())
_urls = ids.map(lambda path: f"https://example.com/{path}")
_oversized = st.sampled_from([None, "downsize", "error"])
images = st.builds(
    Image, st.sampled_from(["image/png", "image/webp"]), _data, st.none(), caches, _oversized
) | st.builds(Image, st.none(), st.none(), _urls, caches, _oversized)
_enabled = st.none() | st.booleans()


def _documents(**source: st.SearchStrategy[Any]) -> st.SearchStrategy[Document]:
    optional = st.none() | words
    return st.builds(Document, title=optional, context=optional, citations_enabled=_enabled, cache=caches, **source)


documents = (
    _documents(text=words)
    | _documents(blocks=st.lists(texts | images, min_size=1, max_size=3).map(tuple))
    | _documents(media_type=st.just("application/pdf"), data=_data)
    | _documents(url=_urls)
)
search_results = st.builds(SearchResult, words, words, st.lists(texts, max_size=2).map(tuple), _enabled, caches)
attachments = texts | images | documents | search_results
call_ids = st.from_regex(r"[a-zA-Z0-9_-]{1,64}", fullmatch=True)
"""Such as every vendor takes."""

tool_uses = st.builds(ToolUse, call_ids, ids, json_objects, caches)
_result_parts = st.lists(attachments, max_size=3).map(tuple)
tool_results = st.builds(ToolResult, call_ids, _result_parts, st.booleans(), st.just(value=False), caches) | st.builds(
    ToolResult, call_ids, words.map(lambda text: (Text(text),)), st.booleans(), st.just(value=True), caches
)
signatures = said.filter(lambda signature: not signature.startswith("openai."))
thinking = st.builds(Thinking, words, signatures)
redacted = st.builds(RedactedThinking, words)

_asked = st.lists(attachments | tool_results, min_size=1, max_size=4).map(tuple)
_answered = st.lists(texts | tool_uses | thinking | redacted, min_size=1, max_size=4).map(tuple)
_one_text = said.map(lambda text: (Text(text),))
turns = (
    st.builds(Turn, st.sampled_from(["user", "system"]), _asked)
    | st.builds(Turn, st.just("assistant"), _answered)
    | st.builds(Turn, st.sampled_from(["user", "assistant", "system"]), _one_text, st.just(value=True))
)

_names = st.from_regex(r"\A[a-zA-Z0-9_-]{1,20}\Z")
tools = st.builds(
    Tool,
    name=_names,
    schema=json_objects,
    description=st.none() | words,
    strict=_enabled,
    cache=caches,
    examples=st.lists(json_objects, max_size=2).map(tuple),
    eager_streaming=_enabled,
) | st.builds(
    ClientTool,
    st.just("text_editor_20250728"),
    st.just("str_replace_based_edit_tool"),
    st.sampled_from([{}, {"strict": True}, {"max_characters": 9}, {"strict": False, "max_characters": 10_000}]),
    caches,
)
_choices = (
    st.builds(ToolChoice, st.sampled_from(["auto", "any"]), st.none(), _enabled)
    | st.builds(ToolChoice, st.just("tool"), words, _enabled)
    | st.just(ToolChoice("none"))
)
_displays = st.sampled_from([None, "summarized", "omitted"])
_thinking_configs = (
    st.builds(ThinkingConfig, st.just("enabled"), st.integers(1, 10**6), _displays)
    | st.builds(ThinkingConfig, st.just("adaptive"), st.none(), _displays)
    | st.builds(ThinkingConfig, st.sampled_from(["between_tools", "disabled"]))
)
samplings = st.builds(
    Sampling,
    max_tokens=st.integers(1, 10**6),
    temperature=st.none() | st.floats(0, 1),
    top_p=st.none() | st.floats(0, 1),
    top_k=st.none() | st.integers(0, 10**6),
    stop_sequences=st.lists(said, max_size=2).map(tuple),
    thinking=st.none() | _thinking_configs,
    effort=st.sampled_from([None, "low", "max"]),
    output_schema=st.none() | json_objects,
    service_tier=st.sampled_from([None, "auto", "standard_only"]),
    inference_geo=st.sampled_from([None, "us"]),
)


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    """Conversations that every place of which a client can say on `/v1/messages`."""
    plain = draw(st.booleans())
    system = (Text(draw(words)),) if plain else draw(st.lists(texts, max_size=2).map(tuple))
    return Conversation(
        turns=draw(st.lists(turns, min_size=1, max_size=3).map(tuple)),
        sampling=draw(samplings),
        system=system,
        system_plain=plain,
        tools=draw(st.lists(tools, max_size=2).map(tuple)),
        tool_choice=draw(st.none() | _choices),
        end_user=draw(st.none() | words),
        cache=draw(caches),
    )


answer_blocks: st.SearchStrategy[AnswerBlock] = (
    st.builds(Text, words, st.none(), citations)
    | st.builds(ToolUse, ids, ids, json_objects)
    | st.builds(Thinking, words, words)
    | redacted
)
_tokens = st.integers(0, 10**9)
usages = st.builds(
    Usage,
    input=_tokens,
    output=_tokens,
    cache_read=_tokens,
    cache_write_5m=_tokens,
    cache_write_1h=_tokens,
    reasoning=_tokens,
    service_tier=st.sampled_from([None, "standard", "priority", "batch"]),
    inference_geo=st.none() | said,
    speed=st.sampled_from([None, "standard", "fast"]),
)
completions = st.builds(
    Completion,
    model=st.just("claude-sonnet-4-6"),
    blocks=st.lists(answer_blocks, max_size=4).map(tuple),
    stop_reason=st.sampled_from(StopReason),
    usage=usages,
    stop_sequence=st.none() | words,
    stop_details=st.none() | st.builds(StopDetails, st.none() | words, st.none() | words),
)

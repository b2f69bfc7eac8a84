import re
from typing import Any

import orjson

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
from gateway.providers.anthropic.encode import encode_count, encode_request
from tests.unit.providers.cases import CATALOG, CLAUDE, WEATHER, conversation, says, tool_loop


def encoded(told: Conversation) -> dict[str, Any]:
    return orjson.loads(encode_request(told, CLAUDE, stream=False))


def test_a_small_request_is_small() -> None:
    assert encode_request(conversation(says("Hi")), CLAUDE, stream=True) == (
        b'{"model":"claude-sonnet-4-6","max_tokens":1024,"stream":true,"messages":[{"role":"user","content":"Hi"}]}'
    )


def test_a_longer_conversation_starts_with_the_bytes_of_the_shorter() -> None:
    turns = tool_loop()
    shorter = encode_request(conversation(turns[0], system="Be brief.", tools=(WEATHER,)), CLAUDE, stream=True)
    longer = encode_request(conversation(*turns, system="Be brief.", tools=(WEATHER,)), CLAUDE, stream=True)

    assert longer.startswith(shorter.removesuffix(b"]}"))


def test_ids_of_calls_that_claude_refuses_are_sent_in_a_form_it_takes() -> None:
    made = ("functions.weather:0", "functions.weather:1", "y" * 65, "call_1")
    calls = tuple(ToolUse(call, "weather", {}) for call in made)
    results = tuple(ToolResult(call, (Text("Rain"),)) for call in reversed(made))

    _, called, answered = encoded(
        conversation(says("Hi"), Turn("assistant", calls), Turn("user", results), tools=(WEATHER,))
    )["messages"]

    sent = [block["id"] for block in called["content"]]
    assert [block["tool_use_id"] for block in answered["content"]] == sent[::-1]
    assert len(set(sent)) == len(made)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", call) for call in sent)
    assert sent[-1] == "call_1"


def test_every_setting_is_sent() -> None:
    told = Conversation(
        turns=(says("Hi"),),
        sampling=Sampling(
            max_tokens=9,
            temperature=0.5,
            top_p=0.9,
            top_k=40,
            stop_sequences=("END",),
            thinking=ThinkingConfig("enabled", budget_tokens=2048, display="omitted"),
            effort="high",
            output_schema={"type": "object"},
            service_tier="standard_only",
            inference_geo="us",
        ),
        system=(Text("Be brief.", cache=CacheControl("1h")),),
        tools=(
            Tool("weather", {"type": "object"}, description="Weather", strict=True, cache=CacheControl()),
            Tool("bare", {"type": "object"}),
            Tool("shown", {"type": "object"}, examples=({"city": "Oslo"},), eager_streaming=False),
            ClientTool("bash_20250124", "bash"),
            ClientTool(
                "text_editor_20250728", "str_replace_based_edit_tool", {"max_characters": 900}, CacheControl("1h")
            ),
        ),
        tool_choice=ToolChoice("tool", name="weather", disable_parallel=True),
        end_user="user_1",
        cache=CacheControl("5m"),
    )

    assert encoded(told) == {
        "model": "claude-sonnet-4-6",
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 40,
        "stop_sequences": ["END"],
        "service_tier": "standard_only",
        "inference_geo": "us",
        "metadata": {"user_id": "user_1"},
        "thinking": {"type": "enabled", "budget_tokens": 2048, "display": "omitted"},
        "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": {"type": "object"}}},
        "cache_control": {"type": "ephemeral", "ttl": "5m"},
        "tool_choice": {"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
        "tools": [
            {
                "name": "weather",
                "description": "Weather",
                "input_schema": {"type": "object"},
                "strict": True,
                "cache_control": {"type": "ephemeral"},
            },
            {"name": "bare", "input_schema": {"type": "object"}},
            {
                "name": "shown",
                "input_schema": {"type": "object"},
                "eager_input_streaming": False,
                "input_examples": [{"city": "Oslo"}],
            },
            {"type": "bash_20250124", "name": "bash"},
            {
                "type": "text_editor_20250728",
                "name": "str_replace_based_edit_tool",
                "max_characters": 900,
                "cache_control": {"type": "ephemeral", "ttl": "1h"},
            },
        ],
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "messages": [{"role": "user", "content": "Hi"}],
    }


def test_every_block_is_sent() -> None:
    image = Image("image/png", "aGk=", None)
    turns = (
        Turn("system", (Text("Mid-way rule."),), plain=True),
        Turn(
            "user",
            (
                Text("Look", cache=CacheControl()),
                image,
                Image(None, None, "https://example.org/a.png", cache=CacheControl("1h"), oversized="downsize"),
                Document(text="Note", title="T", context="C", citations_enabled=True),
                Document(blocks=(Text("in"), image)),
                Document(media_type="application/pdf", data="aGk=", cache=CacheControl()),
                Document(url="https://example.org/a.pdf", citations_enabled=False),
                SearchResult("src", "Title", (Text("found"),), citations_enabled=True),
            ),
        ),
        Turn(
            "assistant",
            (
                Thinking("Hm", "c2ln"),
                RedactedThinking("b3BhcXVl"),
                Text("Cited", citations=({"type": "char_location", "cited_text": "Note"},)),
                ToolUse("t1", "weather", {}, cache=CacheControl()),
                ToolUse("t2", "weather", {}),
            ),
        ),
        Turn(
            "user",
            (
                ToolResult("t1", (Text("Rain"),), plain=True, cache=CacheControl()),
                ToolResult("t2", (Text("No"), image), is_error=True),
            ),
        ),
    )
    wire_image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
    ephemeral = {"type": "ephemeral"}

    assert encoded(conversation(*turns))["messages"] == [
        {"role": "system", "content": "Mid-way rule."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look", "cache_control": ephemeral},
                wire_image,
                {
                    "type": "image",
                    "source": {"type": "url", "url": "https://example.org/a.png"},
                    "transformations": {"oversized_image": "downsize"},
                    "cache_control": {"type": "ephemeral", "ttl": "1h"},
                },
                {
                    "type": "document",
                    "source": {"type": "text", "media_type": "text/plain", "data": "Note"},
                    "title": "T",
                    "context": "C",
                    "citations": {"enabled": True},
                },
                {
                    "type": "document",
                    "source": {"type": "content", "content": [{"type": "text", "text": "in"}, wire_image]},
                },
                {
                    "type": "document",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="},
                    "cache_control": ephemeral,
                },
                {
                    "type": "document",
                    "source": {"type": "url", "url": "https://example.org/a.pdf"},
                    "citations": {"enabled": False},
                },
                {
                    "type": "search_result",
                    "source": "src",
                    "title": "Title",
                    "content": [{"type": "text", "text": "found"}],
                    "citations": {"enabled": True},
                },
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm", "signature": "c2ln"},
                {"type": "redacted_thinking", "data": "b3BhcXVl"},
                {"type": "text", "text": "Cited", "citations": [{"type": "char_location", "cited_text": "Note"}]},
                {"type": "tool_use", "id": "t1", "name": "weather", "input": {}, "cache_control": ephemeral},
                {"type": "tool_use", "id": "t2", "name": "weather", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "Rain", "cache_control": ephemeral},
                {
                    "type": "tool_result",
                    "tool_use_id": "t2",
                    "content": [{"type": "text", "text": "No"}, wire_image],
                    "is_error": True,
                },
            ],
        },
    ]


def test_another_vendor_s_reasoning_is_left_out_with_the_turn_it_filled() -> None:
    foreign = Thinking("Hm", "openai.e30")
    turns = (says("a"), Turn("assistant", (foreign,)), says("b"), Turn("assistant", (foreign, Text("c"))))

    assert encoded(conversation(*turns))["messages"] == [
        {"role": "user", "content": "a"},
        {"role": "user", "content": "b"},
        {"role": "assistant", "content": [{"type": "text", "text": "c"}]},
    ]


def test_what_the_vendor_said_but_does_not_take_back_is_left_out() -> None:
    said = Turn("assistant", (Thinking("cut off", ""), Text(""), ToolUse("t1", "weather", {})))

    assert encoded(conversation(says("a"), said, Turn("assistant", (Text(""),), plain=True)))["messages"] == [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "weather", "input": {}}]},
    ]


def test_a_count_names_no_limit_and_no_sampling() -> None:
    told = conversation(sampling=Sampling(max_tokens=9, temperature=0.5), system="Be brief.", tools=(WEATHER,))

    body = orjson.loads(encode_count(told, CLAUDE))

    assert list(body) == ["model", "tools", "system", "messages"]


def test_a_default_spelled_out_is_no_sampling() -> None:
    told = conversation(sampling=Sampling(max_tokens=9, temperature=1.0, top_p=1.0))

    body = orjson.loads(encode_request(told, CATALOG.get("claude-opus-4-7"), stream=False))

    assert list(body) == ["model", "max_tokens", "messages"]

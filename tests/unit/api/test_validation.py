"""What is wrong with a body, said by declared names and indexes only."""

from typing import Any

import orjson
import pytest
from pydantic import JsonValue

from api.anthropic import translate as anthropic
from api.anthropic.schemas import FIELDS
from api.content.known_fields import KNOWN_FIELDS
from api.manage.schemas import CreateKeyRequest
from api.native import translate as native
from api.native.schemas import ChatRequest
from api.validation import read_object
from gateway.conversation import Document, Image, SearchResult, Text, Thinking, Tool, ToolResult, ToolUse
from gateway.errors import GatewayError, TooLargeError, UnsupportedParameterError, ValidationFailedError
from gateway.nesting import MOST_CONTAINERS

SECRET = "Zachary Quillfeather"
GOOD: dict[str, Any] = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}


def user(*blocks: object) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(blocks)}]}


BAD: list[tuple[dict[str, Any], str, str | None]] = [
    ({"max_tokens": None}, "VALIDATION_FAILED", "max_tokens"),
    ({"max_tokens": "5"}, "VALIDATION_FAILED", "max_tokens"),
    ({"max_tokens": 0}, "VALIDATION_FAILED", "max_tokens"),
    ({"max_tokens": True}, "VALIDATION_FAILED", "max_tokens"),
    ({"model": None}, "VALIDATION_FAILED", "model"),
    ({"messages": []}, "VALIDATION_FAILED", "messages"),
    ({"messages": SECRET}, "VALIDATION_FAILED", "messages"),
    ({"messages": [SECRET]}, "VALIDATION_FAILED", "messages[0]"),
    ({"messages": [{"role": SECRET, "content": "x"}]}, "VALIDATION_FAILED", "messages[0].role"),
    ({"messages": [{"role": "user"}]}, "VALIDATION_FAILED", "messages[0].content"),
    ({"messages": [{"role": "user", "content": 5}]}, "VALIDATION_FAILED", "messages[0].content"),
    ({"messages": [{"role": "user", "content": {SECRET: 5}}]}, "VALIDATION_FAILED", "messages[0].content"),
    (user(SECRET), "VALIDATION_FAILED", "messages[0].content[0]"),
    (user({"type": "text"}), "VALIDATION_FAILED", "messages[0].content[0].text"),
    (user({"type": "text", "text": 5}), "VALIDATION_FAILED", "messages[0].content[0].text"),
    (user({"type": "text", "text": "x", SECRET: 1}), "UNSUPPORTED_PARAMETER", "messages[0].content[0]"),
    (
        user({"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": SECRET}}),
        "VALIDATION_FAILED",
        "messages[0].content[0].cache_control.ttl",
    ),
    (user({"text": "x"}), "VALIDATION_FAILED", "messages[0].content[0]"),
    (user({"type": SECRET}), "VALIDATION_FAILED", "messages[0].content[0].type"),
    (user({"type": "server_tool_use", "id": "x"}), "FEATURE_NOT_HIPAA_ELIGIBLE", "messages[0].content[0].type"),
    (
        user({"type": "image", "source": {"type": "file", "file_id": "x"}}),
        "FEATURE_NOT_HIPAA_ELIGIBLE",
        "messages[0].content[0].source.type",
    ),
    (
        user({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "%%"}}),
        "VALIDATION_FAILED",
        "messages[0].content[0].source.data",
    ),
    (
        user({"type": "tool_result", "tool_use_id": "x", "content": [{"type": "text"}]}),
        "VALIDATION_FAILED",
        "messages[0].content[0].content[0].text",
    ),
    ({"system": [{"type": "text", "text": 1}]}, "VALIDATION_FAILED", "system[0].text"),
    ({"temperature": 1.5}, "VALIDATION_FAILED", "temperature"),
    ({"stop_sequences": [1]}, "VALIDATION_FAILED", "stop_sequences[0]"),
    ({"stop_sequences": [""]}, "VALIDATION_FAILED", "stop_sequences[0]"),
    ({"metadata": {SECRET: 1}}, "UNSUPPORTED_PARAMETER", "metadata"),
    ({"metadata": {"maria_lopez": 1}}, "UNSUPPORTED_PARAMETER", "metadata"),
    ({"messages": [{"role": "user", "content": "x", "name": "y"}]}, "UNSUPPORTED_PARAMETER", "messages[0].name"),
    ({"tools": [{"name": "x", "input_schema": {}, "function": {}}]}, "UNSUPPORTED_PARAMETER", "tools[0].function"),
    ({"tool_choice": {"type": "tool"}}, "VALIDATION_FAILED", "tool_choice.name"),
    ({"thinking": {"type": "enabled"}}, "VALIDATION_FAILED", "thinking.budget_tokens"),
    ({"tools": [{"name": "x y", "input_schema": {}}]}, "VALIDATION_FAILED", "tools[0].name"),
    ({"tools": [{"name": "x"}]}, "VALIDATION_FAILED", "tools[0].input_schema"),
    ({"tools": [{"type": "web_search_20250305"}]}, "FEATURE_NOT_HIPAA_ELIGIBLE", "tools[0].type"),
    ({"tools": [{"type": "bash_20241022", "name": "bash"}]}, "UNSUPPORTED_PARAMETER", "tools[0].type"),
    ({"tools": [{"type": "bash_20250124", "name": "sh"}]}, "VALIDATION_FAILED", "tools[0].name"),
    ({"tools": [{"type": "bash_20250124", "name": "bash", SECRET: 1}]}, "UNSUPPORTED_PARAMETER", "tools[0]"),
    (
        {"tools": [{"type": "memory_20250818", "name": "memory", "defer_loading": True}]},
        "VALIDATION_FAILED",
        "tools[0].defer_loading",
    ),
    ({"tools": [{"type": "computer_20250124", "name": "computer"}]}, "FEATURE_NOT_HIPAA_ELIGIBLE", "tools[0].type"),
    ({"tools": [{"type": ["bash_20250124"], "name": "bash"}]}, "VALIDATION_FAILED", "tools[0].type"),
    ({"tools": [{"type": SECRET}]}, "VALIDATION_FAILED", "tools[0].type"),
    ({"container": {"id": "x"}}, "FEATURE_NOT_HIPAA_ELIGIBLE", "container"),
    ({"mcp_servers": []}, "FEATURE_NOT_HIPAA_ELIGIBLE", "mcp_servers"),
    ({"inference_geo": SECRET}, "VALIDATION_FAILED", "inference_geo"),
    ({"user_profile_id": "up_1"}, "UNSUPPORTED_PARAMETER", "user_profile_id"),
    ({"store": None}, "UNSUPPORTED_PARAMETER", "store"),
    ({"conversation_id": "x"}, "UNSUPPORTED_PARAMETER", "conversation_id"),
    ({"seed": 1}, "UNSUPPORTED_PARAMETER", "seed"),
    ({SECRET: 1}, "UNSUPPORTED_PARAMETER", None),
    ({"maria_lopez": 1}, "UNSUPPORTED_PARAMETER", None),
    ({"rosa": 1}, "UNSUPPORTED_PARAMETER", None),
    ({"219-09-9999": 1}, "UNSUPPORTED_PARAMETER", None),
]


@pytest.mark.parametrize(("change", "code", "param"), BAD)
def test_a_bad_messages_body_is_named_by_its_field(change: dict[str, Any], code: str, param: str | None) -> None:
    with pytest.raises(GatewayError) as raised:
        anthropic.create_message(orjson.dumps(GOOD | change))

    assert (raised.value.code, raised.value.param) == (code, param)
    assert not any(name in raised.value.text for name in (SECRET, "maria", "rosa"))
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "message"),
        ({"message": "x", "messages": [{"role": "user", "content": "x"}]}, "messages"),
        ({"message": ""}, "message"),
        ({"message": 5}, "message"),
        ({"message": "x", "seed": 1}, "seed"),
        ({"message": "x", "maria_lopez": 1}, None),
        ({"message": "x", "stop_sequences": ["a", ""]}, "stop_sequences[1]"),
        ({"message": "x", "tools": [{"type": "bash_20241022", "name": "bash"}]}, "tools[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "tool_reference"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "hologram"}]}]}, "messages[0].content[0].type"),
        ({"message": "x", SECRET: 1}, None),
        ({"message": "x", "stream": "yes"}, "stream"),
        ({"message": "x", "store": 1}, "store"),
        ({"message": "x", "max_tokens": -1}, "max_tokens"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
    ],
)
def test_a_bad_chat_body_is_named_by_its_field(body: dict[str, Any], param: str | None) -> None:
    with pytest.raises(GatewayError) as raised:
        native.chat(orjson.dumps(body))

    assert (raised.value.code, raised.value.param) == ("VALIDATION_FAILED", param)
    assert SECRET not in raised.value.text


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"{", b"\xff", b'{"model": "\\ud800"}', b'{"a":' * 2000 + b"1" + b"}" * 2000, b"{} {}"],
)
def test_what_is_no_json_object_is_said_to_be_none(body: bytes) -> None:
    for parse in (anthropic.create_message, anthropic.count_tokens, native.chat):
        with pytest.raises(ValidationFailedError, match="must be a JSON object"):
            parse(body)


def of_depth(levels: int) -> bytes:
    """A body whose tool's schema reaches down to `levels`, objects and lists in turns."""
    pairs = (levels - 4) // 2
    schema = b'{"x":[' * pairs + b"{}" * (levels % 2) + b"]}" * pairs
    body = orjson.dumps(GOOD | {"tools": [{"name": "f", "input_schema": {"x": 0}}]})
    return body.replace(b'{"x":0}', b'{"x":%b}' % schema)


def test_a_body_of_a_hundred_levels_is_taken() -> None:
    tool = anthropic.create_message(of_depth(100)).conversation.tools[0]

    assert isinstance(tool, Tool)
    assert str(tool.schema).count("{") + str(tool.schema).count("[") == 97


@pytest.mark.parametrize("levels", [101, 102, 501, 960, 1014])
def test_a_body_beyond_a_hundred_levels_is_refused_before_anything_walks_it(levels: int) -> None:
    for parse in (anthropic.create_message, native.chat):
        with pytest.raises(ValidationFailedError, match="more than 100 levels deep"):
            parse(of_depth(levels))


def test_wide_is_not_deep() -> None:
    wide: list[JsonValue] = [{"x": [{}]}] * 500

    anthropic.create_message(orjson.dumps(GOOD | {"tools": [{"name": "f", "input_schema": {"enum": wide}}]}))


def test_what_counting_tokens_cannot_use_is_named() -> None:
    with pytest.raises(UnsupportedParameterError) as raised:
        anthropic.count_tokens(orjson.dumps(GOOD))

    assert raised.value.param == "max_tokens"


def test_every_declared_field_may_be_named() -> None:
    declared = {*FIELDS, *ChatRequest.model_fields, *CreateKeyRequest.model_fields}

    assert declared <= KNOWN_FIELDS


def test_null_is_as_absent_for_every_published_field() -> None:
    parsed = anthropic.create_message(orjson.dumps(dict.fromkeys(FIELDS) | GOOD))

    assert parsed == anthropic.create_message(orjson.dumps(GOOD))


def test_every_block_kind_reaches_the_conversation() -> None:
    cached = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    parsed = anthropic.create_message(
        orjson.dumps(
            GOOD
            | {
                "messages": [
                    {
                        "role": "assistant",
                        "content": [
                            {"type": "thinking", "thinking": "t", "signature": "s"},
                            {"type": "tool_use", "id": "1", "name": "f", "input": {"a": 1}, "caller": None},
                        ],
                    },
                    {
                        "role": "user",
                        "content": [
                            {"type": "tool_result", "tool_use_id": "1", "content": "done", "is_error": True},
                            {"type": "text", "text": "x", "citations": None, **cached},
                            {"type": "image", "source": {"type": "url", "url": "https://x.example/y.png"}},
                            {
                                "type": "document",
                                "title": "T",
                                "source": {"type": "content", "content": [{"type": "text", "text": "d"}]},
                                "citations": {"enabled": True},
                            },
                            {
                                "type": "search_result",
                                "source": "s",
                                "title": "t",
                                "content": [{"type": "text", "text": "r"}],
                            },
                        ],
                    },
                ]
            }
        )
    )

    first, second = parsed.conversation.turns
    assert list(map(type, first.blocks)) == [Thinking, ToolUse]
    assert list(map(type, second.blocks)) == [ToolResult, Text, Image, Document, SearchResult]
    result, text, _, document, _ = second.blocks
    assert isinstance(result, ToolResult)
    assert (result.plain, result.is_error, result.content) == (True, True, (Text("done"),))
    assert isinstance(text, Text)
    assert text.cache
    assert text.cache.ttl == "1h"
    assert isinstance(document, Document)
    assert (document.blocks, document.citations_enabled) == ((Text("d"),), True)


@pytest.mark.parametrize(
    "number", ["18446744073709551616", "-9223372036854775809", "1" + "0" * 30, "-" + "9" * 200, "9" * 20]
)
def test_an_integer_that_would_not_arrive_as_it_was_sent_is_refused(number: str) -> None:
    with pytest.raises(ValidationFailedError) as raised:
        read_object(b'{"tools": [{"input_schema": {"maximum": %b}}]}' % number.encode())

    assert "64 bits" in str(raised.value)
    assert number not in str(raised.value)


@pytest.mark.parametrize(
    "number",
    ["9007199254740993", "18446744073709551615", "-9223372036854775808", "0.1234567890123456789012", "1.0", "-0.0"],
)
def test_a_number_of_64_bits_arrives_as_it_was_sent(number: str) -> None:
    read = read_object(b'{"n": %b, "id": "12345678901234567890123"}' % number.encode())

    assert repr(read["n"]) == repr(float(number) if "." in number else int(number))
    assert read["id"] == "12345678901234567890123"


def test_more_objects_than_anybody_reads_are_refused_before_they_are_looked_at() -> None:
    with pytest.raises(TooLargeError):
        read_object(b'{"input": [' + b",".join([b"{}"] * MOST_CONTAINERS) + b"]}")


def test_brackets_in_texts_are_no_objects() -> None:
    assert read_object(b'{"input": "%b"}' % (b"{" * (MOST_CONTAINERS + 1)))

from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any

import orjson
import pytest

from gateway.catalog import Ability
from gateway.conversation import (
    CacheControl,
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
from gateway.providers.openai import reasoning
from gateway.providers.openai.encode import encode_request
from tests.unit.providers.cases import GPT, WEATHER, conversation, says, tool_loop

ITEM: dict[str, Any] = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "First.\n\nStill."}, {"type": "summary_text", "text": "Second."}],
    "encrypted_content": "b3BhcXVl",
}


def encoded(told: Conversation) -> dict[str, Any]:
    return orjson.loads(encode_request(told, GPT, stream=False))


def items(*turns: Turn) -> list[dict[str, Any]]:
    return encoded(conversation(*turns))["input"]


def with_sampling(**fields: Any) -> dict[str, Any]:
    return encoded(conversation(sampling=Sampling(max_tokens=9, **fields)))


def test_nothing_is_ever_stored_at_the_vendor() -> None:
    assert encode_request(conversation(says("Hi")), GPT, stream=True) == (
        b'{"model":"gpt-5.4","store":false,"max_output_tokens":1024,"stream":true,'
        b'"include":["reasoning.encrypted_content"],"input":[{"role":"user","content":"Hi"}]}'
    )


def test_a_limit_below_the_vendors_least_is_its_least() -> None:
    assert encoded(conversation(sampling=Sampling(max_tokens=1)))["max_output_tokens"] == 16


def test_a_model_that_does_not_reason_is_not_asked_for_reasoning() -> None:
    plain = GPT.model_copy(update={"abilities": frozenset({Ability.SAMPLING})})

    body = orjson.loads(encode_request(conversation(sampling=Sampling(9, temperature=0.5)), plain, stream=False))

    assert "include" not in body
    assert body["temperature"] == 0.5


def test_an_id_of_a_call_that_is_too_long_for_the_vendor_is_sent_shorter() -> None:
    long = "x" * 256
    loop = (Turn("assistant", (ToolUse(long, "weather", {}),)), Turn("user", (ToolResult(long, (), plain=True),)))

    called, answered = items(*loop)

    assert called["call_id"] == answered["call_id"]
    assert len(called["call_id"]) <= 64


def test_a_tool_loop_becomes_items() -> None:
    assert items(*tool_loop()) == [
        {"role": "user", "content": "Weather in Oslo?"},
        {"role": "assistant", "content": [{"type": "output_text", "text": "Let me look."}]},
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"city":"Oslo","days":1}'},
        {"type": "function_call_output", "call_id": "call_1", "output": "Rain"},
    ]


def test_a_longer_conversation_starts_with_the_bytes_of_the_shorter() -> None:
    turns = tool_loop()
    shorter = encode_request(conversation(turns[0], system="Be brief.", tools=(WEATHER,)), GPT, stream=True)
    longer = encode_request(conversation(*turns, system="Be brief.", tools=(WEATHER,)), GPT, stream=True)

    assert longer.startswith(shorter.removesuffix(b"]}"))


def test_every_setting_has_its_place() -> None:
    told = Conversation(
        turns=(says("Hi"),),
        sampling=Sampling(
            max_tokens=90,
            thinking=ThinkingConfig("adaptive"),
            effort="high",
            output_schema={"type": "object"},
            service_tier="standard_only",
        ),
        system=(Text("One.", cache=CacheControl()), Text("Two.")),
        tools=(Tool("weather", {"type": "object"}, strict=True, cache=CacheControl()), WEATHER),
        tool_choice=ToolChoice("tool", name="weather", disable_parallel=True),
        end_user="user_1",
        cache=CacheControl(),
    )

    assert encoded(told) == {
        "model": "gpt-5.4",
        "store": False,
        "max_output_tokens": 90,
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"effort": "high", "summary": "auto"},
        "text": {"format": {"type": "json_schema", "name": "answer", "schema": {"type": "object"}, "strict": True}},
        "service_tier": "default",
        "safety_identifier": sha256(b"user_1").hexdigest(),
        "tool_choice": {"type": "function", "name": "weather"},
        "parallel_tool_calls": False,
        "tools": [
            {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": True},
            {
                "type": "function",
                "name": "weather",
                "description": "The weather of a city.",
                "parameters": dict(WEATHER.schema),
                "strict": False,
            },
        ],
        "instructions": "One.\n\nTwo.",
        "input": [{"role": "user", "content": "Hi"}],
    }


@pytest.mark.parametrize(("choice", "word"), [("auto", "auto"), ("any", "required"), ("none", "none")])
def test_tool_choices_have_this_vendor_s_words(choice: Any, word: str) -> None:
    told = Conversation(turns=(says("Hi"),), sampling=Sampling(9), tool_choice=ToolChoice(choice))

    assert encoded(told)["tool_choice"] == word


def test_thinking_becomes_effort_and_summary() -> None:
    assert with_sampling(effort="low")["reasoning"] == {"effort": "low"}
    assert with_sampling(thinking=ThinkingConfig("disabled"))["reasoning"] == {"effort": "none"}
    assert with_sampling(thinking=ThinkingConfig("enabled"))["reasoning"] == {"summary": "auto"}
    assert "reasoning" not in with_sampling(thinking=ThinkingConfig("adaptive", display="omitted"))


def test_every_part_is_sent() -> None:
    turn = Turn(
        "user",
        (
            Text("Look"),
            Image("image/jpeg", "aGk=", None),
            Image(None, None, "https://example.org/a.png"),
            Document(text="Note", title="T", context="C"),
            Document(blocks=(Text("in"),)),
            Document(media_type="application/pdf", data="aGk="),
            Document(url="https://example.org/a.pdf"),
            SearchResult("src", "Title", (Text("found"),)),
        ),
    )

    assert items(turn) == [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Look"},
                {"type": "input_image", "image_url": "data:image/jpeg;base64,aGk=", "detail": "auto"},
                {"type": "input_image", "image_url": "https://example.org/a.png", "detail": "auto"},
                {"type": "input_text", "text": "T"},
                {"type": "input_text", "text": "C"},
                {"type": "input_text", "text": "Note"},
                {"type": "input_text", "text": "in"},
                {"type": "input_file", "filename": "document.pdf", "file_data": "data:application/pdf;base64,aGk="},
                {"type": "input_file", "file_url": "https://example.org/a.pdf"},
                {"type": "input_text", "text": "Title\nsrc"},
                {"type": "input_text", "text": "found"},
            ],
        }
    ]


def test_a_tool_that_failed_says_so_in_its_output() -> None:
    *asked, _ = tool_loop()
    failed = Turn("user", (ToolResult("call_1", (Text("No"),), is_error=True, plain=True), Text("So?")))

    assert items(*asked, failed)[-2:] == [
        {
            "type": "function_call_output",
            "call_id": "call_1",
            "output": [{"type": "input_text", "text": "The tool failed:"}, {"type": "input_text", "text": "No"}],
        },
        {"role": "user", "content": [{"type": "input_text", "text": "So?"}]},
    ]


def test_a_rule_in_mid_conversation_is_the_developer_s() -> None:
    assert items(Turn("system", (Text("Rule"),), plain=True)) == [{"role": "developer", "content": "Rule"}]


def test_reasoning_goes_back_as_it_came() -> None:
    thinking = Thinking(reasoning.summary_of(ITEM), reasoning.pack(ITEM))

    assert thinking.thinking == "First.\n\nStill.\n\nSecond."
    assert items(Turn("assistant", (thinking,))) == [ITEM]


def test_reasoning_whose_text_changed_goes_back_as_one_part() -> None:
    thinking = Thinking("Anything", reasoning.pack(ITEM))

    assert items(Turn("assistant", (thinking,)))[0]["summary"] == [{"type": "summary_text", "text": "Anything"}]


@pytest.mark.parametrize("parts", [None, "x", ["x"], [99], [-1]])
def test_a_signature_of_strange_lengths_means_one_part(parts: Any) -> None:
    packed = orjson.dumps({"id": "rs_1", "encrypted_content": "b3BhcXVl", "parts": parts})
    thinking = Thinking("Anything", "openai." + urlsafe_b64encode(packed).decode())

    assert items(Turn("assistant", (thinking,)))[0]["summary"] == [{"type": "summary_text", "text": "Anything"}]


@pytest.mark.parametrize(
    "block",
    [
        Thinking("Hm", "another vendor's"),
        Thinking("Hm", "openai.not base64!"),
        Thinking("Hm", "openai.e30"),
        Thinking("Hm", "openai.W10"),
        Thinking("", reasoning.pack(ITEM | {"encrypted_content": None})),
        RedactedThinking("data"),
    ],
)
def test_reasoning_the_vendor_could_not_read_is_left_out(block: Thinking | RedactedThinking) -> None:
    assert items(Turn("assistant", (block, Text("So")))) == [
        {"role": "assistant", "content": [{"type": "output_text", "text": "So"}]}
    ]

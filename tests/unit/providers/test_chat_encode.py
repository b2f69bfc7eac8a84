from hashlib import sha256
from itertools import pairwise
from typing import Any

import orjson
import pytest

from gateway.catalog import Ability
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
from gateway.errors import ValidationFailedError
from gateway.providers.chat.encode import encode_request
from tests.unit.providers.cases import WEATHER, conversation, says, tool_loop
from tests.unit.providers.chat import QWEN

PICTURE = Image("image/jpeg", "aGk=", None)
SHOWN = {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,aGk="}}


def encoded(told: Conversation) -> dict[str, Any]:
    return orjson.loads(encode_request(told, QWEN, stream=False))


def messages(*turns: Turn) -> list[dict[str, Any]]:
    return encoded(conversation(*turns))["messages"]


def with_sampling(**fields: Any) -> dict[str, Any]:
    return encoded(conversation(sampling=Sampling(max_tokens=9, **fields)))


def with_tools(*tools: Tool | ClientTool, choice: ToolChoice | None = None) -> dict[str, Any]:
    return encoded(Conversation((says("Hi"),), Sampling(9), tools=tools, tool_choice=choice))


def test_a_stream_asks_for_its_usage() -> None:
    assert encode_request(conversation(says("Hi")), QWEN, stream=True) == (
        b'{"model":"Qwen/Qwen3-8B","stream":true,"stream_options":{"include_usage":true},"max_tokens":1024,'
        b'"messages":[{"role":"user","content":"Hi"}]}'
    )


def test_a_tool_loop_becomes_messages() -> None:
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"city":"Oslo","days":1}'},
    }

    assert messages(*tool_loop()) == [
        {"role": "user", "content": "Weather in Oslo?"},
        {"role": "assistant", "content": "Let me look.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "Rain"},
    ]


def test_a_longer_conversation_starts_with_the_bytes_of_the_shorter() -> None:
    shown = Turn("user", (Text("And?"), ToolResult("call_2", (PICTURE,))))
    turns = (
        *tool_loop(),
        Turn("assistant", (Thinking("Hm", ""), ToolUse("call_2", "weather", {}))),
        shown,
        Turn("assistant", (Text("Rain."),)),
        says("Thanks"),
        Turn("system", (Text("Rule"),)),
    )
    bodies = [
        encode_request(conversation(*turns[:size], system="Be brief.", tools=(WEATHER,)), QWEN, stream=True)
        for size in (1, 3, 5, 8)
    ]

    for shorter, longer in pairwise(bodies):
        assert longer.startswith(shorter.removesuffix(b"]}") + b",")


def test_every_setting_has_its_place() -> None:
    told = Conversation(
        turns=(says("Hi"),),
        sampling=Sampling(
            max_tokens=9,
            temperature=0.5,
            top_p=0.9,
            top_k=40,
            stop_sequences=("END", "STOP"),
            thinking=ThinkingConfig("adaptive"),
            effort="high",
            output_schema={"type": "object"},
        ),
        system=(Text("One.", cache=CacheControl()), Text("Two.")),
        tools=(Tool("clock", {"type": "object"}, strict=True, cache=CacheControl()), WEATHER),
        tool_choice=ToolChoice("any", disable_parallel=True),
        end_user="user_1",
        cache=CacheControl(),
    )

    assert encoded(told) == {
        "model": "Qwen/Qwen3-8B",
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 40,
        "stop": ["END", "STOP"],
        "reasoning_effort": "high",
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": True},
        },
        "user": sha256(b"user_1").hexdigest(),
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "tools": [
            {"type": "function", "function": {"name": "clock", "parameters": {"type": "object"}, "strict": True}},
            {
                "type": "function",
                "function": {
                    "name": "weather",
                    "description": "The weather of a city.",
                    "parameters": dict(WEATHER.schema),
                },
            },
        ],
        "messages": [{"role": "system", "content": "One.\n\nTwo."}, {"role": "user", "content": "Hi"}],
    }


@pytest.mark.parametrize(("choice", "word"), [("auto", "auto"), ("any", "required"), ("none", "none")])
def test_tool_choices_have_this_dialect_s_words(choice: Any, word: str) -> None:
    body = with_tools(WEATHER, choice=ToolChoice(choice, disable_parallel=False))

    assert body["tool_choice"] == word
    assert body["parallel_tool_calls"] is True


def test_a_tool_that_must_be_called_is_the_only_one_offered() -> None:
    body = with_tools(Tool("clock", {"type": "object"}), WEATHER, choice=ToolChoice("tool", name="weather"))

    assert body["tool_choice"] == "required"
    assert [tool["function"]["name"] for tool in body["tools"]] == ["weather"]


def test_an_answer_that_was_begun_is_gone_on_with() -> None:
    begun = encoded(conversation(says("Hi"), Turn("assistant", (Text("The answer"),), plain=True)))

    assert (begun["continue_final_message"], begun["add_generation_prompt"]) == (True, False)
    assert begun["messages"][-1] == {"role": "assistant", "content": "The answer"}
    assert "continue_final_message" not in encoded(conversation(*tool_loop()[:2]))
    assert "continue_final_message" not in encoded(conversation(says("Hi")))


def test_a_tool_s_examples_go_with_its_schema() -> None:
    tool = Tool("weather", {"type": "object", "examples": [{"city": "Rome"}]}, examples=({"city": "Oslo"},))
    plain = Tool("weather", {"type": "object"}, examples=({"city": "Oslo"},))

    first, second = with_tools(tool, plain)["tools"]

    assert first["function"]["parameters"] == {"type": "object", "examples": [{"city": "Rome"}, {"city": "Oslo"}]}
    assert second["function"]["parameters"] == {"type": "object", "examples": [{"city": "Oslo"}]}


def test_thinking_is_said_as_effort_only() -> None:
    assert "reasoning_effort" not in with_sampling(thinking=ThinkingConfig("adaptive"))
    assert with_sampling(thinking=ThinkingConfig("adaptive"), effort="low")["reasoning_effort"] == "low"


def test_thinking_is_switched_off_in_a_model_that_can_be() -> None:
    assert with_sampling(thinking=ThinkingConfig("disabled"))["reasoning_effort"] == "none"


def test_a_tier_is_named_to_a_server_that_has_tiers() -> None:
    tiered = QWEN.model_copy(update={"abilities": frozenset(Ability)})
    told = conversation(sampling=Sampling(9, service_tier="standard_only"))

    assert orjson.loads(encode_request(told, tiered, stream=False))["service_tier"] == "default"
    assert "service_tier" not in encoded(told)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"thinking": ThinkingConfig("enabled", budget_tokens=2048)}, "thinking.budget_tokens"),
        ({"inference_geo": "eu"}, "inference_geo"),
    ],
)
def test_a_setting_without_a_word_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(ValidationFailedError) as raised:
        with_sampling(**fields)

    assert raised.value.param == param


def test_a_tool_that_another_vendor_defines_is_refused() -> None:
    with pytest.raises(ValidationFailedError) as raised:
        with_tools(ClientTool("bash_20250124", "bash"))

    assert raised.value.param == "tools"


def test_text_of_any_source_is_one_string() -> None:
    turn = Turn(
        "user",
        (
            Text("Look"),
            Document(text="Note", title="T", context="C"),
            Document(blocks=(Text("in"),), title="U"),
            SearchResult("src", "Title", (Text("found"),)),
        ),
    )

    assert messages(turn) == [{"role": "user", "content": "Look\n\nT\n\nC\n\nNote\n\nU\n\nin\n\nTitle\nsrc\n\nfound"}]


def test_images_stand_between_texts() -> None:
    turn = Turn("user", (Text("Look"), PICTURE, Document(blocks=(Image(None, None, "https://example.org/a.png"),))))

    assert messages(turn) == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look"},
                SHOWN,
                {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
            ],
        }
    ]


def test_results_come_before_what_the_user_says() -> None:
    results = (
        Text("So?"),
        ToolResult("call_1", (Text("Rain"), Text("Cold")), cache=CacheControl()),
        ToolResult("call_2", (), plain=True),
        Text("Well?"),
    )

    assert messages(Turn("user", results)) == [
        {"role": "tool", "tool_call_id": "call_1", "content": "Rain\n\nCold"},
        {"role": "tool", "tool_call_id": "call_2", "content": ""},
        {"role": "user", "content": "So?\n\nWell?"},
    ]


def test_a_tool_that_failed_says_so_in_its_result() -> None:
    failed = Turn("user", (ToolResult("call_1", (Text("No"),), is_error=True, plain=True),))

    assert messages(failed) == [{"role": "tool", "tool_call_id": "call_1", "content": "The tool failed:\n\nNo"}]


def test_images_of_a_result_follow_in_a_message_that_names_the_call() -> None:
    results = (ToolResult("call_1", (Text("Seen"), PICTURE)), ToolResult("call_2", (PICTURE,)), Text("So?"))

    assert messages(Turn("user", results)) == [
        {
            "role": "tool",
            "tool_call_id": "call_1",
            "content": "Seen\n\nImages are in the message after the results.",
        },
        {"role": "tool", "tool_call_id": "call_2", "content": "Images are in the message after the results."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Images of the result of call call_1:"},
                SHOWN,
                {"type": "text", "text": "Images of the result of call call_2:"},
                SHOWN,
                {"type": "text", "text": "So?"},
            ],
        },
    ]


def test_earlier_reasoning_is_not_sent_back() -> None:
    thought = Turn("assistant", (Thinking("Hm", ""), RedactedThinking("data"), Text("So"), Text(" it is.")))
    only_thought = Turn("assistant", (Thinking("Hm", ""),))

    assert messages(thought) == [{"role": "assistant", "content": "So it is."}]
    assert messages(only_thought) == [{"role": "assistant", "content": ""}]


def test_a_turn_of_calls_alone_has_no_content() -> None:
    (said,) = messages(Turn("assistant", (ToolUse("a", "weather", {}), ToolUse("b", "weather", {"city": "Oslo"}))))

    assert said["content"] is None
    assert [(each["id"], each["function"]["arguments"]) for each in said["tool_calls"]] == [
        ("a", "{}"),
        ("b", '{"city":"Oslo"}'),
    ]


def test_there_is_one_system_message_at_the_beginning() -> None:
    rules = (Turn("system", (Text("Rule"),), plain=True), Turn("system", (Text("And"), Text("more"))))

    assert encoded(conversation(*rules, says("Hi"), system="First"))["messages"] == [
        {"role": "system", "content": "First\n\nRule\n\nAnd\n\nmore"},
        {"role": "user", "content": "Hi"},
    ]


def test_a_rule_in_mid_conversation_is_said_where_it_stands() -> None:
    assert messages(says("Hi"), Turn("system", (Text("Rule"),), plain=True), says("So?")) == [
        {"role": "user", "content": "Hi\n\n<system>\nRule\n</system>\n\nSo?"}
    ]


def test_turns_of_one_speaker_are_one_message() -> None:
    turns = (
        says("One"),
        says("Two"),
        Turn("assistant", (Text("Three"),), plain=True),
        Turn("assistant", (Text("Four"), ToolUse("a", "weather", {}))),
        says("Five"),
        Turn("user", (ToolResult("a", (Text("Rain"),), plain=True),)),
    )

    asked, answered, result, said = messages(*turns)

    assert asked == {"role": "user", "content": "One\n\nTwo"}
    assert (answered["content"], len(answered["tool_calls"])) == ("Three\n\nFour", 1)
    assert result == {"role": "tool", "tool_call_id": "a", "content": "Rain"}
    assert said == {"role": "user", "content": "Five"}


def test_an_empty_text_leaves_no_gap() -> None:
    assert messages(Turn("user", (Text(""), Text("Hi"), Text("")))) == [{"role": "user", "content": "Hi"}]


def test_nothing_said_is_an_empty_message() -> None:
    assert messages(Turn("user", ())) == [{"role": "user", "content": ""}]


@pytest.mark.parametrize(
    ("turn", "param"),
    [
        (Turn("user", (Document(media_type="application/pdf", data="aGk="),)), "messages"),
        (Turn("user", (Document(url="https://example.org/a.pdf"),)), "messages"),
        (Turn("user", (ToolResult("call_1", (Document(data="aGk="),)),)), "messages"),
        (Turn("user", (Document(text="Note", citations_enabled=True),)), "citations"),
        (Turn("user", (SearchResult("src", "Title", (), citations_enabled=True),)), "citations"),
        (Turn("assistant", (PICTURE,)), "messages"),
        (Turn("system", (PICTURE,)), "messages"),
        (Turn("user", (ToolUse("call_1", "weather", {}),)), "messages"),
    ],
)
def test_a_part_without_a_place_is_refused_and_never_dropped(turn: Turn, param: str) -> None:
    with pytest.raises(ValidationFailedError) as raised:
        messages(turn)

    assert raised.value.param == param

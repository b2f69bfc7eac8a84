"""Chat Completions as OpenAI and vLLM send them."""

from collections.abc import Iterator
from typing import Any

import openai
import orjson
import pytest
from openai.types.chat import ChatCompletionChunk

from tests.upstream import SandboxServer

SCHEMA: dict[str, object] = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
TOOL: Any = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
CALLS: Any = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {"id": name, "type": "function", "function": {"name": "weather", "arguments": "{}"}} for name in ("c1", "c2")
    ],
}
USER: Any = {"role": "user", "content": "Hi"}


@pytest.fixture
def gpt(sandbox_server: SandboxServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{sandbox_server.url}/v1", api_key="any", max_retries=0) as client:
        yield client


def chunks(gpt: openai.OpenAI, text: str, **more: Any) -> list[ChatCompletionChunk]:
    return list(
        gpt.chat.completions.create(model="m", messages=[{"role": "user", "content": text}], stream=True, **more)
    )


def result(name: str, text: str = "sunny") -> dict[str, str]:
    return {"role": "tool", "tool_call_id": name, "content": text}


def test_parallel_calls_are_told_apart_by_index(gpt: openai.OpenAI) -> None:
    told = chunks(gpt, "[[sandbox: tool=weather; tools=2; chunk=5]] Oslo", tools=[TOOL])
    deltas = [call for chunk in told for choice in chunk.choices for call in choice.delta.tool_calls or ()]

    openings = [delta for delta in deltas if delta.id]
    assert [delta.index for delta in openings] == [0, 1]
    assert len({delta.id for delta in openings}) == 2
    assert [delta.function and (delta.function.name, delta.function.arguments) for delta in openings] == [
        ("weather", "")
    ] * 2
    for index in (0, 1):
        pieces = [delta.function.arguments or "" for delta in deltas if delta.index == index and delta.function]
        assert len(pieces) > 2
        assert orjson.loads("".join(pieces)) == {"city": "Oslo", "days": 1}
    assert told[-1].choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize(
    ("directive", "fields"),
    [
        ("", {"reasoning_content"}),
        ("; reasoning=reasoning", {"reasoning"}),
        ("; reasoning=both", {"reasoning_content", "reasoning"}),
        ("; reasoning=hidden", set[str]()),
    ],
)
def test_reasoning_is_in_the_field_asked_for(gpt: openai.OpenAI, directive: str, fields: set[str]) -> None:
    text = f"[[sandbox: thinking=on{directive}]] Hi"
    told = chunks(gpt, text, stream_options={"include_usage": True})
    deltas = [choice.delta.to_dict() for chunk in told for choice in chunk.choices]
    plain = gpt.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
    message = plain.choices[0].message.to_dict()

    for name in ("reasoning_content", "reasoning"):
        streamed = "".join(str(delta.get(name, "")) for delta in deltas)
        assert bool(streamed) == (name in fields)
        assert streamed == message.get(name, "")
    assert message["content"] == "".join(str(delta.get("content") or "") for delta in deltas) == "Echo: Hi"
    for usage in (plain.usage, told[-1].usage):
        assert usage is not None
        assert usage.completion_tokens_details is not None
        assert usage.completion_tokens_details.reasoning_tokens == 12


def test_usage_comes_last_and_only_when_asked_for(gpt: openai.OpenAI) -> None:
    with_usage = chunks(gpt, "[[sandbox: cache=on]] Hi", stream_options={"include_usage": True})

    assert [bool(chunk.usage) for chunk in with_usage] == [False] * (len(with_usage) - 1) + [True]
    assert with_usage[-1].choices == []
    usage = with_usage[-1].usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    assert usage.prompt_tokens_details.cached_tokens == usage.prompt_tokens // 2
    assert not any("usage" in chunk.to_dict() for chunk in chunks(gpt, "Hi"))


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}, {"city": "Oslo", "days": 1}),
        ({"type": "json_object"}, {"answer": "Oslo"}),
    ],
)
def test_an_answer_has_the_form_asked_for(gpt: openai.OpenAI, wanted: Any, said: dict[str, object]) -> None:
    told = chunks(gpt, "Oslo", response_format=wanted)

    assert orjson.loads("".join(chunk.choices[0].delta.content or "" for chunk in told)) == said


def test_an_error_amid_a_stream_is_raised(gpt: openai.OpenAI) -> None:
    with pytest.raises(openai.APIError, match="sandbox"):
        chunks(gpt, "[[sandbox: error_after=2]] a b c")


def test_every_chunk_carries_the_same_id(gpt: openai.OpenAI) -> None:
    (answer_id,) = {chunk.id for chunk in chunks(gpt, "Hi there", stream_options={"include_usage": True})}

    assert answer_id.startswith("chatcmpl-")


def test_the_results_of_parallel_calls_are_answered_together(gpt: openai.OpenAI) -> None:
    turns: Any = [USER, CALLS, result("c1", "sunny"), result("c2", "rainy")]

    assert gpt.chat.completions.create(model="m", messages=turns).choices[0].message.content == "Echo: sunny\nrainy"


@pytest.mark.parametrize(
    ("turns", "words"),
    [
        ([USER, CALLS, result("c1")], "did not have response messages: c2"),
        ([USER, CALLS, USER], "did not have response messages: c1, c2"),
        ([USER, result("c1")], "must be a response to a preceeding message"),
        ([USER, CALLS, result("c1"), result("c1")], "must be a response to a preceeding message"),
        ([{"role": "user"}], "expected a string, got null"),
        ([{"role": "user", "content": 7}], "expected a string or an array"),
        ([{"role": "user", "content": [{"type": "hologram"}]}], "Invalid value: 'hologram'"),
        ([{"role": "system", "content": [{"type": "image_url"}]}], "Invalid value: 'image_url'"),
    ],
)
def test_messages_that_openai_would_not_take_are_refused(gpt: openai.OpenAI, turns: Any, words: str) -> None:
    with pytest.raises(openai.BadRequestError, match=words):
        gpt.chat.completions.create(model="m", messages=turns)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"stream_options": {"include_usage": True}}, "only allowed when 'stream' is enabled"),
        ({"tools": [{"type": "function", "function": None}]}, "tools\\[0\\].function.name"),
        ({"model": 7}, "Invalid type for 'model'"),
    ],
)
def test_settings_that_openai_would_not_take_are_refused(gpt: openai.OpenAI, more: Any, words: str) -> None:
    with pytest.raises(openai.BadRequestError, match=words):
        gpt.chat.completions.create(model="m", messages=[USER], extra_body=more)


def test_what_vllm_adds_is_taken(gpt: openai.OpenAI) -> None:
    more = {"top_k": 20, "min_p": 0.1, "chat_template_kwargs": {"enable_thinking": False}}

    assert gpt.chat.completions.create(model="m", messages=[USER], extra_body=more).choices

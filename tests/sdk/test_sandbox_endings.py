"""How answers end, and which tier served them, in each vendor's words."""

from collections.abc import Iterator
from typing import Any, Literal

import anthropic
import openai
import pytest
from anthropic.types import Message, MessageParam
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam

from tests.upstream import SandboxServer


@pytest.fixture
def claude(sandbox_server: SandboxServer) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=sandbox_server.url, api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture
def gpt(sandbox_server: SandboxServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{sandbox_server.url}/v1", api_key="any", max_retries=0) as client:
        yield client


def message(claude: anthropic.Anthropic, text: str, **more: Any) -> Message:
    asked: list[MessageParam] = [{"role": "user", "content": text}]
    return claude.messages.create(model="claude-x", max_tokens=99, messages=asked, stream=False, **more)


def completion(gpt: openai.OpenAI, text: str, **more: Any) -> ChatCompletion:
    asked: list[ChatCompletionMessageParam] = [{"role": "user", "content": text}]
    return gpt.chat.completions.create(model="gpt-x", messages=asked, stream=False, **more)


@pytest.mark.parametrize("stop", ["pause_turn", "model_context_window_exceeded", "max_tokens", "end_turn"])
def test_a_message_ends_for_the_reason_asked_for(claude: anthropic.Anthropic, stop: str) -> None:
    asked: list[MessageParam] = [{"role": "user", "content": f"[[sandbox: stop={stop}]] Hi"}]
    with claude.messages.stream(model="claude-x", max_tokens=99, messages=asked) as stream:
        streamed = stream.get_final_message()

    assert message(claude, f"[[sandbox: stop={stop}]] Hi").stop_reason == streamed.stop_reason == stop


@pytest.mark.parametrize("category", [None, "bio", "cyber"])
def test_a_refused_message_says_why(claude: anthropic.Anthropic, category: str | None) -> None:
    text = "[[sandbox: stop=refusal]] x" if category is None else f"[[sandbox: stop=refusal; category={category}]] x"
    asked: list[MessageParam] = [{"role": "user", "content": text}]
    with claude.messages.stream(model="claude-x", max_tokens=99, messages=asked) as stream:
        streamed = stream.get_final_message()

    for refused in (message(claude, text), streamed):
        assert refused.stop_reason == "refusal"
        assert refused.stop_details is not None
        assert refused.stop_details.category == category
        assert bool(refused.stop_details.explanation) == bool(category)


def test_a_response_refuses_in_a_part_of_its_own(gpt: openai.OpenAI) -> None:
    text = "[[sandbox: stop=refusal; text=I cannot.]]"
    with gpt.responses.stream(model="gpt-x", input=text) as stream:
        events = [event.type for event in stream]
        streamed = stream.get_final_response()

    for response in (gpt.responses.create(model="gpt-x", input=text), streamed):
        (item,) = response.output
        assert item.type == "message"
        assert [part.to_dict() for part in item.content] == [{"type": "refusal", "refusal": "I cannot."}]
        assert response.status == "completed"
    assert "response.refusal.delta" in events


def test_a_completion_refuses_in_a_field_of_its_own(gpt: openai.OpenAI) -> None:
    text = "[[sandbox: stop=refusal; text=I cannot.]]"
    with gpt.chat.completions.stream(model="gpt-x", messages=[{"role": "user", "content": text}]) as stream:
        streamed = stream.get_final_completion().choices[0]

    plain = completion(gpt, text).choices[0]
    assert plain.message.refusal == streamed.message.refusal == "I cannot."
    assert plain.message.content is None
    assert not streamed.message.content
    assert plain.finish_reason == streamed.finish_reason == "stop"


@pytest.mark.parametrize(
    ("stop", "status", "reason", "finish"),
    [
        ("content_filter", "incomplete", "content_filter", "content_filter"),
        ("max_tokens", "incomplete", "max_output_tokens", "length"),
        ("end_turn", "completed", None, "stop"),
    ],
)
def test_openai_says_why_an_answer_is_short(
    gpt: openai.OpenAI, stop: str, status: str, reason: str | None, finish: str
) -> None:
    text = f"[[sandbox: stop={stop}]] Hi"
    response = gpt.responses.create(model="gpt-x", input=text)

    assert response.status == status
    assert (response.incomplete_details and response.incomplete_details.reason) == reason
    assert completion(gpt, text).choices[0].finish_reason == finish


def test_a_message_stops_before_the_earliest_of_its_stop_sequences(claude: anthropic.Anthropic) -> None:
    stopped = message(claude, "one two three", stop_sequences=["three", "two"])

    assert [block.to_dict() for block in stopped.content] == [{"type": "text", "text": "Echo: one "}]
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "two")
    assert stopped.usage.output_tokens == 3


def test_a_stop_sequence_ends_an_answer_before_its_calls(claude: anthropic.Anthropic) -> None:
    tools = [{"name": "weather", "input_schema": {"type": "object"}}]
    stopped = message(claude, "[[sandbox: tool=weather; text=Go. END]]", tools=tools, stop_sequences=["END"])

    assert [block.type for block in stopped.content] == ["text"]
    assert stopped.stop_reason == "stop_sequence"


def test_a_completion_stops_before_its_stop_sequence(gpt: openai.OpenAI) -> None:
    choice = completion(gpt, "one two three", stop=["two"]).choices[0]

    assert choice.message.content == "Echo: one "
    assert choice.finish_reason == "stop"
    assert choice.to_dict()["stop_reason"] == "two"


def test_a_stop_sequence_can_be_met_that_the_text_does_not_show(claude: anthropic.Anthropic) -> None:
    stopped = message(claude, "[[sandbox: stop=stop_sequence]] Hi", stop_sequences=["###"])

    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "###")


def test_no_stop_sequence_is_met_where_none_is_given(claude: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match="needs a stop sequence"):
        message(claude, "[[sandbox: stop=stop_sequence]] Hi")


@pytest.mark.parametrize(
    ("text", "asked", "tier"),
    [
        ("Hi", "auto", "standard"),
        ("[[sandbox: tier=priority]] Hi", "auto", "priority"),
        ("[[sandbox: tier=priority]] Hi", "standard_only", "standard"),
    ],
)
def test_a_message_says_which_tier_served_it(
    claude: anthropic.Anthropic, text: str, asked: Literal["auto", "standard_only"], tier: str
) -> None:
    assert message(claude, text, service_tier=asked).usage.service_tier == tier


@pytest.mark.parametrize(
    ("asked", "tier"), [("auto", "default"), ("flex", "flex"), ("priority", "priority"), ("fast", "priority")]
)
def test_openai_says_which_tier_served(gpt: openai.OpenAI, asked: Any, tier: str) -> None:
    assert gpt.responses.create(model="gpt-x", input="Hi", service_tier=asked).service_tier == tier
    assert completion(gpt, "Hi", service_tier=asked).service_tier == tier


def test_a_tier_that_is_none_is_refused(claude: anthropic.Anthropic, gpt: openai.OpenAI) -> None:
    with pytest.raises(anthropic.BadRequestError, match="service_tier"):
        message(claude, "Hi", service_tier="first_class")
    with pytest.raises(openai.BadRequestError, match="first_class"):
        completion(gpt, "Hi", service_tier="first_class")


def test_the_region_asked_for_is_the_one_told(claude: anthropic.Anthropic) -> None:
    assert message(claude, "Hi", inference_geo="us").usage.inference_geo == "us"


def test_responses_count_tokens_as_they_use_them(gpt: openai.OpenAI) -> None:
    counted = gpt.responses.input_tokens.count(model="gpt-x", input="How many?", instructions="Count.")
    used = gpt.responses.create(model="gpt-x", input="How many?", instructions="Count.").usage

    assert counted.object == "response.input_tokens"
    assert used is not None
    assert counted.input_tokens == used.input_tokens


def test_responses_count_no_tokens_of_what_they_would_not_take(gpt: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="Unknown parameter: 'max_output_tokens'"):
        gpt.responses.input_tokens.count(model="gpt-x", input="Hi", extra_body={"max_output_tokens": 9})
    with pytest.raises(openai.BadRequestError, match="hologram"):
        gpt.responses.input_tokens.count(model="gpt-x", input=[{"type": "hologram"}])  # pyright: ignore[reportArgumentType]

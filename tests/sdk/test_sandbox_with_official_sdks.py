"""The vendors' own libraries are the judges of whether the sandbox speaks as the vendors do."""

from collections.abc import Iterator

import anthropic
import openai
import orjson
import pytest
from anthropic.types import TextBlock, ThinkingBlock, ToolUseBlock
from openai.types.responses import ResponseFunctionToolCall

from tests.upstream import SandboxServer

SCHEMA: dict[str, object] = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
CALL_TWICE = "[[sandbox: thinking=on; tool=weather; tools=2; text=Let me look.]]"
CLAUDE = "claude-sonnet-4-6"
GPT = "gpt-5.4"


@pytest.fixture
def claude(sandbox_server: SandboxServer) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=sandbox_server.url, api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture
def gpt(sandbox_server: SandboxServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{sandbox_server.url}/v1", api_key="any", max_retries=0) as client:
        yield client


def test_a_message_echoes(claude: anthropic.Anthropic) -> None:
    message = claude.messages.create(model=CLAUDE, max_tokens=64, messages=[{"role": "user", "content": "Hello there"}])

    assert [block.to_dict() for block in message.content] == [{"type": "text", "text": "Echo: Hello there"}]
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens == 5
    assert message._request_id  # pyright: ignore[reportPrivateUsage]


async def test_a_message_echoes_to_the_async_client(sandbox_server: SandboxServer) -> None:
    async with anthropic.AsyncAnthropic(base_url=sandbox_server.url, api_key="any") as client:
        message = await client.messages.create(
            model=CLAUDE, max_tokens=64, messages=[{"role": "user", "content": "Hello"}]
        )

        assert isinstance(message.content[0], TextBlock)
        assert message.content[0].text == "Echo: Hello"


def test_a_streamed_message_folds_to_the_plain_one(claude: anthropic.Anthropic) -> None:
    with claude.messages.stream(
        model=CLAUDE,
        max_tokens=512,
        messages=[{"role": "user", "content": f"{CALL_TWICE} Oslo"}],
        tools=[{"name": "weather", "input_schema": SCHEMA}],
    ) as stream:
        assert "".join(stream.text_stream) == "Let me look."
        message = stream.get_final_message()

    assert [block.type for block in message.content] == ["thinking", "text", "tool_use", "tool_use"]
    call = message.content[2]
    assert isinstance(call, ToolUseBlock)
    assert call.input == {"city": "Oslo", "days": 1}
    assert message.stop_reason == "tool_use"


def test_thinking_must_come_back_byte_for_byte(claude: anthropic.Anthropic) -> None:
    asked: list[anthropic.types.MessageParam] = [{"role": "user", "content": "[[sandbox: thinking=on]] Hi"}]
    thought = claude.messages.create(model=CLAUDE, max_tokens=64, messages=asked).content[0]
    assert isinstance(thought, ThinkingBlock)

    def go_on(thinking: str) -> anthropic.types.Message:
        answered: anthropic.types.MessageParam = {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": thinking, "signature": thought.signature}],
        }
        return claude.messages.create(
            model=CLAUDE, max_tokens=64, messages=[*asked, answered, {"role": "user", "content": "More"}]
        )

    assert go_on(thought.thinking).stop_reason == "end_turn"
    with pytest.raises(anthropic.BadRequestError, match="Invalid `signature`"):
        go_on(thought.thinking + " ")


def test_tokens_are_counted_as_they_are_used(claude: anthropic.Anthropic) -> None:
    asked: list[anthropic.types.MessageParam] = [{"role": "user", "content": "How many?"}]

    counted = claude.messages.count_tokens(model=CLAUDE, messages=asked).input_tokens

    assert counted == claude.messages.create(model=CLAUDE, max_tokens=9, messages=asked).usage.input_tokens


def test_an_answer_over_its_limit_is_cut(claude: anthropic.Anthropic) -> None:
    message = claude.messages.create(
        model=CLAUDE, max_tokens=3, messages=[{"role": "user", "content": "one two three four five six"}]
    )

    assert message.stop_reason == "max_tokens"
    assert message.usage.output_tokens <= 3


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, anthropic.BadRequestError),
        (401, anthropic.AuthenticationError),
        (429, anthropic.RateLimitError),
        (500, anthropic.InternalServerError),
        (529, anthropic.InternalServerError),
    ],
)
def test_errors_are_the_sdk_s_own(
    claude: anthropic.Anthropic, status: int, error: type[anthropic.APIStatusError]
) -> None:
    with pytest.raises(error) as raised:
        claude.messages.create(
            model=CLAUDE, max_tokens=9, messages=[{"role": "user", "content": f"[[sandbox: error={status}]]"}]
        )

    assert raised.value.request_id
    assert raised.value.response.headers.get("retry-after") == ("7" if status in (429, 529) else None)


def test_an_unknown_field_is_refused_by_name(claude: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match="colour: Extra inputs are not permitted"):
        claude.messages.create(
            model=CLAUDE, max_tokens=9, messages=[{"role": "user", "content": "Hi"}], extra_body={"colour": "red"}
        )


def test_a_stream_that_fails_raises(claude: anthropic.Anthropic) -> None:
    said: list[str] = []
    with (
        pytest.raises(anthropic.APIStatusError),
        claude.messages.stream(
            model=CLAUDE, max_tokens=99, messages=[{"role": "user", "content": "[[sandbox: error_after=2]] a b c"}]
        ) as stream,
    ):
        said.extend(stream.text_stream)

    assert said == ["Echo: ", "a "]


def test_a_stream_that_is_cut_raises(claude: anthropic.Anthropic) -> None:
    with (
        pytest.raises(Exception, match=r"incomplete chunked read|peer closed"),
        claude.messages.stream(
            model=CLAUDE, max_tokens=99, messages=[{"role": "user", "content": "[[sandbox: drop_after=2]] a b c"}]
        ) as stream,
    ):
        stream.until_done()


def test_both_vendors_list_their_models(claude: anthropic.Anthropic, gpt: openai.OpenAI) -> None:
    assert CLAUDE in [model.id for model in claude.models.list()]
    assert GPT in [model.id for model in gpt.models.list()]


def test_a_response_echoes(gpt: openai.OpenAI) -> None:
    response = gpt.responses.create(model=GPT, input="Hello there")

    assert response.output_text == "Echo: Hello there"
    assert response.status == "completed"
    assert response.usage is not None
    assert response.usage.output_tokens == 5


def test_a_streamed_response_folds_to_the_plain_one(gpt: openai.OpenAI) -> None:
    with gpt.responses.stream(
        model=GPT,
        input=f"{CALL_TWICE} Oslo",
        reasoning={"summary": "auto"},
        include=["reasoning.encrypted_content"],
        tools=[{"type": "function", "name": "weather", "parameters": SCHEMA, "strict": False}],
    ) as stream:
        events = [event.type for event in stream]
        response = stream.get_final_response()

    assert events[:3] == ["response.created", "response.in_progress", "response.output_item.added"]
    assert [item.type for item in response.output] == ["reasoning", "message", "function_call", "function_call"]
    assert response.output_text == "Let me look."
    call = response.output[2]
    assert isinstance(call, ResponseFunctionToolCall)
    assert orjson.loads(call.arguments) == {"city": "Oslo", "days": 1}


def test_the_nine_steps_of_a_text_response_come_in_order(gpt: openai.OpenAI) -> None:
    events = list(gpt.responses.create(model=GPT, input="Hi", stream=True))

    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert list(dict.fromkeys(event.type for event in events)) == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]


def test_a_response_that_fails_says_so_in_the_stream(gpt: openai.OpenAI) -> None:
    events = list(gpt.responses.create(model=GPT, input="[[sandbox: error_after=1]] a b", stream=True))

    assert events[-1].type == "response.failed"


def test_reasoning_must_come_back_encrypted(gpt: openai.OpenAI) -> None:
    reasoning = gpt.responses.create(
        model=GPT, input="[[sandbox: thinking=on]] Hi", include=["reasoning.encrypted_content"], store=False
    ).output[0]
    item = reasoning.to_dict()

    gpt.responses.create(model=GPT, input=[item, {"role": "user", "content": "More"}])  # pyright: ignore[reportArgumentType]
    forged = item | {"encrypted_content": "forged"}
    with pytest.raises(openai.BadRequestError, match="could not be verified"):
        gpt.responses.create(model=GPT, input=[forged, {"role": "user", "content": "More"}])  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
    ],
)
def test_response_errors_are_the_sdk_s_own(gpt: openai.OpenAI, status: int, error: type[openai.APIStatusError]) -> None:
    with pytest.raises(error) as raised:
        gpt.responses.create(model=GPT, input=f"[[sandbox: error={status}]]")

    assert raised.value.request_id


def test_a_chat_completion_echoes(gpt: openai.OpenAI) -> None:
    completion = gpt.chat.completions.create(model=GPT, messages=[{"role": "user", "content": "Hello"}])

    assert completion.choices[0].message.content == "Echo: Hello"
    assert completion.choices[0].finish_reason == "stop"


def test_a_streamed_chat_completion_ends_with_its_usage(gpt: openai.OpenAI) -> None:
    chunks = list(
        gpt.chat.completions.create(
            model=GPT,
            messages=[{"role": "user", "content": "Hello there"}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )

    said = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    assert "".join(piece or "" for piece in said) == "Echo: Hello there"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 5


def test_a_chat_completion_streams_parallel_tool_calls(gpt: openai.OpenAI) -> None:
    with gpt.chat.completions.stream(
        model=GPT,
        messages=[{"role": "user", "content": "[[sandbox: tool=weather; tools=2]] Oslo"}],
        tools=[{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}],
    ) as stream:
        completion = stream.get_final_completion()

    calls = completion.choices[0].message.tool_calls or []
    assert [orjson.loads(call.function.arguments) for call in calls] == [{"city": "Oslo", "days": 1}] * 2
    assert completion.choices[0].finish_reason == "tool_calls"

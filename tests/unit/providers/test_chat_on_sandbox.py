"""The Chat Completions dialect over real HTTP, against the sandbox that the official SDKs vouch for."""

from collections.abc import AsyncIterator
from dataclasses import replace

import orjson
import pytest
from pydantic import SecretStr

from gateway.baa.template import Cover
from gateway.catalog import Dialect, ProviderSpec
from gateway.completion import BlockDelta, Completion, Stopped, StopReason, StreamEvent
from gateway.conversation import Conversation, Sampling, Text, ToolResult, ToolUse, Turn
from gateway.errors import (
    GatewayError,
    ProviderRejectedError,
    UpstreamBusyError,
    UpstreamFailureError,
    UpstreamTimeoutError,
)
from gateway.providers.chat.client import ChatProvider
from gateway.providers.estimate import estimate_tokens
from gateway.providers.transport import Transport
from tests.unit.providers.cases import WEATHER, conversation, says, settings
from tests.unit.providers.chat import QWEN, fold
from tests.upstream import SandboxServer

SCENARIOS = [
    "Hello, æ€🍒",
    "[[sandbox: chunk=1]] æ€🍒",
    "[[sandbox: frames=40]]",
    "[[sandbox: text=Exactly this.]]",
    "[[sandbox: tool=weather; tools=2; chunk=2]] Oslo",
    "[[sandbox: tool=weather; text=Let me look.]] Oslo",
    "[[sandbox: stop=refusal; text=I cannot.]]",
    "[[sandbox: stop=max_tokens]] Hello",
    "[[sandbox: cache=on]] Hello",
]


@pytest.fixture(scope="module")
async def transport() -> AsyncIterator[Transport]:
    opened = Transport(settings())
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def provider(transport: Transport, sandbox_server: SandboxServer) -> ChatProvider:
    return ChatProvider(transport, spec(sandbox_server.url))


def spec(url: str, key: str | None = "sandbox") -> ProviderSpec:
    return ProviderSpec(
        id="vllm",
        display_name="vLLM",
        dialect=Dialect.OPENAI_CHAT,
        base_url=url,
        covered_by=Cover.SELF_HOSTED,
        api_key=None if key is None else SecretStr(key),
    )


def asked(*turns: Turn) -> Conversation:
    return conversation(*turns, tools=(WEATHER,), system="Be brief.")


async def streamed(provider: ChatProvider, told: Conversation) -> list[StreamEvent]:
    async with provider.stream(told, QWEN) as batches:
        return [event async for batch in batches for event in batch]


def without_ids(completion: Completion) -> Completion:
    """The sandbox makes new ids each time."""
    blocks = tuple(replace(block, id="") if isinstance(block, ToolUse) else block for block in completion.blocks)
    return replace(completion, upstream_id=None, blocks=blocks)


@pytest.mark.parametrize("text", SCENARIOS)
async def test_a_stream_is_the_plain_answer_in_pieces(provider: ChatProvider, text: str) -> None:
    plain = await provider.complete(asked(says(text)), QWEN)
    events = await streamed(provider, asked(says(text)))

    assert events[-1] == Stopped()
    assert without_ids(fold(events)) == without_ids(plain)
    assert not plain.usage.estimated


async def test_an_answer_echoes_with_its_usage(provider: ChatProvider) -> None:
    completion = await provider.complete(asked(says("Hello there")), QWEN)

    assert completion.blocks == (Text("Echo: Hello there"),)
    assert completion.stop_reason is StopReason.END_TURN
    assert completion.usage.output == 5
    assert completion.usage.input > 0
    assert completion.model == QWEN.upstream
    assert completion.upstream_id


@pytest.mark.parametrize("base", ["", "/v1"])
@pytest.mark.parametrize("key", ["secret", None])
async def test_a_base_url_is_taken_with_and_without_its_version(
    transport: Transport, sandbox_server: SandboxServer, base: str, key: str | None
) -> None:
    provider = ChatProvider(transport, spec(sandbox_server.url + base, key))
    sandbox_server.clear()

    if key is None:
        # The sandbox asks for a key, which shows that none was sent.
        with pytest.raises(UpstreamFailureError):
            await provider.complete(asked(says("Hello")), QWEN)
    else:
        assert (await provider.complete(asked(says("Hello")), QWEN)).blocks == (Text("Echo: Hello"),)


async def test_a_tool_loop_goes_round(provider: ChatProvider) -> None:
    question = says("[[sandbox: tool=weather; tools=2; text=Let me look.]] Oslo")
    first = fold(await streamed(provider, asked(question)))
    assert [type(block) for block in first.blocks] == [Text, ToolUse, ToolUse]
    assert first.stop_reason is StopReason.TOOL_USE
    calls = [block for block in first.blocks if isinstance(block, ToolUse)]
    assert calls[0].input == {"city": "Oslo", "days": 1}

    results = tuple(ToolResult(call.id, (Text("Rain"),), plain=True) for call in calls)
    told = asked(question, Turn("assistant", first.blocks), Turn("user", results))

    assert (await provider.complete(told, QWEN)).blocks == (Text("Echo: Rain\nRain"),)


async def test_an_answer_s_schema_and_stop_sequence_reach_the_model(provider: ChatProvider) -> None:
    schema = conversation(says("Oslo"), sampling=Sampling(99, output_schema=WEATHER.schema))
    stopped = conversation(says("one two three"), sampling=Sampling(99, stop_sequences=("two",)))

    (answer,) = (await provider.complete(schema, QWEN)).blocks

    assert isinstance(answer, Text)
    assert orjson.loads(answer.text) == {"city": "Oslo", "days": 1}
    assert (await provider.complete(stopped, QWEN)).blocks == (Text("Echo: one "),)


async def test_tokens_are_estimated_here(provider: ChatProvider) -> None:
    told = asked(says("Hi " * 400))

    assert await provider.count_tokens(told, QWEN) == estimate_tokens(told) > 300


async def test_a_stream_left_early_has_used_its_input(provider: ChatProvider) -> None:
    told = asked(says("Hello there " * 100))
    whole = await provider.complete(told, QWEN)
    events = await streamed(provider, told)
    first = next(at for at, event in enumerate(events) if isinstance(event, BlockDelta))

    usage = fold(events[: first + 1]).usage

    assert usage.estimated
    assert whole.usage.total_input * 0.7 < usage.total_input < whole.usage.total_input * 1.3
    assert usage.output > 0
    assert not fold(events).usage.estimated


ERRORS: list[tuple[int, type[GatewayError]]] = [
    (400, ProviderRejectedError),
    (401, UpstreamFailureError),
    (429, UpstreamBusyError),
    (500, UpstreamFailureError),
]


@pytest.mark.parametrize(("status", "error"), ERRORS)
async def test_a_refusal_is_raised_before_a_stream_is_entered(
    provider: ChatProvider, status: int, error: type[GatewayError]
) -> None:
    told = asked(says(f"[[sandbox: error={status}]] Jane Roe"))

    with pytest.raises(error) as streaming:
        async with provider.stream(told, QWEN):
            pytest.fail("a refused stream was entered")
    with pytest.raises(error) as plain:
        await provider.complete(told, QWEN)

    for raised in (streaming.value, plain.value):
        assert "Jane" not in str(raised) + repr(raised.args)
        assert raised.retry_after_s == (7 if status == 429 else None)


@pytest.mark.parametrize("fault", ["error_after=2", "drop_after=2"])
async def test_a_stream_that_breaks_raises_after_what_came_before(provider: ChatProvider, fault: str) -> None:
    said: list[StreamEvent] = []

    with pytest.raises(GatewayError) as raised:
        await _overhear(provider, asked(says(f"[[sandbox: {fault}]] a b c")), said)

    assert raised.value.retryable
    assert len([event for event in said if isinstance(event, BlockDelta)]) == 2


async def test_a_silent_stream_times_out_before_it_is_entered(sandbox_server: SandboxServer) -> None:
    transport = Transport(settings(upstream_first_byte_timeout_s=0.05))
    await transport.open()
    try:
        with pytest.raises(UpstreamTimeoutError):
            async with ChatProvider(transport, spec(sandbox_server.url)).stream(
                asked(says("[[sandbox: first_delay_ms=60000]]")), QWEN
            ):
                pytest.fail("a silent stream was entered")
    finally:
        await transport.close()


async def _overhear(provider: ChatProvider, told: Conversation, said: list[StreamEvent]) -> None:
    async with provider.stream(told, QWEN) as batches:
        async for batch in batches:
            said.extend(batch)

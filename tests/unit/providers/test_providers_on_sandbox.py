"""Both providers over real HTTP, against the sandbox that the official SDKs vouch for."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import orjson
import pytest

from gateway.catalog import Model
from gateway.completion import BlockDelta, Completion, CompletionFold, Stopped, StopReason, StreamEvent, ThinkingDelta
from gateway.conversation import (
    Conversation,
    RedactedThinking,
    Sampling,
    Text,
    Thinking,
    ThinkingConfig,
    ToolResult,
    ToolUse,
    Turn,
)
from gateway.errors import (
    GatewayError,
    ProviderRejectedError,
    UpstreamBusyError,
    UpstreamFailureError,
    UpstreamTimeoutError,
)
from gateway.providers.provider import Provider
from gateway.providers.registry import Providers
from gateway.tenancy import KeyMode
from tests.unit.providers.cases import CLAUDE, GPT, WEATHER, conversation, says, settings
from tests.upstream import SandboxServer

MODELS = pytest.mark.parametrize("model", [CLAUDE, GPT], ids=["anthropic", "openai"])
SCENARIOS = [
    "Hello, æ€🍒",
    "[[sandbox: chunk=1]] æ€🍒",
    "[[sandbox: frames=40]]",
    "[[sandbox: text=Exactly this.]]",
    "[[sandbox: thinking=on]] Hello",
    "[[sandbox: thinking=echo; chunk=3]] Hello",
    "[[sandbox: tool=weather; tools=2; chunk=2]] Oslo",
    "[[sandbox: thinking=on; tool=weather; text=Let me look.]] Oslo",
    "[[sandbox: stop=refusal; text=I cannot.]]",
    "[[sandbox: stop=max_tokens]] Hello",
    "[[sandbox: cache=on]] Hello",
]


@pytest.fixture(scope="module")
async def providers(sandbox_server: SandboxServer) -> AsyncIterator[Providers]:
    async with Providers.from_settings(settings(sandbox_url=sandbox_server.url)) as opened:
        yield opened


def provider(providers: Providers, model: Model) -> Provider:
    return providers.provider_for(model, KeyMode.TEST)


def asked(text: str) -> Conversation:
    sampling = Sampling(max_tokens=1024, thinking=ThinkingConfig("adaptive"))
    return conversation(says(text), sampling=sampling, tools=(WEATHER,), system="Be brief.")


async def streamed(provider: Provider, told: Conversation, model: Model) -> list[StreamEvent]:
    async with provider.stream(told, model) as batches:
        return [event async for batch in batches for event in batch]


def fold(events: list[StreamEvent]) -> Completion:
    folded = CompletionFold()
    for event in events:
        folded.add(event)
    return folded.completion()


def without_ids(completion: Completion) -> Completion:
    """The sandbox makes new ids each time, also inside what it signs."""
    blocks = tuple(
        replace(block, id="")
        if isinstance(block, ToolUse)
        else replace(block, signature="")
        if isinstance(block, Thinking) and block.signature.startswith("openai.")
        else block
        for block in completion.blocks
    )
    return replace(completion, upstream_id=None, blocks=blocks)


@MODELS
@pytest.mark.parametrize("text", SCENARIOS)
async def test_a_stream_is_the_plain_answer_in_pieces(providers: Providers, model: Model, text: str) -> None:
    plain = await provider(providers, model).complete(asked(text), model)
    events = await streamed(provider(providers, model), asked(text), model)
    folded = fold(events)

    assert events[-1] == Stopped()
    # Only Anthropic's plain answers and first frames name the tier; the fold of both is the same.
    assert without_ids(folded) == without_ids(plain)


@MODELS
async def test_an_answer_echoes_with_its_usage(providers: Providers, model: Model) -> None:
    completion = await provider(providers, model).complete(asked("Hello there"), model)

    assert completion.blocks == (Text("Echo: Hello there"),)
    assert completion.stop_reason is StopReason.END_TURN
    assert completion.usage.output == 5
    assert completion.usage.input > 0
    assert completion.model == model.upstream
    assert completion.upstream_id


@MODELS
async def test_cached_input_is_counted_once(providers: Providers, model: Model) -> None:
    fresh = (await provider(providers, model).complete(asked("[[sandbox: cache=off]] Hi"), model)).usage
    usage = (await provider(providers, model).complete(asked("[[sandbox: cache=on]] Hi"), model)).usage

    assert usage.cache_read > 0
    assert usage.cache_write > 0
    assert usage.input < fresh.input


@MODELS
async def test_a_tool_loop_with_signed_thinking_goes_round(
    providers: Providers, model: Model, sandbox_server: SandboxServer
) -> None:
    question = says("[[sandbox: thinking=on; tool=weather; tools=2; text=Let me look.]] Oslo")
    first = fold(await streamed(provider(providers, model), _with_turns(question), model))
    assert [type(block) for block in first.blocks] == [Thinking, Text, ToolUse, ToolUse]
    assert first.stop_reason is StopReason.TOOL_USE
    calls = [block for block in first.blocks if isinstance(block, ToolUse)]
    assert calls[0].input == {"city": "Oslo", "days": 1}

    results = tuple(ToolResult(call.id, (Text("Rain"),), plain=True) for call in calls)
    told = _with_turns(question, Turn("assistant", first.blocks), Turn("user", results))
    second = await provider(providers, model).complete(told, model)

    assert second.blocks == (Text("Echo: Rain\nRain"),)


@MODELS
async def test_reasoning_of_the_other_vendor_is_no_obstacle(providers: Providers, model: Model) -> None:
    other = GPT if model is CLAUDE else CLAUDE
    question = says("[[sandbox: thinking=on]] Hi")
    first = await provider(providers, other).complete(_with_turns(question), other)
    told = _with_turns(question, Turn("assistant", first.blocks), says("And now?"))

    second = await provider(providers, model).complete(told, model)

    assert second.blocks == (Text("Echo: And now?"),)


async def test_redacted_thinking_goes_round(providers: Providers) -> None:
    question = says("[[sandbox: thinking=redacted]] Hi")
    first = fold(await streamed(provider(providers, CLAUDE), _with_turns(question), CLAUDE))
    assert isinstance(first.blocks[0], RedactedThinking)

    told = _with_turns(question, Turn("assistant", first.blocks), says("And now?"))

    assert (await provider(providers, CLAUDE).complete(told, CLAUDE)).stop_reason is StopReason.END_TURN


@MODELS
async def test_an_answer_s_schema_reaches_the_model(providers: Providers, model: Model) -> None:
    sampling = Sampling(max_tokens=99, output_schema=WEATHER.schema)

    completion = await provider(providers, model).complete(conversation(says("Oslo"), sampling=sampling), model)

    assert isinstance(completion.blocks[0], Text)
    assert orjson.loads(completion.blocks[0].text) == {"city": "Oslo", "days": 1}


@MODELS
async def test_tokens_are_counted(providers: Providers, model: Model) -> None:
    few = await provider(providers, model).count_tokens(asked("Hi"), model)
    many = await provider(providers, model).count_tokens(asked("Hi " * 400), model)

    assert 0 < few < many - 250


@MODELS
async def test_a_stream_left_early_has_used_its_input_and_the_thinking_it_produced(
    providers: Providers, model: Model
) -> None:
    told = asked("[[sandbox: thinking=on]] " + "Hello there " * 100)
    whole = await provider(providers, model).complete(told, model)
    events = await streamed(provider(providers, model), told, model)
    left = next(at for at, e in enumerate(events) if isinstance(e, BlockDelta) and isinstance(e.delta, ThinkingDelta))

    usage = fold(events[: left + 1]).usage

    assert usage.estimated
    assert whole.usage.total_input * 0.7 < usage.total_input < whole.usage.total_input * 1.3
    assert usage.output > 0
    assert not fold(events).usage.estimated


ERRORS: list[tuple[int, type[GatewayError]]] = [
    (400, ProviderRejectedError),
    (401, UpstreamFailureError),
    (429, UpstreamBusyError),
    (500, UpstreamFailureError),
    (529, UpstreamBusyError),
]


@MODELS
@pytest.mark.parametrize(("status", "error"), ERRORS)
async def test_a_refusal_is_raised_before_a_stream_is_entered(
    providers: Providers, model: Model, status: int, error: type[GatewayError]
) -> None:
    told = asked(f"[[sandbox: error={status}]] Jane Roe")

    with pytest.raises(error) as streaming:
        async with provider(providers, model).stream(told, model):
            pytest.fail("a refused stream was entered")
    with pytest.raises(error) as plain:
        await provider(providers, model).complete(told, model)

    for raised in (streaming.value, plain.value):
        assert "Jane" not in str(raised) + repr(raised.args)
        assert raised.retry_after_s == (7 if status in (429, 529) else None)
        assert isinstance(raised, ProviderRejectedError) == ("Jane" in getattr(raised, "upstream_message", ""))


@MODELS
@pytest.mark.parametrize("fault", ["error_after=2", "drop_after=2"])
async def test_a_stream_that_breaks_raises_after_what_came_before(
    providers: Providers, model: Model, fault: str
) -> None:
    said: list[StreamEvent] = []

    with pytest.raises(GatewayError) as raised:
        await _overhear(provider(providers, model), asked(f"[[sandbox: {fault}]] a b c"), model, said)

    assert raised.value.retryable
    assert "Echo" not in str(raised.value)
    assert len([event for event in said if isinstance(event, BlockDelta)]) == 2


@MODELS
async def test_a_plain_answer_that_is_cut_is_a_failure(providers: Providers, model: Model) -> None:
    with pytest.raises(UpstreamFailureError):
        await provider(providers, model).complete(asked("[[sandbox: drop_after=0]] a"), model)


@MODELS
async def test_a_silent_stream_times_out_before_it_is_entered(sandbox_server: SandboxServer, model: Model) -> None:
    limits = settings(sandbox_url=sandbox_server.url, upstream_first_byte_timeout_s=0.05)
    async with Providers.from_settings(limits) as impatient:
        with pytest.raises(UpstreamTimeoutError):
            async with provider(impatient, model).stream(asked("[[sandbox: first_delay_ms=60000]]"), model):
                pytest.fail("a silent stream was entered")


@MODELS
async def test_leaving_a_stream_early_ends_the_generation(
    providers: Providers, model: Model, sandbox_server: SandboxServer
) -> None:
    sandbox_server.clear()
    async with provider(providers, model).stream(asked("[[sandbox: delay_ms=60000]] a b c"), model) as batches:
        await anext(aiter(batches))

    async with asyncio.timeout(10):
        while not (await asyncio.to_thread(_last, sandbox_server))["hung_up"]:
            pass


async def _overhear(provider: Provider, told: Conversation, model: Model, said: list[StreamEvent]) -> None:
    async with provider.stream(told, model) as batches:
        async for batch in batches:
            said.extend(batch)


def _last(server: SandboxServer) -> dict[str, Any]:
    return server.requests()[-1]


def _with_turns(*turns: Turn) -> Conversation:
    return replace(asked(""), turns=turns)

"""The official Anthropic SDK, pointed at the surface for clients of another gateway."""

from collections.abc import AsyncIterator

import anthropic
import pytest
import pytest_asyncio

from tests.gateway_server import GatewayServer
from tests.tenants import make_tenant

TOOL: anthropic.types.ToolParam = {
    "name": "find_slot",
    "input_schema": {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]},
}


def said(text: str) -> list[anthropic.types.MessageParam]:
    return [{"role": "user", "content": text}]


@pytest_asyncio.fixture(loop_scope="session")
async def client(gateway_server: GatewayServer) -> AsyncIterator[anthropic.AsyncAnthropic]:
    url = f"{gateway_server.url}/v1/anthropic"
    async with anthropic.AsyncAnthropic(api_key=gateway_server.live_key, base_url=url) as made:
        yield made


async def test_the_stream_helper_folds_text_by_a_shorthand(client: anthropic.AsyncAnthropic) -> None:
    async with client.messages.stream(model="sonnet", max_tokens=100, messages=said("One two three")) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        message = await stream.get_final_message()

    assert text == "Echo: One two three"
    assert (message.model, message.stop_reason) == ("claude-sonnet-4-6", "end_turn")
    assert message.usage.input_tokens > 0


async def test_a_tool_loops_through_the_stream_helper(client: anthropic.AsyncAnthropic) -> None:
    asked = said("[[sandbox: tool=find_slot; chunk=2]] Tuesday")
    async with client.messages.stream(model="haiku", max_tokens=500, messages=asked, tools=[TOOL]) as stream:
        called = await stream.get_final_message()

    (use,) = [block for block in called.content if block.type == "tool_use"]
    assert isinstance(use.input, dict)
    result: anthropic.types.ToolResultBlockParam = {"type": "tool_result", "tool_use_id": use.id, "content": "Free."}
    turns: list[anthropic.types.MessageParam] = [
        *asked,
        {"role": "assistant", "content": called.content},
        {"role": "user", "content": [result]},
    ]
    answer = await client.messages.create(model="haiku", max_tokens=500, messages=turns, tools=[TOOL])
    assert answer.stop_reason == "end_turn"


async def test_its_other_calls_find_their_way(client: anthropic.AsyncAnthropic) -> None:
    counted = await client.messages.count_tokens(model="haiku", messages=said("Hello"))
    listed = [model.id async for model in client.models.list(limit=2)]
    one = await client.models.retrieve("haiku")
    beta = await client.beta.messages.create(
        model="haiku", max_tokens=50, messages=[{"role": "user", "content": "Hello"}], betas=["of-tomorrow-2027-01-01"]
    )

    assert counted.input_tokens > 0
    assert listed[:2] == ["claude-haiku-4-5", "claude-sonnet-4-6"]
    assert one.id == beta.model == "claude-haiku-4-5"


async def test_errors_are_of_the_kinds_that_it_knows(
    client: anthropic.AsyncAnthropic, gateway_server: GatewayServer
) -> None:
    poor = (await make_tenant(gateway_server.storage, allotment=0)).token
    asked = said("Hello")

    with pytest.raises(anthropic.NotFoundError) as unknown:
        await client.messages.create(model="claude-sonnet-9", max_tokens=50, messages=asked)
    with pytest.raises(anthropic.PermissionDeniedError):
        await client.messages.create(model="opus", max_tokens=50, messages=asked)
    with pytest.raises(anthropic.AuthenticationError):
        await client.with_options(api_key="hasp_key_live_" + "2" * 32).models.list()
    with pytest.raises(anthropic.RateLimitError) as spent:
        await client.with_options(api_key=poor).messages.create(model="haiku", max_tokens=50, messages=asked)

    assert unknown.value.request_id == unknown.value.response.headers["x-request-id"]
    assert spent.value.response.headers["x-should-retry"] == "false"


async def test_a_stream_that_breaks_raises_the_providers_failure(client: anthropic.AsyncAnthropic) -> None:
    broken = said("[[sandbox: drop_after=2]] a b c d")
    async with client.messages.stream(model="haiku", max_tokens=50, messages=broken) as stream:
        with pytest.raises(anthropic.APIStatusError) as raised:
            await stream.get_final_message()

    assert "api_error" in str(raised.value.body)

"""The official Anthropic SDK with only base URL and key changed."""

from collections.abc import AsyncIterator, Iterator

import anthropic
import pytest
import pytest_asyncio

from tests.gateway_server import GatewayServer
from tests.tenants import make_tenant

MODEL = "claude-haiku-4-5"
TOOL: anthropic.types.ToolParam = {
    "name": "find_slot",
    "description": "Finds a free appointment.",
    "input_schema": {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]},
}


def said(text: str) -> list[anthropic.types.MessageParam]:
    return [{"role": "user", "content": text}]


@pytest_asyncio.fixture(loop_scope="session")
async def client(gateway_server: GatewayServer) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(api_key=gateway_server.live_key, base_url=gateway_server.url) as made:
        yield made


@pytest.fixture
def sync_client(gateway_server: GatewayServer) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(auth_token=gateway_server.live_key, base_url=gateway_server.url) as made:
        yield made


async def test_a_message_parses(client: anthropic.AsyncAnthropic) -> None:
    message = await client.messages.create(model=MODEL, max_tokens=100, messages=said("Hello"))

    assert message.content[0].type == "text"
    assert message.content[0].text == "Echo: Hello"
    assert message.usage.input_tokens > 0
    assert message.id.startswith("msg_")


def test_the_synchronous_client_works_as_well(sync_client: anthropic.Anthropic) -> None:
    message = sync_client.messages.create(model=MODEL, max_tokens=100, messages=said("Hello"))

    assert message.stop_reason == "end_turn"


async def test_the_stream_helper_folds_to_the_message(client: anthropic.AsyncAnthropic) -> None:
    async with client.messages.stream(model=MODEL, max_tokens=100, messages=said("One two three")) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        message = await stream.get_final_message()

    assert text == "Echo: One two three"
    assert message.usage.output_tokens > 0
    assert message.stop_reason == "end_turn"


async def test_a_tool_round_trip_streams(client: anthropic.AsyncAnthropic) -> None:
    asked = said("[[sandbox: tool=find_slot; chunk=2]] Tuesday")
    async with client.messages.stream(model=MODEL, max_tokens=500, messages=asked, tools=[TOOL]) as stream:
        first = await stream.get_final_message()
    [call] = [block for block in first.content if block.type == "tool_use"]
    assert call.input == {"day": "Tuesday"}

    result: anthropic.types.ToolResultBlockParam = {
        "type": "tool_result",
        "tool_use_id": call.id,
        "content": [{"type": "text", "text": "free at nine"}],
    }
    turns: list[anthropic.types.MessageParam] = [
        *asked,
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": [result]},
    ]
    second = await client.messages.create(model=MODEL, max_tokens=500, tools=[TOOL], messages=turns)

    assert second.content[0].type == "text"
    assert second.content[0].text == "Echo: free at nine"


async def test_thinking_survives_the_round_trip(client: anthropic.AsyncAnthropic) -> None:
    asked = said("[[sandbox: thinking=on]] Why?")
    first = await client.messages.create(
        model=MODEL, max_tokens=4000, messages=asked, thinking={"type": "enabled", "budget_tokens": 1024}
    )
    assert first.content[0].type == "thinking"

    second = await client.messages.create(
        model=MODEL,
        max_tokens=4000,
        thinking={"type": "enabled", "budget_tokens": 1024},
        messages=[*asked, {"role": "assistant", "content": first.content}, *said("And then?")],
    )

    assert second.stop_reason == "end_turn"


async def test_counting_and_models_parse(client: anthropic.AsyncAnthropic) -> None:
    counted = await client.messages.count_tokens(model=MODEL, messages=said("Hello"))
    models = [model async for model in client.models.list(limit=4)]

    assert counted.input_tokens > 0
    assert len(models) == 9
    assert (await client.models.retrieve(MODEL)).id == MODEL


async def test_refusals_raise_their_class_and_are_asked_once(gateway_server: GatewayServer) -> None:
    unsigned = await make_tenant(gateway_server.storage, agreement=False)
    broke = await make_tenant(gateway_server.storage, allotment=1)
    cases = (
        ("hasp_key_live_" + "2" * 32, anthropic.AuthenticationError, 401),
        (unsigned.token, anthropic.APIStatusError, 402),
        (broke.token, anthropic.APIStatusError, 402),
    )
    for key, raised, status in cases:
        async with anthropic.AsyncAnthropic(api_key=key, base_url=gateway_server.url, max_retries=2) as client:
            with pytest.raises(raised) as error:
                await client.messages.create(model=MODEL, max_tokens=10, messages=said("Hi"))
        assert isinstance(error.value, anthropic.APIStatusError)
        assert error.value.status_code == status
        assert error.value.request_id
        assert error.value.response.headers["x-request-id"] == error.value.request_id


async def test_store_is_refused_by_name(client: anthropic.AsyncAnthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match="`store` parameter is not supported"):
        await client.messages.create(model=MODEL, max_tokens=10, messages=said("Hi"), extra_body={"store": False})


async def test_a_broken_stream_raises_in_the_client(client: anthropic.AsyncAnthropic) -> None:
    broken = said("[[sandbox: error_after=2]] a b c d")
    async with client.messages.stream(model=MODEL, max_tokens=100, messages=broken) as stream:
        with pytest.raises(anthropic.APIError):
            await stream.get_final_message()

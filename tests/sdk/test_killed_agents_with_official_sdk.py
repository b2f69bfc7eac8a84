"""What an official SDK makes of a call whose agent's credential is revoked while it runs."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import pytest
import pytest_asyncio

from storage.agents.revocation import revoke
from storage.pool import fetch
from tests.agents import MadeCredential, make_credential
from tests.gateway_server import GatewayServer

MODEL = "claude-haiku-4-5"
LONG: list[anthropic.types.MessageParam] = [{"role": "user", "content": "[[sandbox: frames=400; delay_ms=50]]"}]
SILENT: list[anthropic.types.MessageParam] = [{"role": "user", "content": "[[sandbox: first_delay_ms=3000]]"}]


@pytest_asyncio.fixture(loop_scope="session")
async def credential(gateway_server: GatewayServer) -> MadeCredential:
    return await make_credential(gateway_server.storage, gateway_server.tenant.org, most=1)


@pytest_asyncio.fixture(loop_scope="session")
async def client(gateway_server: GatewayServer, credential: MadeCredential) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(api_key=credential.token, base_url=gateway_server.url) as made:
        yield made


def error_of(raised: anthropic.APIStatusError) -> dict[str, Any]:
    body: Any = raised.body
    return body["error"]


async def killed(server: GatewayServer, credential: MadeCredential) -> None:
    async with server.storage.as_operator(server.tenant.org, command="test") as tx:
        await revoke(tx, credential.id, reason="lost")


async def begun(server: GatewayServer, credential: MadeCredential) -> None:
    query = "select count(*) from agent_invocations where credential_id = %s"
    async with asyncio.timeout(10):
        while not (await fetch(server.storage.pool, query, [credential.id]))[0][0]:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)


async def test_a_killed_stream_raises_what_it_was_killed_for(
    gateway_server: GatewayServer, credential: MadeCredential, client: anthropic.AsyncAnthropic
) -> None:
    async with client.messages.stream(model=MODEL, max_tokens=2000, messages=LONG) as stream:
        pieces = stream.text_stream
        await anext(pieces)
        await killed(gateway_server, credential)
        with pytest.raises(anthropic.APIStatusError) as raised:
            _ = [piece async for piece in pieces]

    error = error_of(raised.value)
    assert (error["type"], error["code"]) == ("authentication_error", "CREDENTIAL_REVOKED")


async def test_a_killed_call_is_unauthenticated_and_not_tried_again(
    gateway_server: GatewayServer, credential: MadeCredential, client: anthropic.AsyncAnthropic
) -> None:
    asking = asyncio.create_task(client.messages.create(model=MODEL, max_tokens=2000, messages=SILENT))
    await begun(gateway_server, credential)
    await killed(gateway_server, credential)

    with pytest.raises(anthropic.AuthenticationError) as raised:
        await asking

    assert error_of(raised.value)["code"] == "CREDENTIAL_REVOKED"


async def test_more_calls_than_a_credential_may_run_are_throttled(
    gateway_server: GatewayServer, credential: MadeCredential, client: anthropic.AsyncAnthropic
) -> None:
    async with client.messages.stream(model=MODEL, max_tokens=2000, messages=LONG):
        with pytest.raises(anthropic.RateLimitError) as raised:
            await client.with_options(max_retries=0).messages.create(model=MODEL, max_tokens=10, messages=LONG)

    assert error_of(raised.value)["code"] == "TOO_MANY_INVOCATIONS"
    assert raised.value.response.headers["retry-after"] == "1"


async def test_tokens_are_counted_within_the_places_of_a_credential(
    gateway_server: GatewayServer, credential: MadeCredential, client: anthropic.AsyncAnthropic
) -> None:
    counted = await client.messages.count_tokens(model=MODEL, messages=LONG)
    again = await client.messages.count_tokens(model=MODEL, messages=LONG)
    async with client.messages.stream(model=MODEL, max_tokens=2000, messages=LONG):
        with pytest.raises(anthropic.RateLimitError):
            await client.with_options(max_retries=0).messages.count_tokens(model=MODEL, messages=LONG)

    assert counted.input_tokens == again.input_tokens > 0

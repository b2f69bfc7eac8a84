"""The official Anthropic SDK with an agent's credential in place of an API key."""

import anthropic
import pytest

from gateway.agents.grants import ExternalToolInvoke
from tests.agents import make_credential
from tests.gateway_server import GatewayServer

MODEL = "claude-haiku-4-5"
TOOL: anthropic.types.ToolParam = {
    "name": "find_slot",
    "input_schema": {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]},
}


def said(text: str) -> list[anthropic.types.MessageParam]:
    return [{"role": "user", "content": text}]


async def client_of(server: GatewayServer, *, as_bearer: bool = False) -> anthropic.AsyncAnthropic:
    granted = (ExternalToolInvoke("find_slot"),)
    token = (await make_credential(server.storage, server.tenant.org, grants=granted)).token
    if as_bearer:
        return anthropic.AsyncAnthropic(auth_token=token, base_url=server.url)
    return anthropic.AsyncAnthropic(api_key=token, base_url=server.url)


@pytest.mark.parametrize("as_bearer", [False, True])
async def test_an_agent_asks_with_the_tools_it_was_granted(gateway_server: GatewayServer, *, as_bearer: bool) -> None:
    async with await client_of(gateway_server, as_bearer=as_bearer) as client:
        message = await client.messages.create(
            model=MODEL, max_tokens=100, messages=said("[[sandbox: tool=find_slot]] Tuesday"), tools=[TOOL]
        )

    assert [block.name for block in message.content if block.type == "tool_use"] == ["find_slot"]


async def test_a_tool_outside_its_grants_is_a_permission_error(gateway_server: GatewayServer) -> None:
    other: anthropic.types.ToolParam = {**TOOL, "name": "delete_slot"}
    async with await client_of(gateway_server) as client:
        with pytest.raises(anthropic.PermissionDeniedError) as asked:
            await client.messages.create(model=MODEL, max_tokens=100, messages=said("Hi"), tools=[other])
        with pytest.raises(anthropic.PermissionDeniedError) as counted:
            await client.messages.count_tokens(model=MODEL, messages=said("Hi"), tools=[other])

    assert "TOOL_NOT_IN_SCOPE" in str(asked.value.body)
    assert "TOOL_NOT_IN_SCOPE" in str(counted.value.body)


async def test_a_stream_raises_where_the_model_invents_a_tool(gateway_server: GatewayServer) -> None:
    text = "[[sandbox: invents=delete_slot]] One two three"
    async with (
        await client_of(gateway_server) as client,
        client.messages.stream(model=MODEL, max_tokens=100, messages=said(text), tools=[TOOL]) as stream,
    ):
        with pytest.raises(anthropic.APIStatusError) as raised:
            await stream.get_final_message()

    assert "TOOL_NOT_IN_SCOPE" in str(raised.value.body)

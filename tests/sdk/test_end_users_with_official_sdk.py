"""Whom the official Anthropic SDK's `metadata` names is an end user of the organisation."""

import anthropic

from gateway.tenancy import Scope
from tests.gateway_server import GatewayServer
from tests.tenants import make_tenant

NAME = "maria.lopez@mercy.example"


async def test_metadata_of_a_streamed_and_of_a_whole_message_names_one_person(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, scopes=(Scope.AI_CHAT, Scope.END_USERS_READ))
    asked: list[anthropic.types.MessageParam] = [{"role": "user", "content": "Hello"}]
    named: anthropic.types.MetadataParam = {"user_id": NAME}

    async with anthropic.AsyncAnthropic(api_key=tenant.token, base_url=gateway_server.url) as client:
        model = "claude-haiku-4-5"
        await client.messages.create(model=model, max_tokens=100, messages=asked, metadata=named)
        async with client.messages.stream(model=model, max_tokens=100, messages=asked, metadata=named) as stream:
            await stream.get_final_message()

    listed = await gateway_server.get(f"/v1/orgs/{tenant.org}/end-users", key=tenant.token)
    assert [person["name"] for person in listed.json()["data"]] == [NAME]

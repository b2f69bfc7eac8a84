"""`auto`, and Claudes that are not here, on the compatible surfaces of an operator who lets both in."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from gateway.agents.grants import ExternalToolInvoke
from gateway.settings import Settings
from gateway.tenancy import Scope
from tests.agents import MadeCredential, make_agent, make_credential
from tests.gateway_server import GatewayServer, Json, Reply, serve
from tests.tenants import Tenant, make_tenant

MESSAGES = "/v1/anthropic/messages"
SIMPLE = "Hello there"
COMPLEX = "Give a differential diagnosis with thorough evidence, step by step."
TOOL = {"name": "look_up", "input_schema": {"type": "object"}}


@pytest.fixture(scope="module")
def generous_url(server_settings: Settings) -> Iterator[str]:
    changed = {"auto_on_compatible_routes": True, "claude_version_fallback": True, "harness_takes_bearer": True}
    with serve(server_settings.model_copy(update=changed)) as url:
        yield url


@pytest.fixture
def generous(gateway_server: GatewayServer, generous_url: str) -> GatewayServer:
    return replace(gateway_server, url=generous_url)


def body(text: str, model: str = "auto", **fields: object) -> Json:
    return {"model": model, "max_tokens": 50, "messages": [{"role": "user", "content": text}], **fields}


async def make_owner(server: GatewayServer, mode: str) -> Tenant:
    """Whose key chooses in `mode`, among models of every size."""
    scopes = [Scope.AI_CHAT, Scope.CONTROL_READ, Scope.CONTROL_WRITE]
    tenant = await make_tenant(server.storage, scopes=scopes, opus_enabled=True)
    changed = await server.request("PATCH", f"/v1/api_keys/{tenant.key.id}", {"auto_mode": mode}, key=tenant.token)
    assert changed.status == 200, changed.body
    return tenant


async def make_narrow_agent(server: GatewayServer) -> MadeCredential:
    """Who may call one model, and one tool."""
    agent = await make_agent(server.storage, server.tenant.org, allowed_models=("claude-sonnet-4-6",))
    granted = (ExternalToolInvoke("look_up"),)
    return await make_credential(server.storage, server.tenant.org, agent, grants=granted)


def chosen(reply: Reply) -> str:
    assert reply.status == 200, reply.body
    assert reply.headers["hasp-model"] == reply.json()["model"]
    return reply.json()["model"]


@pytest.mark.parametrize(
    ("mode", "simple", "demanding"),
    [
        ("lite", "claude-haiku-4-5", "claude-haiku-4-5"),
        ("performance", "claude-haiku-4-5", "claude-sonnet-4-6"),
        ("turbo", "claude-haiku-4-5", "claude-opus-4-7"),
    ],
)
async def test_a_request_is_answered_by_a_model_that_suits_it_and_its_owner(
    gateway_server: GatewayServer, generous: GatewayServer, mode: str, simple: str, demanding: str
) -> None:
    # Its key is first seen by the other server when its mode is chosen already.
    owner = await make_owner(gateway_server, mode)

    assert chosen(await generous.post(MESSAGES, body(SIMPLE), key=owner.token)) == simple
    assert chosen(await generous.post(MESSAGES, body(COMPLEX), key=owner.token)) == demanding


async def test_its_stream_and_its_count_tell_the_choice_too(generous: GatewayServer) -> None:
    streamed = await generous.post(MESSAGES, body(COMPLEX, stream=True))
    counted = await generous.post(f"{MESSAGES}/count_tokens", body(COMPLEX))

    assert streamed.events[0].data["message"]["model"] == streamed.headers["hasp-model"] == "claude-sonnet-4-6"
    assert counted.headers["hasp-model"] == "claude-sonnet-4-6"


async def test_where_nothing_may_be_chosen_it_is_forbidden(generous: GatewayServer) -> None:
    agent = await make_narrow_agent(generous)

    refused = await generous.post(MESSAGES, body(SIMPLE), key=agent.token)
    taken = await generous.post(MESSAGES, body(COMPLEX), key=agent.token)

    assert (refused.status, refused.json()["error"]["type"]) == (403, "permission_error")
    assert chosen(taken) == "claude-sonnet-4-6"


async def test_an_agent_is_shown_its_own_models_alone(gateway_server: GatewayServer) -> None:
    made = await make_narrow_agent(gateway_server)
    send = gateway_server.post

    hidden = await send(MESSAGES, body(SIMPLE, "haiku"), key=made.token)
    own = await send(MESSAGES, body(SIMPLE, "sonnet", tools=[TOOL]), key=made.token)
    outside = await send(MESSAGES, body(SIMPLE, "haiku", tools=[TOOL | {"name": "delete"}]), key=made.token)
    listed = await gateway_server.get("/v1/anthropic/models", key=made.token)

    assert (hidden.status, own.status, outside.status) == (404, 200, 403)
    assert [model["id"] for model in listed.json()["data"]] == ["claude-sonnet-4-6"]


async def test_an_agent_whose_organisation_has_no_agreement_is_told_so_first(generous: GatewayServer) -> None:
    tenant = await make_tenant(generous.storage, agreement=False)
    made = await make_credential(generous.storage, tenant.org)

    for model in ("auto", "sonnet", "agent-x", "nobody"):
        assert (await generous.post(MESSAGES, body(SIMPLE, model), key=made.token)).status == 402


@pytest.mark.parametrize("asked", ["claude-sonnet-5", "claude-3-5-sonnet-20241022", "claude-sonnet-5[1m]"])
async def test_a_claude_that_is_not_here_is_its_familys_newest(generous: GatewayServer, asked: str) -> None:
    assert chosen(await generous.post(MESSAGES, body(SIMPLE, asked))) == "claude-sonnet-4-6"


@pytest.mark.parametrize("asked", ["gpt-9", "agent-x", "claude-grande-1"])
async def test_what_is_of_no_family_stays_unknown(generous: GatewayServer, asked: str) -> None:
    assert (await generous.post(MESSAGES, body(SIMPLE, asked))).status in (400, 404)

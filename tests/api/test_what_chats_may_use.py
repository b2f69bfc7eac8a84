"""Chats over real HTTP of organisations that say which tools and which model these use."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.agents.grants import ToolInvoke
from gateway.ids import new_uuid
from gateway.settings import Settings
from gateway.tenancy import Scope
from storage.onboarding import change_policy
from tests.agents import make_credential
from tests.api.apps import make_desk
from tests.gateway_server import GatewayServer, Json, Reply, serve
from tests.tenants import Tenant, make_tenant

CHAT, TOOLS, AGENTS = "/v1/chat/completions", "/v1/chat/tools", "/v1/chat/agents"
HAIKU, GPT = "claude-haiku-4-5", "gpt-5.4-mini"
CALCULATE = "[[sandbox: tool=calculator; words=6*7]] Compute 6 * 7"
ALL = (Scope.AI_CHAT, Scope.CONTROL_READ, Scope.CONTROL_WRITE)


async def send(server: GatewayServer, token: str, method: str, path: str, body: object = None) -> Reply:
    return await server.request(method, path, body, key=None, headers={"x-api-key": token})


async def ask(server: GatewayServer, tenant: Tenant, text: str = "Hello there", **fields: object) -> Reply:
    asked = {"model": HAIKU, "messages": [{"role": "user", "content": text}], **fields}
    return await send(server, tenant.token, "POST", CHAT, asked)


async def clinic(server: GatewayServer, **policy: Any) -> Tenant:
    return await make_tenant(server.storage, scopes=ALL, **policy)


async def offered(server: GatewayServer, tenant: Tenant, text: str, **fields: object) -> list[list[str]]:
    """What each round of a chat offers its model."""
    server.sandbox.clear()
    reply = await ask(server, tenant, text, **fields)
    assert reply.status == 200, reply.body
    return [[tool["name"] for tool in asked.get("tools", ())] for asked in server.sandbox.bodies()]


async def test_tools_that_an_organization_does_not_allow_are_not_listed(gateway_server: GatewayServer) -> None:
    some = await clinic(gateway_server, allowed_tools=("calculator", "desk_*"))
    none = await clinic(gateway_server, allowed_tools=())

    listed = [(await send(gateway_server, each.token, "GET", TOOLS)).json()["data"] for each in (some, none)]
    assert [[tool["name"] for tool in tools] for tools in listed] == [["calculator"], []]


@pytest.mark.parametrize("fields", [{}, {"stream": True}, {"background": True}], ids=str)
async def test_naming_one_is_refused_by_its_place(gateway_server: GatewayServer, fields: Json) -> None:
    tenant = await clinic(gateway_server, allowed_tools=("calculator",))
    gateway_server.sandbox.clear()

    reply = await ask(gateway_server, tenant, tools_to_use=["calculator", "knowledge_search"], **fields)

    error = reply.json()["error"]
    assert (reply.status, error["code"], error["param"]) == (403, "TOOL_NOT_IN_SCOPE", "tools_to_use[1]")
    assert gateway_server.sandbox.bodies() == []


async def test_an_agent_has_what_both_its_grants_and_the_policy_allow(gateway_server: GatewayServer) -> None:
    tenant = await clinic(gateway_server, allowed_tools=("knowledge_search",))
    grants = (ToolInvoke("calculator"), ToolInvoke("knowledge_search"))
    both = await make_credential(gateway_server.storage, tenant.org, grants=grants)
    other = await make_credential(gateway_server.storage, tenant.org, grants=grants[:1])

    async def named(token: str, tool: str) -> tuple[Any, ...]:
        asked = {"model": HAIKU, "messages": [{"role": "user", "content": "Hi"}], "tools_to_use": [tool]}
        reply = await send(gateway_server, token, "POST", CHAT, asked)
        return (reply.status, reply.json().get("error", {}).get("param"))

    assert await named(both.token, "knowledge_search") == (200, None)
    assert await named(both.token, "calculator") == (403, "tools_to_use[0]")
    assert await named(other.token, "knowledge_search") == (403, "tools_to_use[0]")
    assert (await send(gateway_server, other.token, "GET", TOOLS)).json()["data"] == []


async def test_no_other_is_picked_or_handed_on_by_an_agent_of_chats(gateway_server: GatewayServer) -> None:
    tenant = await clinic(gateway_server)
    preset = {"name": "Night desk", "model": HAIKU, "tools": ["calculator", "knowledge_search"]}
    agent = (await send(gateway_server, tenant.token, "POST", AGENTS, preset)).json()["id"]
    await change_policy(gateway_server.storage, tenant.org, {"allowed_tools": ("knowledge_search",)})
    other = await clinic(gateway_server, allowed_tools=("knowledge_search",))

    assert await offered(gateway_server, other, "What is 6 * 7?", auto_tool_selection=True) == [[]]
    assert await offered(gateway_server, tenant, "Hi", model=f"agent-{agent}") == [["knowledge_search"]]


async def test_one_that_the_model_asks_for_all_the_same_is_not_run(gateway_server: GatewayServer) -> None:
    tenant = await clinic(gateway_server, allowed_tools=("knowledge_search",))

    answer = (await ask(gateway_server, tenant, "[[sandbox: invents=calculator]] Go")).json()

    assert "There is no tool of that name." in answer["choices"][0]["message"]["content"]
    assert answer["meta"]["tools"] == []


async def test_files_of_an_app_are_not_taken_where_nothing_may_read_them(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)
    app = await desk.make()
    await change_policy(gateway_server.storage, desk.tenant.org, {"allowed_tools": ("calculator",)})

    reply = await desk.send("POST", f"/app/{app}/query", {"inputs": {"note": "x"}, "file_uuids": [new_uuid()]})

    error = reply.json()["error"]
    assert (reply.status, error["code"], error["param"]) == (403, "TOOL_NOT_IN_SCOPE", "file_uuids")


@pytest.mark.parametrize(("chosen", "answers"), [(GPT, GPT), ("auto", None)])
async def test_the_organizations_model_answers_where_none_is_named(
    gateway_server: GatewayServer, chosen: str, answers: str | None
) -> None:
    tenant = await clinic(gateway_server, default_model=chosen)
    agent = (await send(gateway_server, tenant.token, "POST", AGENTS, {"name": "Any"})).json()["id"]

    for model in (None, f"agent-{agent}"):
        reply = await ask(gateway_server, tenant, model=model)
        assert (reply.status, reply.json()["model"]) == (200, reply.headers["hasp-model"])
        assert answers in (None, reply.json()["model"])
    assert (await ask(gateway_server, tenant, model=HAIKU)).json()["model"] == HAIKU


async def test_the_organizations_model_goes_before_the_installations(
    gateway_server: GatewayServer, server_settings: Settings
) -> None:
    own, none = await clinic(gateway_server, default_model=GPT), await clinic(gateway_server)
    with serve(server_settings.model_copy(update={"default_model": HAIKU})) as url:
        elsewhere = replace(gateway_server, url=url)
        told = [(await ask(elsewhere, tenant, model=None)).json()["model"] for tenant in (own, none)]

    assert told == [GPT, HAIKU]


async def test_a_model_that_may_not_answer_is_no_more_allowed_by_being_the_default(
    gateway_server: GatewayServer,
) -> None:
    tenant = await clinic(gateway_server, default_model="claude-opus-4-7")

    reply = await ask(gateway_server, tenant, model=None)

    assert (reply.status, reply.json()["error"]["code"]) == (403, "OPUS_NOT_ENABLED")

"""Chats with tools of a server that the operator lists, over real HTTP on both sides."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import replace

import orjson
import pytest
import pytest_asyncio
from aiohttp import web

from gateway.settings import Settings
from tests.gateway_server import GatewayServer, Json, serve
from tests.unit.harness.mcp_stand_in import ECHO, McpStandIn

CHAT = "/v1/chat/completions"
PATIENT = "Ottilie Vandersloot, MRN 88231407"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def listed() -> AsyncIterator[tuple[McpStandIn, str]]:
    server = McpStandIn()
    # The guard would refuse this of a caller's own tool.
    careless = "Says it again, as in: patient John Smith, john.smith@ward.org"
    server.tools = [{**ECHO, "description": careless}, {**ECHO, "name": "ring"}]
    async with server.serving() as url:
        yield server, url


@pytest.fixture
def desk(listed: tuple[McpStandIn, str]) -> McpStandIn:
    server = listed[0]
    server.heard.clear()
    server.answers.clear()
    server.result = McpStandIn().result
    return server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def chatting(
    gateway_server: GatewayServer,
    server_settings: Settings,
    listed: tuple[McpStandIn, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[GatewayServer]:
    file = tmp_path_factory.mktemp("servers") / "servers.json"
    outside = {"id": "desk", "url": listed[1], "tools": ["echo"]}
    inside = {"id": "ward", "url": listed[1], "tools": ["ring"], "leaves": False, "surcharge": 0}
    file.write_bytes(orjson.dumps({"servers": [outside, inside]}))
    with ExitStack() as opened:
        gateway = serve(server_settings.model_copy(update={"mcp_servers_file": file}))
        # It asks for tools when it starts, and the server answers on this loop.
        url = await asyncio.to_thread(opened.enter_context, gateway)
        yield replace(gateway_server, url=url)


async def ask(server: GatewayServer, tool: str, text: str) -> Json:
    message = {"role": "user", "content": f"[[sandbox: tool={tool}]] {text}"}
    body: Json = {"model": "claude-haiku-4-5", "messages": [message], "tools_to_use": [tool]}
    reply = await server.request("POST", CHAT, body, key=None, headers={"x-api-key": server.live_key})
    assert reply.status == 200
    return reply.json()


def given(server: McpStandIn) -> list[Json]:
    return [params["arguments"] for method, params in server.heard if method == "tools/call"]


def told(answer: Json) -> tuple[str, list[tuple[str, str, int]]]:
    tools = [(tool["name"], tool["status"], tool["credits"]) for tool in answer["meta"]["tools"]]
    return answer["choices"][0]["message"]["content"], tools


async def test_a_tool_of_a_server_is_used_for_a_model(chatting: GatewayServer, desk: McpStandIn) -> None:
    answer = await ask(chatting, "desk_echo", "Say it")

    assert told(answer) == ("Echo: again", [("desk_echo", "completed", 500)])
    assert given(desk) == [{"text": "Say it"}]


async def test_who_is_named_is_not_told_to_a_server_outside(chatting: GatewayServer, desk: McpStandIn) -> None:
    content, tools = told(await ask(chatting, "desk_echo", PATIENT))

    assert "must not leave" in content
    assert tools == [("desk_echo", "blocked", 0)]
    assert given(desk) == []


async def test_the_address_of_a_page_may_leave(chatting: GatewayServer, desk: McpStandIn) -> None:
    _, tools = told(await ask(chatting, "desk_echo", "https://www.drugs.com/ibuprofen.html"))

    assert tools == [("desk_echo", "completed", 500)]
    assert given(desk) == [{"text": "https://www.drugs.com/ibuprofen.html"}]


@pytest.mark.parametrize("path", ["Ottilie%20Vandersloot", "?name=ottilie-vandersloot", "patients/88231407"])
async def test_an_address_that_speaks_of_somebody_may_not(chatting: GatewayServer, desk: McpStandIn, path: str) -> None:
    content, tools = told(await ask(chatting, "desk_echo", f"https://www.drugs.com/{path}"))

    assert "must not leave" in content
    assert (tools, given(desk)) == ([("desk_echo", "blocked", 0)], [])


async def test_who_is_named_is_told_to_a_server_of_the_operator_s_and_to_no_model(
    chatting: GatewayServer, desk: McpStandIn
) -> None:
    chatting.sandbox.clear()
    desk.result = {"content": [{"type": "text", "text": f"Seen: {PATIENT}"}]}
    content, tools = told(await ask(chatting, "ward_ring", PATIENT))

    assert given(desk) == [{"text": PATIENT}]
    assert (content, tools) == (f"Echo: Seen: {PATIENT}", [("ward_ring", "completed", 0)])
    assert not any("Vandersloot" in request["body"] for request in chatting.sandbox.requests())


async def test_a_server_that_is_gone_is_an_error_that_the_model_reads(
    chatting: GatewayServer, desk: McpStandIn
) -> None:
    desk.answers["tools/call"] = lambda _, __: web.Response(status=502, text=PATIENT)
    content, tools = told(await ask(chatting, "desk_echo", "Say it"))

    assert content == "Echo: The tool's server answered with status 502."
    assert tools == [("desk_echo", "completed", 500)]

"""MCP servers that the operator lists: as they should be, and as they should not."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
import structlog
from aiohttp import web
from pydantic import SecretStr

from gateway.errors import UnavailableError
from gateway.harness.tool import ToolAnswer, ToolFailedError
from gateway.harness.toolbox import Toolbox
from gateway.harness.tools.calculator import Calculator
from gateway.harness.tools.mcp.connection import MOST_BYTES
from gateway.harness.tools.mcp.listing import McpServerEntry, McpServerSpec, read_mcp_servers
from gateway.harness.tools.mcp.server import MOST_TOOLS, McpServer
from gateway.harness.tools.mcp.servers import McpServers
from gateway.harness.tools.opening import open_toolbox
from gateway.harness.tools.terms import Terms
from gateway.operator_file import OperatorFileError
from gateway.phi.guard import Guard
from gateway.phi.inline import RuleDetector
from tests.unit.harness.contexts import CONTEXT, SETTINGS
from tests.unit.harness.mcp_stand_in import ECHO, Answer, McpStandIn

UNSET: dict[str, str] = {}
SCRUB = Guard(RuleDetector()).scrub_definition


@pytest_asyncio.fixture
async def server() -> McpStandIn:
    return McpStandIn()


@pytest_asyncio.fixture
async def client(server: McpStandIn) -> AsyncIterator[McpServer]:
    async with listing(server) as client:
        yield client


@asynccontextmanager
async def listing(server: McpStandIn, **entry: Any) -> AsyncGenerator[McpServer]:
    """A client of `server`, which has asked for its tools."""
    async with server.serving() as url:
        entry = {"id": "desk", "url": url, "timeout_s": 0.5} | entry
        client = McpServer(McpServerSpec(McpServerEntry(**entry), SecretStr("secret-token")), SETTINGS, SCRUB)
        await client.list_tools()
        yield client
        await client.close()


async def used(client: McpServer, **given: Any) -> ToolAnswer:
    return await client.tools[0].run(given, CONTEXT)


@pytest.mark.parametrize("streams", [False, True])
async def test_a_tool_of_a_server_is_listed_and_used(server: McpStandIn, streams: bool) -> None:
    server.streams = streams
    async with listing(server) as client:
        answer = await used(client, text="once")

    tool = client.tools[0]
    assert (tool.name, tool.description, tool.leaves, tool.surcharge) == ("desk_echo", "Says it again.", True, 500)
    assert answer == ToolAnswer("again")
    assert server.methods() == ["initialize", "notifications/initialized", "tools/list", "tools/call"]
    assert server.heard[-1][1] == {"name": "echo", "arguments": {"text": "once"}}
    assert {headers["authorization"] for headers in server.headers} == {"Bearer secret-token"}
    assert server.headers[-1]["mcp-session-id"] == "session-1"
    assert server.headers[-1]["mcp-protocol-version"] == "2025-06-18"


async def test_a_server_without_sessions_is_used(server: McpStandIn) -> None:
    server.session = None
    async with listing(server) as client:
        assert await used(client) == ToolAnswer("again")
    assert "mcp-session-id" not in server.headers[-1]


async def test_a_session_that_ended_is_begun_again(server: McpStandIn, client: McpServer) -> None:
    server.session = "session-2"

    assert await used(client) == ToolAnswer("again")
    assert server.methods()[3:] == ["tools/call", "initialize", "notifications/initialized", "tools/call"]


async def test_a_server_that_ends_each_session_has_failed(server: McpStandIn, client: McpServer) -> None:
    server.answers["tools/call"] = lambda _, __: web.Response(status=404)

    with pytest.raises(ToolFailedError, match="ends each session"):
        await used(client)
    assert server.methods().count("tools/call") == 2


@pytest.mark.parametrize(
    ("result", "text", "is_error"),
    [
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "a\n\nb", False),
        ({"content": [{"type": "resource", "resource": {"uri": "x:1", "text": "held"}}]}, "held", False),
        ({"content": [{"type": "resource_link", "uri": "x:1", "name": "n"}]}, "x:1", False),
        ({"content": [{"type": "image", "data": "AAAA"}]}, "[Something that is not text was left out.]", False),
        ({"content": [{"type": "text", "text": "no such place"}], "isError": True}, "no such place", True),
        ({"content": [], "structuredContent": {"n": 1}}, '{"n":1}', False),
        ({"content": "text"}, "", False),
        ({"content": [None, 3, {"type": "text", "text": 3}]}, "[Something that is not text was left out.]", False),
        ({}, "", False),
    ],
)
async def test_what_a_model_can_read_of_a_result_is_its_answer(
    server: McpStandIn, client: McpServer, result: Any, text: str, is_error: bool
) -> None:
    server.result = result

    assert await used(client) == ToolAnswer(text, is_error)


async def test_a_refusal_is_told_to_the_model(server: McpStandIn, client: McpServer) -> None:
    error = {"code": -32602, "message": "text: missing" + "." * 5000}
    server.answers["tools/call"] = lambda _, asked: server.spoken({"id": asked["id"], "error": error})

    answer = await used(client)

    assert answer.is_error
    assert answer.text.startswith("Refused: text: missing")
    assert len(answer.text) < 2100


def _other_number(server: McpStandIn) -> Answer:
    return lambda _, asked: server.spoken({"id": asked["id"] + 1, "result": {"content": []}})


LIES: dict[str, Callable[[McpStandIn], Answer]] = {
    "silence": lambda _: lambda _, __: None,
    "a failure": lambda _: lambda _, __: web.Response(status=500, text="Maria Lopez"),
    "a redirect": lambda _: lambda _, __: web.Response(status=307, headers={"location": "http://169.254.169.254/"}),
    "no JSON": lambda _: lambda _, __: web.Response(text="Maria Lopez"),
    "nothing": lambda _: lambda _, __: web.Response(),
    "no object": lambda server: lambda _, __: server.spoken("Maria Lopez"),
    "an answer to something else": _other_number,
    "no result": lambda server: lambda _, asked: server.spoken({"id": asked["id"]}),
    "a result that is a list": lambda server: lambda _, asked: server.said(asked, ["Maria Lopez"]),
    "too much": lambda _: lambda _, __: web.Response(body=b" " * (MOST_BYTES + 1), content_type="application/json"),
    "endless events": lambda _: (
        lambda _, __: web.Response(body=b": quiet\n\n" * (MOST_BYTES // 9 + 1), content_type="text/event-stream")
    ),
    "an event that never ends": lambda _: (
        lambda _, __: web.Response(body=b"data: [" + b"1," * (MOST_BYTES // 2), content_type="text/event-stream")
    ),
    "a deep nest": lambda _: (
        lambda _, asked: web.Response(
            body=b'{"id":%d,"result":' % asked["id"] + b'{"a":' * 500 + b"1" + b"}" * 501,
            content_type="application/json",
        )
    ),
    "a question instead of an answer": lambda server: (
        lambda _, asked: server.spoken(
            {"id": asked["id"], "method": "sampling/createMessage", "result": {"content": []}}
        )
    ),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_server_that_lies_is_a_failure_without_its_words(
    server: McpStandIn, client: McpServer, lie: str
) -> None:
    server.answers["tools/call"] = LIES[lie](server)

    with pytest.raises(ToolFailedError) as raised:
        await used(client)

    assert str(raised.value).startswith("The tool's server ")
    assert "Maria" not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize("lie", sorted(LIES.keys() - {"silence"}))
async def test_a_server_that_lies_of_its_tools_keeps_those_it_had(
    server: McpStandIn, client: McpServer, lie: str
) -> None:
    server.answers["tools/list"] = LIES[lie](server)

    with structlog.testing.capture_logs() as logs:
        await client.list_tools()

    assert [tool.name for tool in client.tools] == ["desk_echo"]
    assert [entry["event"] for entry in logs] == ["mcp_tools_not_listed"]
    assert "Maria" not in str(logs)


@pytest.mark.parametrize(
    ("revision", "session"),
    [("1999-01-01", "session-1"), ("2025-06-18", "s" * 2000), ("2025-06-18", "with space")],
    ids=["another revision", "a long session", "a session with a space"],
)
async def test_a_session_of_another_form_is_not_begun(server: McpStandIn, revision: str, session: str) -> None:
    server.revision, server.session = revision, session
    async with listing(server) as client:
        assert client.tools == ()
    assert "tools/list" not in server.methods()


@pytest.mark.parametrize(
    "tool",
    [
        {**ECHO, "name": ""},
        {**ECHO, "name": 3},
        {**ECHO, "name": ["echo"]},
        {**ECHO, "name": "x" * 60},
        {"name": "echo"},
        {**ECHO, "inputSchema": {"type": "array"}},
        {**ECHO, "inputSchema": {"type": "object", "properties": []}},
        {**ECHO, "inputSchema": {"type": "object", "description": "x" * 20_000}},
        "echo",
    ],
)
async def test_a_tool_that_models_cannot_be_offered_is_left_out(server: McpStandIn, tool: Any) -> None:
    server.tools = [tool, {**ECHO, "name": "other"}]
    async with listing(server) as client:
        assert [tool.name for tool in client.tools] == ["desk_other"]


async def test_what_the_guard_would_refuse_in_a_definition_is_taken_out(server: McpStandIn) -> None:
    mailbox = {"type": "string", "title": "Mailbox", "description": "As in jane.doe@ward.org"}
    schema = {"type": "object", "properties": {"description": mailbox, "day": {"enum": ["2026-01-31"]}}}
    server.tools = [{"name": "x", "description": "Writes to patient John Smith on 2026-01-31.", "inputSchema": schema}]
    async with listing(server) as client:
        first = client.tools[0]
        await client.list_tools()

    assert first == client.tools[0]
    assert first.description == "Writes to patient [NAME] on 2026-01-31."
    assert first.schema == {
        "type": "object",
        "properties": {
            "description": {**mailbox, "description": "As in [EMAIL]"},
            "day": {"enum": ["2026-01-31"]},
        },
    }


async def test_a_scanner_that_is_down_leaves_a_server_its_tools(server: McpStandIn) -> None:
    down = asyncio.Event()

    async def scrub(text: str) -> str:
        if down.is_set():
            raise UnavailableError
        return text

    async with server.serving() as url:
        client = McpServer(McpServerSpec(McpServerEntry(id="desk", url=url), None), SETTINGS, scrub)
        await client.list_tools()
        down.set()
        server.tools = [{**ECHO, "description": "Another."}]
        await client.list_tools()
        await client.close()

    assert [tool.description for tool in client.tools] == ["Says it again."]


async def test_names_become_those_that_models_can_say(server: McpStandIn) -> None:
    server.tools = [{**ECHO, "name": "find.by/name"}, {**ECHO, "name": "find_by_name", "description": "the second"}]
    async with listing(server) as client:
        assert [(tool.name, tool.known_as) for tool in client.tools] == [("desk_find_by_name", "find.by/name")]


async def test_no_more_tools_are_had_than_a_model_can_read_of(server: McpStandIn) -> None:
    server.tools = [{**ECHO, "name": f"t{number}", "description": "x" * 9000} for number in range(MOST_TOOLS + 9)]
    async with listing(server) as client:
        assert len(client.tools) == MOST_TOOLS
        assert {len(tool.description) for tool in client.tools} == {2000}


async def test_pages_that_never_end_are_left(server: McpStandIn) -> None:
    server.answers["tools/list"] = lambda _, asked: server.said(asked, {"tools": [ECHO], "nextCursor": "more"})
    async with listing(server) as client:
        assert [tool.name for tool in client.tools] == ["desk_echo"]
    assert server.methods().count("tools/list") == 10


async def test_only_those_tools_are_had_that_the_operator_wants(server: McpStandIn) -> None:
    server.tools = [ECHO, {**ECHO, "name": "delete_everything"}]
    async with listing(server, tools=["echo"], leaves=False, surcharge=9) as client:
        assert [(tool.name, tool.leaves, tool.surcharge) for tool in client.tools] == [("desk_echo", False, 9)]


async def test_input_that_is_no_json_is_not_sent(server: McpStandIn, client: McpServer) -> None:
    with pytest.raises(ToolFailedError, match="cannot be sent"):
        await used(client, text="\ud800")
    assert "tools/call" not in server.methods()


async def test_a_server_that_is_not_there_has_no_tools() -> None:
    entry = McpServerEntry(id="desk", url="http://127.0.0.1:1/mcp")
    client = McpServer(McpServerSpec(entry, None), SETTINGS, SCRUB)
    await client.list_tools()
    await client.close()

    assert client.tools == ()


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        ("{", "not JSON"),
        ({"servers": [{"id": "desk"}]}, "servers[0].url: Field required"),
        ({"servers": [{"id": "a_b", "url": "https://x"}]}, "servers[0].id: "),
        ({"servers": [{"id": "a", "url": "file:///etc/passwd"}]}, "servers[0].url: "),
        ({"servers": [{"id": "a", "url": "https://me:secret@x"}]}, "must hold no user name"),
        ({"servers": [{"id": "a", "url": "https://x"}] * 2}, "servers[1].id: another server has this id"),
        ({"servers": [{"id": "a", "url": "https://x", "api_key": "secret"}]}, "servers[0].api_key: "),
        ({"servers": [{"id": "a", "url": "https://x", "api_key_env": "UNSET"}]}, "servers[0].api_key_env: "),
        ({"servers": [{"id": "a", "url": "https://x", "api_key_file": "/nowhere"}]}, "servers[0].api_key_file: "),
        (
            {"servers": [{"id": "a", "url": "https://x", "api_key_file": "/nowhere", "api_key_env": "UNSET"}]},
            "not both",
        ),
        ({"servers": [{"id": "a", "url": "https://x", "timeout_s": 0}]}, "servers[0].timeout_s: "),
    ],
)
def test_a_list_of_another_form_says_where_it_is_wrong_and_not_what_is_there(
    tmp_path: Path, file: Any, problem: str
) -> None:
    path = tmp_path / "servers.json"
    path.write_bytes(file.encode() if isinstance(file, str) else orjson.dumps(file))

    with pytest.raises(OperatorFileError) as raised:
        read_mcp_servers(path, UNSET.get)

    assert problem in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_key_comes_from_where_the_list_says(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-file\n")
    one = {"id": "one", "url": "https://x/mcp", "api_key_file": str(tmp_path / "key"), "api_key_header": "x-api-key"}
    two = {"id": "two", "url": "https://x/mcp", "api_key_env": "DESK_KEY"}
    three = {"id": "three", "url": "https://x/mcp"}
    path = tmp_path / "servers.json"
    path.write_bytes(orjson.dumps({"servers": [one, two, three]}))

    specs = read_mcp_servers(path, {"DESK_KEY": "from-environment"}.get)

    assert [spec.headers for spec in specs] == [
        {"x-api-key": "from-file"},
        {"authorization": "Bearer from-environment"},
        {},
    ]
    assert "from-" not in repr(specs)


async def no_lookup(_: str) -> list[Any]:
    raise OSError


def write(path: Path, *entries: dict[str, Any]) -> None:
    path.write_bytes(orjson.dumps({"servers": entries}))


async def test_tools_come_and_go_with_servers_and_the_list(server: McpStandIn, tmp_path: Path) -> None:
    path = tmp_path / "servers.json"
    async with server.serving() as url:
        write(path, {"id": "desk", "url": url})
        servers = McpServers(lambda: read_mcp_servers(path, UNSET.get), SETTINGS, SCRUB)
        had: list[list[str]] = []

        async def refreshed() -> None:
            await servers.refresh()
            had.append([tool.name for tool in servers.tools])

        await refreshed()
        server.tools = [ECHO, {**ECHO, "name": "other"}]
        await refreshed()
        path.write_text("{")
        await refreshed()
        write(path, {"id": "hall", "url": url, "tools": ["echo"]})
        await refreshed()
        write(path)
        await refreshed()
        await servers.close()

    assert had == [["desk_echo"], ["desk_echo", "desk_other"], ["desk_echo", "desk_other"], ["hall_echo"], []]
    assert server.methods().count("initialize") == 2


async def test_a_tool_whose_server_left_the_list_is_not_run(server: McpStandIn, tmp_path: Path) -> None:
    path = tmp_path / "servers.json"
    async with server.serving() as url:
        write(path, {"id": "desk", "url": url})
        servers = McpServers(lambda: read_mcp_servers(path, UNSET.get), SETTINGS, SCRUB)
        await servers.refresh()
        held = servers.tools[0]
        write(path)
        await servers.refresh()

        with pytest.raises(ToolFailedError, match="no longer listed"):
            await held.run({}, CONTEXT)
    assert "tools/call" not in server.methods()


async def test_a_toolbox_opens_with_what_servers_have_and_keeps_up(server: McpStandIn, tmp_path: Path) -> None:
    path, listed_again = tmp_path / "servers.json", asyncio.Event()
    chosen = SETTINGS.model_copy(update={"mcp_servers_file": path})

    def more(_: web.BaseRequest, asked: dict[str, Any]) -> web.Response:
        if server.methods().count("tools/list") > 2:
            listed_again.set()
        later = {**ECHO, "name": "later"}
        return server.said(asked, {"tools": [ECHO, later] if server.methods().count("tools/list") > 1 else [ECHO]})

    server.answers["tools/list"] = more
    async with server.serving() as url:
        write(path, {"id": "desk", "url": url})
        async with open_toolbox(chosen, no_lookup, scrub=SCRUB, refresh_s=0.001) as toolbox:
            first = [tool.name for tool in toolbox]
            await listed_again.wait()
            second = [tool.name for tool in toolbox]

    assert (sorted(first), sorted(second)) == (
        ["calculator", "desk_echo"],
        ["calculator", "desk_echo", "desk_later"],
    )


async def test_no_server_takes_the_name_of_a_tool_of_ours() -> None:
    ours = Calculator(Terms(0, 5))
    box = Toolbox([ours])
    box.adopt([Calculator(Terms(9, 5))])

    assert box.find("calculator") is ours

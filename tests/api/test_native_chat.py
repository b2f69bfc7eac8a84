"""`/v1/chat/*` over real HTTP: chats with tools that the gateway runs."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import orjson
import pytest
import pytest_asyncio
from aiohttp import web

from gateway.settings import Settings
from gateway.tenancy import PhiMode, Scope
from tests.gateway_server import GatewayServer, Json, Reply, serve
from tests.tenants import make_tenant

CHAT, AGENTS = "/v1/chat/completions", "/v1/chat/agents"
HAIKU, GPT = "claude-haiku-4-5", "gpt-5.4-mini"
CALCULATE = "[[sandbox: tool=calculator; words={}]] Compute"
every_model = pytest.mark.parametrize("model", [HAIKU, GPT])


class Search:
    """A search server that keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.says = "A salicylate."

    async def handle(self, request: web.BaseRequest) -> web.Response:
        self.asked.append(request.query["q"])
        return web.json_response({"results": [{"title": "Aspirin", "url": "https://a.example/", "content": self.says}]})


@asynccontextmanager
async def searching(search: Search) -> AsyncGenerator[str]:
    runner = web.ServerRunner(web.Server(search.handle, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/search"
    finally:
        await runner.cleanup()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def search() -> AsyncIterator[tuple[Search, str]]:
    kept = Search()
    async with searching(kept) as url:
        yield kept, url


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def chatting(
    gateway_server: GatewayServer, server_settings: Settings, search: tuple[Search, str]
) -> AsyncIterator[GatewayServer]:
    """A gateway whose tools are a calculator and a search."""
    changed = {"search_url": search[1], "tool_surcharges": {"web_search": 70, "calculator": 3}}
    with serve(server_settings.model_copy(update=changed)) as url:
        yield replace(gateway_server, url=url)


async def ask(server: GatewayServer, body: Json, *, key: str = "") -> Reply:
    return await server.request("POST", CHAT, body, key=None, headers={"x-api-key": key or server.live_key})


def body(text: str = "Hello there", *, model: str | None = HAIKU, **fields: object) -> Json:
    return {"model": model, "messages": [{"role": "user", "content": text}], **fields}


def lines(reply: Reply) -> list[Json]:
    assert reply.headers["content-type"] == "application/x-ndjson"
    told = [orjson.loads(line) for line in reply.body.splitlines() if line.strip()]
    assert all(isinstance(line["type"], str) and isinstance(line["message"], str) for line in told)
    return told


@every_model
async def test_an_answer_is_what_its_own_clients_and_openais_read(chatting: GatewayServer, model: str) -> None:
    answer = (await ask(chatting, body(model=model))).json()

    assert (answer["object"], answer["model"]) == ("chat.completion", model)
    assert answer["choices"] == [
        {"index": 0, "message": {"role": "assistant", "content": "Echo: Hello there"}, "finish_reason": "stop"}
    ]
    usage = answer["usage"]
    assert usage["input_tokens"] == usage["prompt_tokens"] > 0
    assert usage["output_tokens"] == usage["completion_tokens"] == 5
    assert usage["total_tokens"] == usage["prompt_tokens"] + 5
    assert [line["usage"]["model"] for line in answer["meta"]["rounds"]] == [model]


@every_model
@pytest.mark.parametrize("stream", [False, True])
async def test_a_tool_is_run_and_the_model_reads_what_it_said(
    chatting: GatewayServer, model: str, *, stream: bool
) -> None:
    asked = body(CALCULATE.format("6*7"), model=model, tools_to_use=["calculator"], stream=stream)
    reply = await ask(chatting, asked)

    if stream:
        told = lines(reply)
        said = "".join(line["message"] for line in told if line["type"] == "content")
        kinds = [line["type"] for line in told if line["type"] != "content"]
        assert kinds == ["tool_call", "tool_result", "usage", "done"]
        meta = told[-2]["meta"]
    else:
        said, meta = reply.json()["choices"][0]["message"]["content"], reply.json()["meta"]
    assert said == "Echo: 42"
    assert [(tool["name"], tool["status"], tool["credits"]) for tool in meta["tools"]] == [
        ("calculator", "completed", 3)
    ]
    assert len(meta["rounds"]) == 2
    assert meta["credits"] == 3 + sum(line["usage"]["sonnet_equivalent_tokens"] for line in meta["rounds"])


async def test_several_tools_are_used_at_once(chatting: GatewayServer) -> None:
    asked = body("[[sandbox: tool=calculator; words=6*7; tools=3]] Go", tools_to_use=["calculator"])
    answer = (await ask(chatting, asked)).json()

    assert [tool["status"] for tool in answer["meta"]["tools"]] == ["completed"] * 3
    assert answer["choices"][0]["message"]["content"].count("42") == 3


async def test_a_model_that_never_stops_is_made_to_answer(chatting: GatewayServer, search: tuple[Search, str]) -> None:
    """What the search says has the model search again."""
    kept = search[0]
    kept.asked.clear()
    kept.says = "[[sandbox: tool=web_search; words=more]] on"
    answer = (
        await ask(chatting, body("[[sandbox: tool=web_search; words=more]] Go", tools_to_use=["web_search"]))
    ).json()
    kept.says = "A salicylate."

    assert len(answer["meta"]["rounds"]) == 8
    assert kept.asked == ["more"] * 7


async def test_what_leaves_is_scanned_first_and_phi_stays(chatting: GatewayServer, search: tuple[Search, str]) -> None:
    """The model asks with the placeholder that it knows; what would be sent is the name."""
    kept = search[0]
    kept.asked.clear()
    text = "[[sandbox: tool=web_search]] Ottilie Vandersloot, MRN 88231407"
    reply = await ask(chatting, body(text, tools_to_use=["web_search"]))

    assert kept.asked == []
    assert [(tool["status"], tool["credits"]) for tool in reply.json()["meta"]["tools"]] == [("blocked", 0)]
    assert "must not leave" in reply.json()["choices"][0]["message"]["content"]


async def test_what_a_tool_says_is_scanned_before_the_model_reads_it(
    chatting: GatewayServer, search: tuple[Search, str]
) -> None:
    kept = search[0]
    kept.says = "Patient Ottilie Vandersloot, MRN 88231407, was seen."
    chatting.sandbox.clear()
    answer = (await ask(chatting, body("[[sandbox: tool=web_search; words=x]] Go", tools_to_use=["web_search"]))).json()
    kept.says = "A salicylate."

    assert "Ottilie Vandersloot" in answer["choices"][0]["message"]["content"]
    heard = [request["body"] for request in chatting.sandbox.requests()]
    assert len(heard) == 2
    assert not any("Vandersloot" in each for each in heard)


async def test_a_patient_keeps_one_placeholder_through_all_rounds(chatting: GatewayServer) -> None:
    chatting.sandbox.clear()
    text = f"Patient Ottilie Vandersloot, MRN 88231407. {CALCULATE.format('1+1')}"
    await ask(chatting, body(text, tools_to_use=["calculator"], model=GPT))

    heard = [request["body"] for request in chatting.sandbox.requests()]
    assert [("[NAME_1]" in each, "[NAME_2]" in each) for each in heard] == [(True, False)] * 2


async def test_a_tool_that_fails_is_an_answer(chatting: GatewayServer) -> None:
    asked = body(CALCULATE.format("1/0"), tools_to_use=["calculator"], stream=True)
    told = lines(await ask(chatting, asked))

    assert [line["is_error"] for line in told if line["type"] == "tool_result"] == [True]
    assert "".join(line["message"] for line in told if line["type"] == "content") == "Echo: It divides by zero."


async def test_a_tool_that_the_model_invents_is_none(chatting: GatewayServer) -> None:
    answer = (await ask(chatting, body("[[sandbox: invents=rm_rf]] Go", tools_to_use=["calculator"]))).json()

    assert "There is no tool of that name." in answer["choices"][0]["message"]["content"]
    assert answer["meta"]["tools"] == []


async def test_tools_are_picked_by_what_is_asked_where_that_is_wanted(chatting: GatewayServer) -> None:
    chatting.sandbox.clear()
    await ask(chatting, body("What is 6 * 7?", auto_tool_selection=True))
    await ask(chatting, body("Write a haiku.", auto_tool_selection=True))
    await ask(chatting, body("What is 6 * 7?"))

    offered = [[tool["name"] for tool in request.get("tools", ())] for request in chatting.sandbox.bodies()]
    assert offered == [["calculator"], [], []]


async def test_a_name_that_clients_know_is_a_tool_of_ours(chatting: GatewayServer, search: tuple[Search, str]) -> None:
    search[0].asked.clear()
    asked = body("[[sandbox: tool=web_search; words=aspirin]] Go", tools_to_use=["google_search", "tavily_search"])
    answer = (await ask(chatting, asked)).json()

    assert search[0].asked == ["aspirin"]
    assert "A salicylate." in answer["choices"][0]["message"]["content"]


async def test_uses_are_records_in_the_books_and_the_audit_log(chatting: GatewayServer) -> None:
    tenant = await make_tenant(chatting.storage, allotment=1_000_000, scopes=(Scope.AI_CHAT, Scope.CONTROL_READ))
    asked = body("[[sandbox: tool=web_search; words=aspirin]] Go", tools_to_use=["web_search"])
    meta = (await ask(chatting, asked, key=tenant.token)).json()["meta"]
    usage = (await chatting.get("/v1/usage", key=tenant.token)).json()["data"]
    record = (await chatting.get(f"/v1/ai/messages/{meta['tools'][0]['message_id']}", key=tenant.token)).json()["data"]
    audited = (await chatting.get("/v1/audit?action=ai.tool.used", key=tenant.token)).json()["data"]

    assert usage["credits"]["used"] == meta["credits"]
    assert {line["model"]: line["credits"] for line in usage["by_model"]}["tool:web_search"] == 70
    assert (record["model"], record["status"], record["surface"]) == ("tool:web_search", "completed", "harness")
    assert [(entry["metadata"]["tool"], entry["metadata"]["credits"]) for entry in audited] == [("web_search", 70)]
    assert "aspirin" not in orjson.dumps(audited).decode()


async def test_a_tool_that_cannot_be_paid_is_not_run(chatting: GatewayServer, search: tuple[Search, str]) -> None:
    search[0].asked.clear()
    asked = body("[[sandbox: tool=web_search; words=aspirin]] Go", tools_to_use=["web_search"], max_tokens=10)
    cost = (await ask(chatting, asked)).json()["meta"]["rounds"][0]["usage"]["sonnet_equivalent_tokens"]
    search[0].asked.clear()
    poor = await make_tenant(chatting.storage, allotment=cost + 2_500)
    replies = [await ask(chatting, asked, key=poor.token) for _ in range(20)]

    refused = [reply for reply in replies if reply.status == 429]
    assert refused
    assert refused[0].json()["error"]["code"] == "AI_CREDITS_EXHAUSTED"
    assert refused[0].headers["x-should-retry"] == "false"


async def test_a_refusal_amid_a_stream_is_a_line_of_its_own(chatting: GatewayServer) -> None:
    asked = body("[[sandbox: error_after=2]] a b c d", model="gpt-5.4", stream=True)
    told = lines(await ask(chatting, asked))

    assert told[-1]["type"] == "error"
    assert told[-1]["error"]["code"] == "INFERENCE_UPSTREAM_FAILURE"
    assert not any(line["type"] == "done" for line in told)


async def test_auto_chooses_and_says_what(chatting: GatewayServer) -> None:
    reply = await ask(chatting, body(model="auto"))

    assert reply.status == 200
    assert reply.headers["hasp-model"] == reply.json()["model"] != "auto"


async def test_a_blocking_organization_sends_nothing(chatting: GatewayServer) -> None:
    blocking = await make_tenant(chatting.storage, phi_mode=PhiMode.BLOCK)
    reply = await ask(chatting, body("Patient Ottilie Vandersloot, MRN 88231407."), key=blocking.token)

    assert (reply.status, reply.json()["error"]["code"]) == (403, "PHI_BLOCKED")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_chat_that_is_asked_twice_under_one_key_is_made_once(
    chatting: GatewayServer, search: tuple[Search, str], *, stream: bool
) -> None:
    search[0].asked.clear()
    asked = body("[[sandbox: tool=web_search; words=aspirin]] Go", tools_to_use=["web_search"], stream=stream)
    headers = {"x-api-key": chatting.live_key, "idempotency-key": f"chat-{stream}"}
    first, second = [await chatting.request("POST", CHAT, asked, key=None, headers=headers) for _ in range(2)]

    def told(reply: Reply) -> tuple[str, Json]:
        if not stream:
            return reply.json()["choices"][0]["message"]["content"], reply.json()["meta"]
        events = lines(reply)
        return "".join(line["message"] for line in events if line["type"] == "content"), events[-2]["meta"]

    assert search[0].asked == ["aspirin"]
    assert told(first) == told(second)
    assert ("idempotent-replayed" in first.headers, second.headers["idempotent-replayed"]) == (False, "true")


@pytest.mark.parametrize("stop", ["max_tokens", "refusal", "model_context_window_exceeded"])
async def test_no_tool_is_used_for_an_answer_that_was_broken_off(chatting: GatewayServer, stop: str) -> None:
    asked = body(f"[[sandbox: stop={stop}; words=6*7; tool=calculator]] Go", tools_to_use=["calculator"])
    told = (await ask(chatting, asked)).json()

    assert (len(told["meta"]["rounds"]), told["meta"]["tools"]) == (1, [])
    assert told["choices"][0]["finish_reason"] in ("length", "content_filter")


async def test_an_answer_that_is_made_up_says_so(chatting: GatewayServer) -> None:
    assert (await ask(chatting, body())).headers["hasp-upstream"] == "sandbox"


async def test_a_caller_who_hangs_up_ends_the_run(chatting: GatewayServer) -> None:
    asked = body("[[sandbox: frames=500; delay_ms=20]] Go", stream=True)
    tenant = await make_tenant(chatting.storage)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await ask(chatting, asked, key=tenant.token)

    async with asyncio.timeout(20):
        while True:
            balance = (await chatting.get("/v1/usage", key=tenant.token)).json()["data"]["credits"]
            if balance["held"] == 0 and balance["used"] > 0:
                break


WRONG: dict[str, tuple[dict[str, Any], int, str | None]] = {
    "no messages": ({"messages": []}, 422, "messages"),
    "only a system": ({"messages": [{"role": "system", "content": "x"}]}, 422, "messages"),
    "two systems": ({"messages": [{"role": "system", "content": "x"}] * 2}, 422, "messages[1].role"),
    "an unknown role": ({"messages": [{"role": "Maria Lopez", "content": "x"}]}, 422, "messages[0].role"),
    "an empty message": ({"messages": [{"role": "user", "content": ""}]}, 422, "messages[0].content"),
    "tools of the client": ({"tools": [{"name": "x"}]}, 400, "tools"),
    "an unknown tool": ({"tools_to_use": ["calculator", "Maria Lopez"]}, 400, "tools_to_use[1]"),
    "no model": ({"model": None}, 400, "model"),
    "an unknown model": ({"model": "gpt-0"}, 404, "model"),
    "an unknown agent": ({"model": "agent-01900000-0000-7000-8000-000000000000"}, 404, "model"),
    "an agent that is none": ({"model": "agent-Maria"}, 404, "model"),
    "a file that is none": ({"file_uuids": ["Maria"]}, 422, "file_uuids[0]"),
    "two people": ({"end_user": "a", "metadata": {"user_id": "b"}}, 422, "end_user"),
}


@pytest.mark.parametrize("case", WRONG)
async def test_a_bad_form_is_told_by_its_place_and_quoted_nowhere(chatting: GatewayServer, case: str) -> None:
    fields, status, param = WRONG[case]
    reply = await ask(chatting, body() | fields)

    told = reply.json()
    assert (reply.status, told["error"]["param"]) == (status, param)
    assert b"Maria" not in reply.body
    assert isinstance(told["detail"], list) == (status == 422)
    assert told["request_id"] == reply.headers["x-request-id"]


async def test_what_nobody_knows_is_ignored(chatting: GatewayServer) -> None:
    assert (await ask(chatting, body(mode="turbo", never_heard_of=[1]))).status == 200


async def test_models_are_listed_with_auto(chatting: GatewayServer) -> None:
    reply = await chatting.request("GET", "/v1/chat/models", key=None, headers={"x-api-key": chatting.live_key})

    listed = {model["name"]: model for model in reply.json()["data"]}
    assert {HAIKU, GPT, "auto"} <= set(listed)
    assert not any("opus" in name for name in listed)
    assert listed[HAIKU]["vision"] is True
    assert all({"name", "developer", "display_name", "max_tokens", "vision"} <= set(model) for model in listed.values())


async def test_tools_are_listed(chatting: GatewayServer) -> None:
    reply = await chatting.request("GET", "/v1/chat/tools", key=None, headers={"x-api-key": chatting.live_key})

    listed = {tool["name"]: (tool["leaves"], tool["credits"]) for tool in reply.json()["data"]}
    assert listed["calculator"] == (False, 3)
    assert listed["web_search"] == (True, 70)


async def test_a_bearer_token_is_not_taken_here(chatting: GatewayServer) -> None:
    reply = await chatting.post(CHAT, body())

    assert (reply.status, "X-API-Key" in reply.json()["detail"]) == (401, True)
    assert "X-API-Key" in reply.headers["www-authenticate"]


class Desk:
    """An organisation's agents, as its key with all rights manages them."""

    def __init__(self, server: GatewayServer, token: str) -> None:
        self._server = server
        self._token = token

    async def send(self, method: str, path: str, body: object = None, **headers: str) -> Reply:
        return await self._server.request(method, path, body, key=None, headers={"x-api-key": self._token, **headers})


@pytest_asyncio.fixture
async def desk(chatting: GatewayServer) -> Desk:
    tenant = await make_tenant(chatting.storage, scopes=(Scope.AI_CHAT, Scope.CONTROL_READ, Scope.CONTROL_WRITE))
    return Desk(chatting, tenant.token)


NIGHT = {"name": "Night desk", "instructions": "Be brief.", "model": GPT, "tools": ["calculator"]}


async def test_a_chat_begins_with_what_its_agent_is_told(chatting: GatewayServer, desk: Desk) -> None:
    agent = (await desk.send("POST", AGENTS, NIGHT)).json()
    chatting.sandbox.clear()
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": CALCULATE.format("6*7")}]
    reply = await desk.send("POST", CHAT, {"model": f"agent-{agent['id']}", "messages": messages})

    assert reply.json()["choices"][0]["message"]["content"] == "Echo: 42"
    assert (reply.headers["hasp-model"], reply.json()["model"]) == (GPT, GPT)
    sent = orjson.dumps(chatting.sandbox.bodies()[0]).decode()
    assert sent.index("Be brief.") < sent.index("Be kind.")


async def test_an_agent_is_listed_read_changed_and_deleted(desk: Desk) -> None:
    made = await desk.send("POST", AGENTS, NIGHT)
    place = made.headers["location"]
    changed = await desk.send("PATCH", place, {"instructions": "Be kind."}, **{"if-match": made.headers["etag"]})
    stale = await desk.send("PATCH", place, {"instructions": "No."}, **{"if-match": made.headers["etag"]})
    listed = (await desk.send("GET", AGENTS)).json()["data"]
    read = (await desk.send("GET", place)).json()
    gone = await desk.send("DELETE", place)
    again = await desk.send("DELETE", place)

    assert (made.status, changed.status, stale.status) == (201, 200, 412)
    assert listed == [read] == [changed.json()]
    assert (read["name"], read["instructions"], read["tools"]) == ("Night desk", "Be kind.", ["calculator"])
    assert (gone.json(), again.status) == ({"id": read["id"], "deleted": True}, 404)


async def test_an_agent_of_others_is_not_found(chatting: GatewayServer, desk: Desk) -> None:
    made = (await desk.send("POST", AGENTS, NIGHT)).json()

    asked = await ask(chatting, body(model=f"agent-{made['id']}"))
    assert (asked.status, asked.json()["error"]["code"]) == (404, "RESOURCE_NOT_FOUND")


async def test_making_an_agent_twice_under_one_key_makes_one(desk: Desk) -> None:
    first = await desk.send("POST", AGENTS, NIGHT, **{"idempotency-key": "one"})
    second = await desk.send("POST", AGENTS, NIGHT, **{"idempotency-key": "one"})

    assert first.json() == second.json()
    assert len((await desk.send("GET", AGENTS)).json()["data"]) == 1


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"name": ""}, 422, "name"),
        ({"model": "gpt-0"}, 422, "model"),
        ({"tools": ["x"]}, 400, "tools[0]"),
        ({"sources": ["x"]}, 422, "sources[0]"),
    ],
)
async def test_an_agent_that_could_not_be_asked_is_not_made(
    desk: Desk, fields: dict[str, Any], status: int, param: str
) -> None:
    reply = await desk.send("POST", AGENTS, NIGHT | fields)

    assert (reply.status, reply.json()["error"]["param"]) == (status, param)


async def test_who_may_only_chat_changes_no_agents(chatting: GatewayServer) -> None:
    reply = await chatting.request("POST", AGENTS, NIGHT, key=None, headers={"x-api-key": chatting.live_key})

    assert (reply.status, reply.json()["error"]["code"]) == (403, "MISSING_SCOPE")

"""`/v1/openai/responses` over real HTTP, event by event, as OpenAI's clients read it (spec, hatz 13.1 and 13.2)."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import orjson
import pytest

from gateway.tenancy import Scope, StorageMode
from storage.answered_items import LONGEST
from tests.gateway_server import GatewayServer, Json, Reply
from tests.tenants import make_tenant

RESPONSES = "/v1/openai/responses"
GPT, CLAUDE = "gpt-5.4-mini", "claude-haiku-4-5"
SCHEMA = {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]}
TOOL = {"type": "function", "name": "find_slot", "parameters": SCHEMA}
every_model = pytest.mark.parametrize("model", [GPT, CLAUDE])


def body(text: object = "Hello there", *, model: str = GPT, **fields: object) -> Json:
    return {"model": model, "input": text, **fields}


def user(text: str) -> Json:
    return {"role": "user", "content": text}


def frames(reply: Reply) -> list[Json]:
    """The events of a stream: named twice alike, numbered without a gap, none with an `error` that ends clients."""
    assert reply.headers["content-type"].startswith("text/event-stream")
    told: list[Json] = []
    for frame in reply.body.decode().split("\n\n")[:-1]:
        name, data = frame.split("\n")
        event = orjson.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        told.append(event)
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    assert not any("error" in event for event in told)
    return told


def kinds(events: list[Json]) -> list[str]:
    """Their types, a run of deltas once."""
    types = [event["type"].removeprefix("response.") for event in events]
    return [types[0], *(after for before, after in pairwise(types) if not (before == after and "delta" in after))]


def heard(server: GatewayServer) -> Json:
    return server.sandbox.bodies()[-1]


@every_model
async def test_a_response_is_openais_to_the_field(gateway_server: GatewayServer, model: str) -> None:
    reply = await gateway_server.post(RESPONSES, body(model=model))

    answer = reply.json()
    (item,) = answer["output"]
    assert (answer["object"], answer["status"], answer["model"]) == ("response", "completed", model)
    assert item == {
        "id": item["id"],
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "Echo: Hello there", "annotations": [], "logprobs": []}],
    }
    assert (answer["error"], answer["incomplete_details"], answer["store"]) == (None, None, False)
    assert (answer["tools"], answer["tool_choice"], answer["parallel_tool_calls"]) == ([], "auto", True)
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert set(usage["input_tokens_details"]) == {"cached_tokens", "cache_write_tokens"}
    assert answer["id"].removeprefix("resp_") == reply.headers["x-request-id"].removeprefix("req_")


@every_model
async def test_a_text_takes_nine_steps_each_with_all_there_is(gateway_server: GatewayServer, model: str) -> None:
    events = frames(await gateway_server.post(RESPONSES, body("One two", model=model, stream=True)))

    assert kinds(events) == [
        *("created", "in_progress", "output_item.added", "content_part.added", "output_text.delta"),
        *("output_text.done", "content_part.done", "output_item.done", "completed"),
    ]
    created, began, added, part, *deltas, done, part_done, item_done, completed = events
    item, place = item_done["item"], {"item_id": item_done["item"]["id"], "output_index": 0, "content_index": 0}
    assert [(each["response"]["status"], each["response"]["output"]) for each in (created, began)] == [
        ("in_progress", [])
    ] * 2
    assert added["item"] == {**item, "status": "in_progress", "content": []}
    assert part["part"] == {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    assert "".join(delta["delta"] for delta in deltas) == done["text"] == part_done["part"]["text"] == "Echo: One two"
    for each in (part, *deltas, done, part_done):
        assert {name: each[name] for name in place} == place
    assert all(delta["logprobs"] == [] for delta in deltas)
    assert item["content"] == [part_done["part"]]
    assert (completed["response"]["status"], completed["response"]["output"]) == ("completed", [item])
    assert completed["response"]["usage"]["output_tokens"] > 0
    assert completed["response"]["id"] == created["response"]["id"]


@every_model
async def test_a_call_of_a_function_takes_its_steps(gateway_server: GatewayServer, model: str) -> None:
    asked = body("[[sandbox: tool=find_slot; chunk=3]] Tuesday", model=model, tools=[TOOL], stream=True)
    events = frames(await gateway_server.post(RESPONSES, asked))

    assert kinds(events)[2:] == [
        *("output_item.added", "function_call_arguments.delta", "function_call_arguments.done"),
        *("output_item.done", "completed"),
    ]
    added, *deltas, done, item_done, completed = events[2:]
    item = item_done["item"]
    assert added["item"] == {**item, "status": "in_progress", "arguments": ""}
    assert "".join(delta["delta"] for delta in deltas) == done["arguments"] == item["arguments"]
    assert (done["name"], item["name"], orjson.loads(item["arguments"])) == (
        "find_slot",
        "find_slot",
        {"day": "Tuesday"},
    )
    assert completed["response"]["output"] == [item]


@every_model
async def test_a_stream_and_a_whole_answer_say_the_same(gateway_server: GatewayServer, model: str) -> None:
    asked = body("[[sandbox: thinking=on; tool=find_slot; tools=2]] Tuesday", model=model, tools=[TOOL])
    whole = (await gateway_server.post(RESPONSES, asked)).json()
    streamed = frames(await gateway_server.post(RESPONSES, {**asked, "stream": True}))[-1]["response"]

    def shape(answer: Json) -> list[Json]:
        return [{**item, "id": "", "call_id": "", "encrypted_content": ""} for item in answer["output"]]

    assert shape(whole) == shape(streamed)
    assert [item["type"] for item in whole["output"]] == ["reasoning", "function_call", "function_call"]
    assert {**streamed, "id": 0, "created_at": 0, "output": 0, "usage": 0} == {
        name: value
        for name, value in {**whole, "id": 0, "created_at": 0, "output": 0, "usage": 0}.items()
        if name != "meta"
    }


async def test_reasoning_takes_its_steps_and_can_be_sent_back(gateway_server: GatewayServer) -> None:
    asked = body([user("[[sandbox: thinking=on]] Why?")], model=CLAUDE, stream=True)
    events = frames(await gateway_server.post(RESPONSES, asked))
    output = events[-1]["response"]["output"]
    again = await gateway_server.post(RESPONSES, body([*asked["input"], *output, user("And?")], model=CLAUDE))

    assert kinds(events)[2:7] == [
        *("output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta"),
        *("reasoning_summary_text.done", "reasoning_summary_part.done"),
    ]
    assert output[0]["encrypted_content"]
    assert again.json()["output"][-1]["content"][0]["text"] == "Echo: And?"
    assert [block["type"] for block in heard(gateway_server)["messages"][1]["content"]] == ["thinking", "text"]


@every_model
async def test_functions_make_two_round_trips(gateway_server: GatewayServer, model: str) -> None:
    items: list[Json] = [user("[[sandbox: tool=find_slot]] Tuesday")]
    for result in ("[[sandbox: tool=find_slot; words=Friday]]", "nine"):
        output = (await gateway_server.post(RESPONSES, body(items, model=model, tools=[TOOL]))).json()["output"]
        calls = [item for item in output if item["type"] == "function_call"]
        items += output
        items += [{"type": "function_call_output", "call_id": each["call_id"], "output": result} for each in calls]

    last = await gateway_server.post(RESPONSES, body(items, model=model, tools=[TOOL]))
    assert last.json()["output"][0]["content"][0]["text"] == "Echo: nine"


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_was_cut_is_incomplete(gateway_server: GatewayServer, *, stream: bool) -> None:
    reply = await gateway_server.post(RESPONSES, body("[[sandbox: stop=max_tokens]] a b", stream=stream))

    events = frames(reply) if stream else []
    answer = events[-1]["response"] if stream else reply.json()
    assert not stream or events[-1]["type"] == "response.incomplete"
    assert (answer["status"], answer["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert answer["usage"]["output_tokens"] > 0


@pytest.mark.parametrize("stream", [False, True])
async def test_a_refusal_without_a_word_is_told_as_one(gateway_server: GatewayServer, *, stream: bool) -> None:
    asked = body("[[sandbox: stop=refusal; text=]]", model=CLAUDE, stream=stream)
    reply = await gateway_server.post(RESPONSES, asked)

    events = frames(reply) if stream else []
    answer = events[-1]["response"] if stream else reply.json()
    (part,) = answer["output"][-1]["content"]
    assert (answer["status"], part["type"]) == ("completed", "refusal")
    assert part["refusal"]
    if stream:
        types = [event["type"] for event in events]
        assert types[-6:] == [
            "response.content_part.added",
            "response.refusal.delta",
            "response.refusal.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]


async def test_a_stream_that_breaks_ends_in_a_failed_response(gateway_server: GatewayServer) -> None:
    events = frames(
        await gateway_server.post(RESPONSES, body("[[sandbox: drop_after=2]] a b c", model="gpt-5.4", stream=True))
    )

    failed = events[-1]
    assert failed["type"] == "response.failed"
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["error"]["code"] == "INFERENCE_UPSTREAM_FAILURE"
    assert failed["response"]["error"]["message"]


async def test_an_item_that_was_said_can_be_referred_to(gateway_server: GatewayServer) -> None:
    first = (await gateway_server.post(RESPONSES, body([user("One")]))).json()["output"][0]
    input_items = [user("One"), {"type": "item_reference", "id": first["id"]}, {"id": first["id"]}, user("Two")]
    reply = await gateway_server.post(RESPONSES, body(input_items, model=CLAUDE))

    assert reply.json()["output"][0]["content"][0]["text"] == "Echo: Two"
    said = heard(gateway_server)["messages"][1]
    assert [block["text"] for block in said["content"]] == ["Echo: One"] * 2


async def test_a_call_that_is_referred_to_goes_before_its_result(gateway_server: GatewayServer) -> None:
    asked = body([user("[[sandbox: tool=find_slot]] Tuesday")], tools=[TOOL])
    (call,) = (await gateway_server.post(RESPONSES, asked)).json()["output"]
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "nine"}
    asked["input"] += [{"type": "item_reference", "id": call["id"]}, result]

    assert (await gateway_server.post(RESPONSES, asked)).json()["output"][0]["content"][0]["text"] == "Echo: nine"


async def test_what_is_referred_to_was_opened_and_the_audit_log_says_so(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, scopes=(Scope.AI_CHAT, Scope.CONTROL_READ))
    first = (await gateway_server.post(RESPONSES, body(), key=tenant.token)).json()["output"][0]
    asked = body([user("One"), {"id": first["id"]}, user("Two")])
    await gateway_server.post(RESPONSES, asked, key=tenant.token)

    entries = (await gateway_server.get("/v1/audit?action=ai.request.completed", key=tenant.token)).json()["data"]
    recalling = [entry["metadata"] for entry in entries if entry["metadata"].get("recalled_items")]
    assert [entry["recalled_items"] for entry in recalling] == [1]
    assert "history.read" in recalling[0]["compliance_events"]


@pytest.mark.parametrize("of", ["others", "nobody", "no kept content", "no such place", "another surface", "long ago"])
async def test_a_reference_that_leads_nowhere_is_told_with_what_to_do(gateway_server: GatewayServer, of: str) -> None:
    mode = StorageMode.NONE if of == "no kept content" else StorageMode.FULL
    tenant = await make_tenant(gateway_server.storage, storage_mode=mode)
    asker = await make_tenant(gateway_server.storage) if of == "others" else tenant
    identity = (await gateway_server.post(RESPONSES, body(), key=tenant.token)).json()["output"][0]["id"]
    if of == "nobody":
        identity = "msg_Maria_Lopez"
    elif of == "no such place":
        identity = identity[:-4] + "0007"
    elif of == "another surface":
        chat = {"model": GPT, "messages": [user("x")]}
        answer = await gateway_server.post("/v1/openai/chat/completions", chat, key=tenant.token)
        identity = f"msg_{answer.json()['id'].removeprefix('chatcmpl-')}0000"
    elif of == "long ago":
        async with gateway_server.storage.pool.connection() as connection:
            await connection.execute(
                "update inferences set created_at = created_at - %s where org_id = %s",
                [LONGEST + timedelta(minutes=1), tenant.org],
            )

    reply = await gateway_server.post(RESPONSES, body([user("a"), {"id": identity}, user("b")]), key=asker.token)

    error = reply.json()["error"]
    assert (reply.status, error["param"]) == (400, "input[1].id")
    assert "store: false" in error["message"]
    assert b"Maria" not in reply.body


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a response before it": ({"previous_response_id": "resp_1"}, "previous_response_id"),
    "a conversation": ({"conversation": "conv_1"}, "conversation"),
    "a prompt of the vendor's": ({"prompt": {"id": "pmpt_1"}}, "prompt"),
    "work in the background": ({"background": True}, "background"),
    "nothing": ({"input": []}, "input"),
    "references to too many answers": (
        {"input": [user("x"), *({"id": f"msg_01M83FTGEBJF890KRK1HM{place:05d}0000"} for place in range(257))]},
        "input",
    ),
    "only a developer": ({"input": [{"role": "developer", "content": "x"}]}, "input"),
    "an unknown role": ({"input": [{"role": "Maria Lopez", "content": "x"}]}, "input[0].role"),
    "an unknown item": ({"input": [{"type": "Maria Lopez"}]}, "input[0].type"),
    "arguments that are no object": (
        {"input": [{"type": "function_call", "call_id": "a", "name": "f", "arguments": "[1]"}]},
        "input[0].arguments",
    ),
    "a file's id": (
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]},
        "input[0].content[0].file_data",
    ),
    "a choice of a tool that was left out": (
        {"tools": [{"type": "web_search"}], "tool_choice": {"type": "web_search"}},
        "tool_choice",
    ),
    "a schema without one": ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema"),
    "two functions of one name": ({"tools": [TOOL, TOOL]}, "tools"),
    "a hot answer": ({"temperature": 3}, "temperature"),
    "an assistant": ({"model": "agent_1"}, "model"),
    "auto": ({"model": "auto"}, "model"),
}


@pytest.mark.parametrize("case", WRONG)
async def test_a_bad_form_is_a_400_that_names_its_place_and_quotes_nothing(
    gateway_server: GatewayServer, case: str
) -> None:
    fields, param = WRONG[case]
    reply = await gateway_server.post(RESPONSES, body() | fields)

    error = reply.json()["error"]
    assert (reply.status, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert b"Maria" not in reply.body


async def test_null_is_as_good_as_absent(gateway_server: GatewayServer) -> None:
    nothing = dict.fromkeys(("previous_response_id", "conversation", "prompt", "background", "instructions", "tools"))

    assert (await gateway_server.post(RESPONSES, body(**nothing))).status == 200


async def test_tools_in_every_form_are_taken_or_named(gateway_server: GatewayServer) -> None:
    nested = {"type": "function", "function": {**TOOL, "name": "nested"}}
    space = {"type": "namespace", "name": "agents", "tools": [{**TOOL, "name": "spaced"}]}
    other = [{"type": "web_search"}, {"type": "custom", "name": "x"}, {"type": "mcp", "server_label": "x"}]
    reply = await gateway_server.post(RESPONSES, body(tools=[TOOL, nested, space, *other]))

    assert [tool["name"] for tool in heard(gateway_server)["tools"]] == ["find_slot", "nested", "spaced"]
    assert reply.headers["hasp-ignored-parameters"] == "tools[3], tools[4], tools[5]"


async def test_of_functions_in_namespaces_with_one_name_the_first_is_taken(gateway_server: GatewayServer) -> None:
    spaces = [{"type": "namespace", "name": name, "tools": [{**TOOL, "name": "ask"}]} for name in ("one", "other")]
    reply = await gateway_server.post(RESPONSES, body(tools=spaces))

    assert [tool["name"] for tool in heard(gateway_server)["tools"]] == ["ask"]
    assert (reply.status, reply.headers["hasp-ignored-parameters"]) == (200, "tools[1].tools[0]")


async def test_settings_that_a_model_has_not_are_left_out_and_told(gateway_server: GatewayServer) -> None:
    settings: dict[str, Any] = {"temperature": 0.2, "top_p": 0.5, "max_output_tokens": 10**9}
    reply = await gateway_server.post(RESPONSES, body(**settings))

    assert reply.status == 200
    assert {*reply.headers["hasp-ignored-parameters"].split(", ")} == {*settings}
    assert not {"temperature", "top_p"} & heard(gateway_server).keys()


async def test_what_is_asked_for_is_said_back(gateway_server: GatewayServer) -> None:
    asked: dict[str, Any] = {"instructions": "Be brief.", "metadata": {"a": "b"}, "user": "ward-4"}
    asked |= {"temperature": 1, "top_p": 1}
    answer = (await gateway_server.post(RESPONSES, body(**asked, store=True))).json()

    assert {name: answer[name] for name in asked} == asked
    assert answer["store"] is False


async def test_a_developer_is_the_system_and_keeps_the_place_of_later_words(gateway_server: GatewayServer) -> None:
    said = [{"role": "developer", "content": "Be brief."}, user("One"), {"role": "system", "content": "Now shout."}]
    await gateway_server.post(RESPONSES, body([*said, user("Two")], instructions="Be kind.", model=CLAUDE))

    sent = heard(gateway_server)
    assert [block["text"] for block in sent["system"]][:2] == ["Be kind.", "Be brief."]
    assert "Now shout." in orjson.dumps(sent).decode()


CODEX: Json = {
    "model": GPT,
    "instructions": "You are a coding agent.",
    "input": [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "<permissions>"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "<environment>"}]},
        {"type": "message", "id": "msg_mine", "role": "user", "content": [{"type": "input_text", "text": "Go"}]},
    ],
    "tools": [
        {"type": "function", "name": "exec_command", "strict": False, "parameters": SCHEMA},
        {"type": "namespace", "name": "agents", "tools": [{"type": "function", "name": "spawn", "parameters": SCHEMA}]},
        {"type": "web_search", "external_web_access": False},
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "reasoning": {"effort": "medium", "summary": "auto"},
    "store": False,
    "stream": True,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "0198",
    "client_metadata": {"session": "x"},
    "text": {"verbosity": "medium"},
}
OPENCODE: Json = {
    "model": GPT,
    "input": [{"role": "developer", "content": "You are OpenCode."}, user("Go")],
    "max_output_tokens": 32_000,
    "text": {"verbosity": "low"},
    "store": False,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "ses_1",
    "reasoning": {"effort": "medium", "summary": "auto"},
    "tools": [{**TOOL, "strict": False}],
    "tool_choice": "auto",
    "stream": True,
}


@every_model
@pytest.mark.parametrize("sent", [CODEX, OPENCODE], ids=["Codex CLI", "OpenCode"])
async def test_what_coding_agents_send_is_answered(gateway_server: GatewayServer, sent: Json, model: str) -> None:
    headers = {"session-id": "x", "originator": "codex_exec", "x-client-request-id": "x", "x-session-affinity": "x"}
    reply = await gateway_server.post(RESPONSES, {**sent, "model": model}, headers=headers)

    assert frames(reply)[-1]["type"] == "response.completed"


async def test_tokens_of_an_input_are_counted(gateway_server: GatewayServer) -> None:
    reply = await gateway_server.post(f"{RESPONSES}/input_tokens", body())
    more = await gateway_server.post(f"{RESPONSES}/input_tokens", body("Hello there " * 50, tools=[TOOL]))

    assert reply.json()["object"] == "response.input_tokens"
    assert more.json()["input_tokens"] > reply.json()["input_tokens"] > 0


async def test_whom_a_request_names_is_an_end_user(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, scopes=(Scope.AI_CHAT, Scope.END_USERS_READ))
    for field in ("user", "safety_identifier"):
        await gateway_server.post(RESPONSES, body(**{field: "maria.lopez@mercy.example"}), key=tenant.token)

    listed = await gateway_server.get(f"/v1/orgs/{tenant.org}/end-users", key=tenant.token)
    assert [person["name"] for person in listed.json()["data"]] == ["maria.lopez@mercy.example"]

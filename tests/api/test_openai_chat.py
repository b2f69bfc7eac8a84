"""`/v1/openai/chat/completions` and `/v1/openai/models` over real HTTP, as OpenAI's clients know them."""

from typing import Any

import orjson
import pytest

from tests.gateway_server import GatewayServer, Json, Reply
from tests.tenants import make_tenant

CHAT = "/v1/openai/chat/completions"
GPT, CLAUDE = "gpt-5.4-mini", "claude-haiku-4-5"
SCHEMA = {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]}
TOOL = {"type": "function", "function": {"name": "find_slot", "parameters": SCHEMA}}
every_model = pytest.mark.parametrize("model", [GPT, CLAUDE])


def body(text: str = "Hello there", *, model: str = GPT, **fields: object) -> Json:
    return {"model": model, "messages": [{"role": "user", "content": text}], **fields}


def chunks(reply: Reply) -> list[Json]:
    """What the lines of a stream say; the last of them is its end."""
    *lines, last = [line for line in reply.body.split(b"\n\n") if line]
    assert last == b"data: [DONE]"
    assert all(line.startswith(b"data: ") for line in lines)
    return [orjson.loads(line.removeprefix(b"data: ")) for line in lines]


def joined(said: list[Json], name: str) -> str:
    return "".join(each["choices"][0]["delta"].get(name) or "" for each in said if each["choices"])


def heard(gateway_server: GatewayServer) -> Json:
    return orjson.loads(gateway_server.sandbox.requests()[-1]["body"])


@every_model
async def test_an_answer_is_a_chat_completion(gateway_server: GatewayServer, model: str) -> None:
    reply = await gateway_server.post(CHAT, body(model=model))

    answer = reply.json()
    assert (reply.status, answer["object"], answer["model"]) == (200, "chat.completion", model)
    assert answer["id"].startswith("chatcmpl-")
    assert answer["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Echo: Hello there", "refusal": None, "annotations": []},
            "finish_reason": "stop",
            "logprobs": None,
        }
    ]
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert answer["meta"]["usage"]["sonnet_equivalent_tokens"] > 0


@every_model
async def test_a_stream_ends_with_why_and_then_done(gateway_server: GatewayServer, model: str) -> None:
    reply = await gateway_server.post(CHAT, body("One two three", model=model, stream=True))

    assert reply.headers["content-type"].startswith("text/event-stream")
    said = chunks(reply)
    assert said[0]["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert joined(said, "content") == "Echo: One two three"
    assert [each["choices"][0]["finish_reason"] for each in said] == [None] * (len(said) - 1) + ["stop"]
    assert {(each["id"], each["object"], each["model"]) for each in said} == {
        (said[0]["id"], "chat.completion.chunk", model)
    }
    assert not any("usage" in each for each in said)


async def test_usage_comes_after_the_end_where_it_is_asked_for(gateway_server: GatewayServer) -> None:
    options = {"include_usage": True}
    *said, last = chunks(await gateway_server.post(CHAT, body(stream=True, stream_options=options)))

    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 5
    assert [each["usage"] for each in said] == [None] * len(said)


@every_model
async def test_a_tool_is_called_answered_and_called_again(gateway_server: GatewayServer, model: str) -> None:
    asked = body("[[sandbox: tool=find_slot; tools=2]] Tuesday", model=model, tools=[TOOL])
    first = (await gateway_server.post(CHAT, asked)).json()["choices"][0]
    calls = first["message"]["tool_calls"]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "nine"} for call in calls]
    asked["messages"] += [first["message"], *results]
    second = (await gateway_server.post(CHAT, asked)).json()["choices"][0]

    assert (first["finish_reason"], first["message"]["content"]) == ("tool_calls", None)
    assert [(call["type"], call["function"]["name"]) for call in calls] == [("function", "find_slot")] * 2
    assert [orjson.loads(call["function"]["arguments"]) for call in calls] == [{"day": "Tuesday"}] * 2
    assert "nine" in second["message"]["content"]


@every_model
async def test_calls_in_a_stream_have_places_and_whole_arguments(gateway_server: GatewayServer, model: str) -> None:
    asked = body("[[sandbox: tool=find_slot; tools=2; chunk=3]] Tuesday", model=model, tools=[TOOL], stream=True)
    said = chunks(await gateway_server.post(CHAT, asked))

    arguments: dict[int, str] = {}
    begun: list[tuple[int, str]] = []
    for each in said:
        for call in each["choices"][0]["delta"].get("tool_calls", ()):
            arguments[call["index"]] = arguments.get(call["index"], "") + call["function"]["arguments"]
            if "id" in call:
                begun.append((call["index"], call["function"]["name"]))
    assert begun == [(0, "find_slot"), (1, "find_slot")]
    assert [orjson.loads(text) for text in arguments.values()] == [{"day": "Tuesday"}] * 2
    assert said[-1]["choices"][0]["finish_reason"] == "tool_calls"


@every_model
async def test_a_call_without_arguments_has_an_empty_object(gateway_server: GatewayServer, model: str) -> None:
    tool = {"type": "function", "function": {"name": "ping"}}
    plain = await gateway_server.post(CHAT, body("[[sandbox: tool=ping]]x", model=model, tools=[tool]))
    streamed = await gateway_server.post(CHAT, body("[[sandbox: tool=ping]]x", model=model, tools=[tool], stream=True))

    assert plain.json()["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == "{}"
    pieces = [each["choices"][0]["delta"].get("tool_calls", ()) for each in chunks(streamed)]
    assert "".join(call["function"]["arguments"] for calls in pieces for call in calls) == "{}"


async def test_what_is_said_to_the_system_goes_where_the_vendor_wants_it(gateway_server: GatewayServer) -> None:
    messages = [
        {"role": "system", "content": "Be kind."},
        {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "user", "content": "Hello"},
        {"role": "user", "content": "there"},
    ]
    await gateway_server.post(CHAT, body(model=CLAUDE) | {"messages": messages})

    sent = heard(gateway_server)
    assert [block["text"] for block in sent["system"]] == ["Be kind.", "Be brief."]
    assert [len(message["content"]) for message in sent["messages"]] == [2]


async def test_settings_reach_the_vendor_by_its_own_names(gateway_server: GatewayServer) -> None:
    settings: dict[str, Any] = {"max_tokens": 77, "stop": "END", "temperature": 0.5, "user": "ward-4"}
    await gateway_server.post(CHAT, body(model=CLAUDE, **settings))

    sent = heard(gateway_server)
    assert (sent["max_tokens"], sent["stop_sequences"], sent["temperature"]) == (77, ["END"], 0.5)


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
async def test_settings_that_a_model_has_not_are_left_out_and_told(gateway_server: GatewayServer, limit: str) -> None:
    settings: dict[str, Any] = {"temperature": 0.2, "top_p": 0.5, limit: 10**9}
    reply = await gateway_server.post(CHAT, body(**settings))

    told = {*reply.headers["hasp-ignored-parameters"].split(", ")}
    assert (reply.status, told) == (200, {"temperature", "top_p", "max_completion_tokens"})
    assert not {"temperature", "top_p"} & heard(gateway_server).keys()


async def test_without_a_limit_an_answer_has_what_the_model_can_say(gateway_server: GatewayServer) -> None:
    await gateway_server.post(CHAT, body(model=CLAUDE))

    assert heard(gateway_server)["max_tokens"] == 16_384


async def test_a_schema_is_kept_to(gateway_server: GatewayServer) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "day", "schema": SCHEMA, "strict": True}}
    reply = await gateway_server.post(CHAT, body("Friday", response_format=form))

    assert orjson.loads(reply.json()["choices"][0]["message"]["content"]) == {"day": "Friday"}


@pytest.mark.parametrize(
    ("directive", "finish"),
    [("stop=max_tokens", "length"), ("stop=refusal", "content_filter"), ("stop=end_turn", "stop")],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_why_an_answer_ends_is_told_in_openais_words(
    gateway_server: GatewayServer, directive: str, finish: str, *, stream: bool
) -> None:
    reply = await gateway_server.post(CHAT, body(f"[[sandbox: {directive}]] a b", model=CLAUDE, stream=stream))

    choice = (chunks(reply)[-1] if stream else reply.json())["choices"][0]
    assert choice["finish_reason"] == finish


async def test_reasoning_is_shown_beside_the_answer(gateway_server: GatewayServer) -> None:
    asked = body("[[sandbox: thinking=on]] Why?", model=CLAUDE)
    plain = (await gateway_server.post(CHAT, asked)).json()["choices"][0]["message"]
    streamed = chunks(await gateway_server.post(CHAT, {**asked, "stream": True}))

    assert plain["reasoning_content"]
    assert joined(streamed, "reasoning_content") == plain["reasoning_content"]
    assert joined(streamed, "content") == plain["content"] == "Echo: Why?"


@every_model
async def test_a_patient_is_restored_and_the_vendor_sees_none(gateway_server: GatewayServer, model: str) -> None:
    text = "Patient Ottilie Vandersloot, MRN 88231407, was seen."
    plain = await gateway_server.post(CHAT, body(text, model=model))
    streamed = await gateway_server.post(CHAT, body(text, model=model, stream=True))

    assert plain.json()["choices"][0]["message"]["content"] == f"Echo: {text}"
    assert joined(chunks(streamed), "content") == f"Echo: {text}"
    assert not any("Vandersloot" in request["body"] for request in gateway_server.sandbox.requests())


async def test_a_stream_that_breaks_ends_in_an_error_and_is_never_done(gateway_server: GatewayServer) -> None:
    asked = body("[[sandbox: error_after=2]] a b c d", model="gpt-5.4", stream=True)
    reply = await gateway_server.post(CHAT, asked)

    *_, last = [line for line in reply.body.split(b"\n\n") if line]
    error = orjson.loads(last.removeprefix(b"data: "))["error"]
    assert (error["type"], error["code"]) == ("server_error", "INFERENCE_UPSTREAM_FAILURE")
    assert error["request_id"] == reply.headers["x-request-id"]


async def test_what_nobody_knows_is_ignored_and_hints_without_a_reader_are_named(gateway_server: GatewayServer) -> None:
    unread: dict[str, Any] = {"seed": 1, "logit_bias": {}, "metadata": {"a": "b"}, "never_heard_of": [1], "n": 1}
    reply = await gateway_server.post(CHAT, body(**unread, tools=[TOOL, {"type": "custom", "custom": {"name": "x"}}]))

    assert reply.status == 200
    assert reply.headers["hasp-ignored-parameters"] == "logit_bias, metadata, seed, tools[1]"


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no messages": ({"messages": []}, "messages"),
    "only a system": ({"messages": [{"role": "system", "content": "x"}]}, "messages"),
    "an empty user": ({"messages": [{"role": "user", "content": ""}]}, "messages[0].content"),
    "an unknown role": ({"messages": [{"role": "Maria Lopez", "content": "x"}]}, "messages[0]"),
    "a role without content": ({"messages": [{"role": "user"}]}, "messages[0].content"),
    "sound": (
        {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": ""}}]}]},
        "messages[0].content[0].type",
    ),
    "a file's id": (
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}]},
        "messages[0].content[0].file.file_data",
    ),
    "arguments that are no object": (
        {
            "messages": [
                {"role": "user", "content": "x"},
                {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "[1]"}}]},
            ]
        },
        "messages[1].tool_calls[0].function.arguments",
    ),
    "two answers": ({"n": 2}, "n"),
    "sound out": ({"modalities": ["text", "audio"]}, "modalities"),
    "old functions": ({"functions": [{"name": "f"}]}, "functions"),
    "a schema without one": ({"response_format": {"type": "json_schema"}}, "response_format.json_schema.schema"),
    "a choice of no tool": (
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "x"}}},
        "tool_choice",
    ),
    "a limit of none": ({"max_completion_tokens": 0}, "max_completion_tokens"),
    "a hot answer": ({"temperature": 3}, "temperature"),
    "a model that is none": ({"model": "agent-01900000-0000-7000-8000-000000000000"}, "model"),
    "auto": ({"model": "auto"}, "model"),
}


@pytest.mark.parametrize("case", WRONG)
async def test_a_bad_form_is_a_400_that_names_its_place_and_quotes_nothing(
    gateway_server: GatewayServer, case: str
) -> None:
    fields, param = WRONG[case]
    reply = await gateway_server.post(CHAT, body() | fields)

    error = reply.json()["error"]
    assert (reply.status, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert b"Maria" not in reply.body


async def test_what_a_model_cannot_do_is_named_as_it_was_sent(gateway_server: GatewayServer) -> None:
    image = {"type": "image_url", "image_url": {"url": "https://a.example/x.png"}}
    messages = [{"role": "system", "content": "x"}, {"role": "user", "content": [{"type": "text", "text": "a"}, image]}]
    unread = await gateway_server.post(CHAT, body() | {"messages": messages})
    stopped = await gateway_server.post(CHAT, body(stop=["END"]))

    assert (unread.status, unread.json()["error"]["param"]) == (403, "messages[1].content[1]")
    assert (stopped.status, stopped.json()["error"]["param"]) == (400, "stop")


async def test_an_unknown_model_is_not_found_by_openais_word(gateway_server: GatewayServer) -> None:
    reply = await gateway_server.post(CHAT, body(model="gpt-0"))

    assert (reply.status, reply.json()["error"]["code"]) == (404, "model_not_found")


async def test_without_credits_clients_are_told_not_to_ask_again(gateway_server: GatewayServer) -> None:
    poor = await make_tenant(gateway_server.storage, allotment=1)
    reply = await gateway_server.post(CHAT, body(), key=poor.token)

    assert (reply.status, reply.json()["error"]["code"]) == (429, "insufficient_quota")
    assert reply.headers["x-should-retry"] == "false"


async def test_its_record_says_where_it_was_asked(gateway_server: GatewayServer) -> None:
    reply = await gateway_server.post(CHAT, body())

    record = (await gateway_server.get(f"/v1/ai/messages/{reply.headers['x-request-id']}")).json()["data"]
    assert (record["surface"], record["status"]) == ("chat_completions", "completed")


async def test_models_are_listed_as_openai_does(gateway_server: GatewayServer) -> None:
    listed = (await gateway_server.get("/v1/openai/models")).json()
    one = await gateway_server.get(f"/v1/openai/models/{GPT}")
    none = await gateway_server.get("/v1/openai/models/gpt-0")

    assert listed["object"] == "list"
    assert one.json() in listed["data"]
    assert one.json()["object"] == "model"
    assert not any("opus" in model["id"] for model in listed["data"])
    assert (none.status, none.json()["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/v1/openai", "/v1/openai/"])
async def test_somebody_is_there_and_says_nothing(gateway_server: GatewayServer, method: str, path: str) -> None:
    reply = await gateway_server.request(method, path, key=None)

    assert (reply.status, reply.body) == (200, b"")


@pytest.mark.parametrize("path", ["/v1/openai/responses/resp_1", "/v1/openai/responses/resp_1/cancel", "/v1/openai/x"])
async def test_what_is_not_here_is_not_found_in_openais_words(gateway_server: GatewayServer, path: str) -> None:
    reply = await gateway_server.get(path)

    assert (reply.status, reply.json()["error"]["type"]) == (404, "invalid_request_error")

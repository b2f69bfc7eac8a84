"""`/v1/anthropic/*` over real HTTP, as clients of another gateway know it."""

import re

import pytest

from tests.api import claude_code
from tests.gateway_server import GatewayServer, Json, Reply
from tests.grammar import assert_messages_stream
from tests.tenants import make_tenant

MESSAGES = "/v1/anthropic/messages"
HAIKU, SONNET, OPUS = "claude-haiku-4-5", "claude-sonnet-4-6", "claude-opus-4-7"
BOTH = pytest.mark.parametrize("base", ["/v1/anthropic", "/v1/anthropic/v1"])


def body(model: str = HAIKU, text: str = "Hello there", **fields: object) -> Json:
    return {"model": model, "max_tokens": 200, "messages": [{"role": "user", "content": text}], **fields}


def refusal(reply: Reply) -> tuple[int, str]:
    assert list(reply.json()) == ["type", "error", "request_id"]
    return reply.status, reply.json()["error"]["type"]


@BOTH
async def test_a_message_is_anthropics_and_nothing_else(gateway_server: GatewayServer, base: str) -> None:
    reply = await gateway_server.post(f"{base}/messages", body())

    message = reply.json()
    assert (reply.status, message["content"]) == (200, [{"type": "text", "text": "Echo: Hello there"}])
    assert (message["type"], message["role"], message["model"]) == ("message", "assistant", HAIKU)
    assert "meta" not in message
    assert "hasp-model" not in reply.headers


@BOTH
async def test_a_stream_is_anthropics_to_the_letter(gateway_server: GatewayServer, base: str) -> None:
    reply = await gateway_server.post(f"{base}/messages?beta=true", body(stream=True))

    assert_messages_stream(reply.events)


async def test_its_record_says_where_it_was_asked(gateway_server: GatewayServer) -> None:
    reply = await gateway_server.post(MESSAGES, body())

    record = (await gateway_server.get(f"/v1/ai/messages/{reply.json()['id']}")).json()["data"]
    assert (record["surface"], record["status"]) == ("anthropic", "completed")


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("haiku", HAIKU),
        ("sonnet", SONNET),
        ("claude-haiku-4-5-20251001", None),
        ("claude-sonnet-4-6-20260217", SONNET),
        ("claude-sonnet-4-6[1m]", SONNET),
        ("claude-sonnet-4-6-20260217[1m]", SONNET),
        ("anthropic.claude-sonnet-4-6", SONNET),
        ("gpt-5.4", None),
    ],
)
async def test_names_that_clients_know_stand_for_models_here(
    gateway_server: GatewayServer, asked: str, meant: str | None
) -> None:
    reply = await gateway_server.post(MESSAGES, body(asked))

    assert reply.status == 200, reply.body
    assert reply.json()["model"] == (meant or asked)
    assert reply.headers.get("hasp-model") == meant


@pytest.mark.parametrize("asked", ["opus", "claude-opus-4-7-20260527", OPUS])
async def test_a_model_that_is_shown_to_nobody_before_somebody_enabled_it_is_forbidden(
    gateway_server: GatewayServer, asked: str
) -> None:
    barred = await gateway_server.post(MESSAGES, body(asked))
    allowed = await make_tenant(gateway_server.storage, opus_enabled=True)
    taken = await gateway_server.post(MESSAGES, body(asked), key=allowed.token)

    assert refusal(barred) == (403, "permission_error")
    assert taken.json()["model"] == OPUS


@pytest.mark.parametrize(
    "asked", ["claude-sonnet-5", "claude-3-5-haiku-20241022", "claude", "sonnet-4", "[1m]", "x" * 5000]
)
async def test_a_model_that_nobody_knows_is_not_found(gateway_server: GatewayServer, asked: str) -> None:
    reply = await gateway_server.post(MESSAGES, body(asked))

    assert refusal(reply) == (404, "not_found_error")
    assert asked[:20] not in reply.json()["error"]["message"]


@pytest.mark.parametrize("asked", ["agent-0198f5a5-0000-7000-8000-000000000000", "agent_x", "auto"])
async def test_what_only_the_native_chat_knows_is_pointed_there(gateway_server: GatewayServer, asked: str) -> None:
    reply = await gateway_server.post(MESSAGES, body(asked))

    assert refusal(reply) == (400, "invalid_request_error")
    assert "/v1/chat/completions" in reply.json()["error"]["message"]


@pytest.mark.parametrize("model", [HAIKU, SONNET, "gpt-5.4"])
@pytest.mark.parametrize("thinking", [{"type": "adaptive"}, {"type": "enabled", "budget_tokens": 31_999}])
async def test_claude_code_is_answered_by_whatever_model_it_is_given(
    gateway_server: GatewayServer, model: str, thinking: Json
) -> None:
    asked = claude_code.turn(model, thinking=thinking)
    reply = await gateway_server.post(f"{MESSAGES}?beta=true", asked, headers=claude_code.HEADERS)

    assert reply.status == 200, reply.body
    assert_messages_stream(reply.events)
    assert "context_management" in reply.headers["hasp-ignored-parameters"]
    assert "tomorrow" not in reply.headers["hasp-ignored-parameters"]


async def test_what_claude_code_says_inside_its_messages_reaches_the_model(gateway_server: GatewayServer) -> None:
    gateway_server.sandbox.clear()

    await gateway_server.post(MESSAGES, claude_code.turn(SONNET), headers=claude_code.HEADERS)

    (sent,) = gateway_server.sandbox.bodies()
    assert "The date has changed." in str(sent)
    assert "tomorrow" not in str(sent)
    assert len(sent["tools"]) == 24


@pytest.mark.parametrize("method", ["HEAD", "GET"])
@pytest.mark.parametrize("path", ["/v1/anthropic", "/v1/anthropic/", "/v1/anthropic/v1"])
async def test_a_base_answers_whoever_asks_and_says_nothing(
    gateway_server: GatewayServer, method: str, path: str
) -> None:
    reply = await gateway_server.request(method, path, key=None)

    assert (reply.status, reply.body) == (200, b"")


@BOTH
async def test_tokens_are_counted_by_any_name(gateway_server: GatewayServer, base: str) -> None:
    prompt = {"model": "sonnet", "messages": [{"role": "user", "content": "How long?"}], "of_tomorrow": 1}

    counted = await gateway_server.post(f"{base}/messages/count_tokens?beta=true", prompt)

    assert counted.json()["input_tokens"] > 0
    assert counted.headers["hasp-model"] == SONNET
    entity = counted.headers["request-id"].removeprefix("req_")
    (entry,) = (await gateway_server.get(f"/v1/audit?entity_id={entity}")).json()["data"]
    assert entry["metadata"]["route"] == f"{base}/messages/count_tokens"
    assert entry["metadata"]["surface"] == "anthropic"


@BOTH
async def test_only_models_that_may_be_called_are_listed(gateway_server: GatewayServer, base: str) -> None:
    listed = (await gateway_server.get(f"{base}/models?limit=2")).json()
    rest = (await gateway_server.get(f"{base}/models?after_id={listed['last_id']}")).json()
    one = await gateway_server.get(f"{base}/models/sonnet")
    barred = await gateway_server.get(f"{base}/models/{OPUS}")

    shown = [*listed["data"], *rest["data"]]
    assert [model["id"] for model in shown] == [HAIKU, SONNET, "gpt-5.4", "gpt-5.4-mini", "gpt-5.3-codex"]
    assert list(shown[0]) == ["type", "id", "display_name", "created_at", "lifecycle"]
    assert (listed["has_more"], rest["has_more"]) == (True, False)
    assert one.json() == shown[1]
    assert refusal(barred) == (404, "not_found_error")


async def test_nothing_is_listed_that_no_agreement_covers(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, covers=["hasp_openai_baa_2026"])

    listed = (await gateway_server.get("/v1/anthropic/v1/models", key=tenant.token)).json()

    assert {model["id"] for model in listed["data"]} == {"gpt-5.4", "gpt-5.4-mini", "gpt-5.3-codex"}


async def test_without_credits_clients_are_told_not_to_try_again(gateway_server: GatewayServer) -> None:
    poor = await make_tenant(gateway_server.storage, allotment=0)
    unsigned = await make_tenant(gateway_server.storage, agreement=False)

    spent = await gateway_server.post(MESSAGES, body(), key=poor.token)
    uncovered = await gateway_server.post(MESSAGES, body(), key=unsigned.token)

    assert refusal(spent) == (429, "rate_limit_error")
    assert refusal(uncovered) == (402, "permission_error")
    assert {reply.headers["x-should-retry"] for reply in (spent, uncovered)} == {"false"}


async def test_a_stream_that_breaks_ends_with_an_error_event(gateway_server: GatewayServer) -> None:
    broken = body(text="[[sandbox: drop_after=2]] a b c d", stream=True)
    reply = await gateway_server.post(MESSAGES, broken, headers={"x-request-id": "of-the-caller"})

    assert_messages_stream(reply.events, fails=True)
    assert reply.events[-1].data == {
        "type": "error",
        "error": {"type": "api_error", "message": "The model provider failed to answer."},
        "request_id": "of-the-caller",
    }


async def test_an_overloaded_provider_is_told_as_anthropic_does(gateway_server: GatewayServer) -> None:
    reply = await gateway_server.post(MESSAGES, body(text="[[sandbox: error=529]] x"))

    assert refusal(reply) == (529, "overloaded_error")


def said(*content: Json) -> Json:
    return {"messages": [{"role": "user", "content": [*content]}]}


def text(**fields: object) -> Json:
    return {"type": "text", "text": "a", **fields}


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"messages": []}, 400),
        (said(text(text=7, unknown=1)), 400),
        ({"max_tokens": None}, 400),
        ({"thread": {"type": "create"}}, 400),
        ({"mcp_servers": [{"type": "url"}]}, 403),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, 403),
        ({"a": 1, **{f"b{number}": number for number in range(100)}}, 200),
        ({"tools": [{"name": "x", "input_schema": {}, "custom": {"a": 1}, "type": "custom", "b": 1}]}, 200),
        ({"tool_choice": {"type": "auto", "strength": 3}}, 200),
        (said(text(text_=1), text(content=1), text(type_={})), 200),
        (said({"type": "document", "x": 1, "source": {"type": "content", "content": [text(x=1)], "content_": 1}}), 200),
        (said(text(**{f"x{number}": number for number in range(11_000)})), 400),
    ],
)
async def test_what_is_not_known_is_ignored_and_what_is_wrong_is_not(
    gateway_server: GatewayServer, fields: Json, status: int
) -> None:
    reply = await gateway_server.post(MESSAGES, body() | fields)

    assert reply.status == status, reply.body


async def test_names_reach_the_caller_and_not_the_provider(gateway_server: GatewayServer) -> None:
    gateway_server.sandbox.clear()

    reply = await gateway_server.post(MESSAGES, body(text="My SSN is 219-09-9999.", stream=True))

    assert "219-09-9999" in reply.body.decode()
    assert all("219-09-9999" not in sent["body"] for sent in gateway_server.sandbox.requests())


OURS = re.compile(r"req_[0-9A-Z]{26}")
TAKEN = ["a", "x" * 128, "01J-Z.0:b_c"]
REPLACED = ["", "x" * 129, "two words", "jö", "a/b", "a,b"]
ASKED: dict[str, tuple[str, str, Json | None, int]] = {
    "an answer": ("POST", MESSAGES, body(), 200),
    "a stream": ("POST", MESSAGES, body(stream=True), 200),
    "a refusal": ("POST", MESSAGES, {}, 400),
    "a list": ("GET", "/v1/anthropic/models", None, 200),
    "a path of nobody's": ("GET", "/v1/openai/nowhere", None, 404),
    "another surface": ("GET", "/v1/chat/nowhere", None, 404),
}


@pytest.mark.parametrize("asked", ASKED)
async def test_a_request_goes_by_its_callers_id_if_that_is_one(gateway_server: GatewayServer, asked: str) -> None:
    method, path, sent, status = ASKED[asked]
    for given in (TAKEN if asked == "an answer" else TAKEN[:1]) + REPLACED[:3]:
        reply = await gateway_server.request(method, path, sent, headers={"x-request-id": given})

        assert reply.status == status
        told = reply.headers["x-request-id"]
        assert reply.headers["request-id"] == told
        assert told == given if given in TAKEN else OURS.fullmatch(told)
        assert ("hasp-request-id" in reply.headers) is (given in TAKEN)
        if "request_id" in (reply.json() if status >= 400 else {}):
            assert reply.json()["request_id"] == told


@pytest.mark.parametrize("given", REPLACED)
async def test_an_id_that_is_none_is_replaced(gateway_server: GatewayServer, given: str) -> None:
    reply = await gateway_server.get("/v1/anthropic", headers={"x-request-id": given})

    assert OURS.fullmatch(reply.headers["x-request-id"])


async def test_support_finds_a_request_by_our_id_beside_its_callers(gateway_server: GatewayServer) -> None:
    reply = await gateway_server.post(MESSAGES, body(), headers={"x-request-id": "of-the-caller"})

    ours = reply.headers["hasp-request-id"].removeprefix("req_")
    entries = (await gateway_server.get(f"/v1/audit?entity_id={ours}")).json()["data"]
    assert [entry["action"] for entry in entries] == ["ai.request.completed"]
    assert "of-the-caller" not in str(entries)


async def test_a_surface_of_ours_gives_ids_itself(gateway_server: GatewayServer) -> None:
    reply = await gateway_server.get("/v1/models", headers={"x-request-id": "of-the-caller"})

    assert OURS.fullmatch(reply.headers["x-request-id"])

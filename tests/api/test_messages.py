"""`/v1/messages` over real HTTP, against the sandbox."""

import pytest

from gateway.tenancy import KeyMode
from tests.gateway_server import GatewayServer, Json
from tests.grammar import assert_messages_stream
from tests.tenants import make_tenant

MODEL = "claude-haiku-4-5"
TOOL = {
    "name": "find_slot",
    "description": "Finds a free appointment.",
    "input_schema": {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]},
}


def body(text: str = "Hello there", **fields: object) -> Json:
    return {"model": MODEL, "max_tokens": 200, "messages": [{"role": "user", "content": text}], **fields}


async def test_a_message_has_anthropics_shape_and_our_meta(gateway_server: GatewayServer) -> None:
    reply = await gateway_server.post("/v1/messages", body())

    assert reply.status == 200
    message = reply.json()
    assert list(message) == [
        "id",
        "type",
        "role",
        "model",
        "content",
        "container",
        "diagnostics",
        "stop_reason",
        "stop_sequence",
        "stop_details",
        "usage",
        "meta",
    ]
    assert message["content"] == [{"type": "text", "text": "Echo: Hello there"}]
    assert message["model"] == MODEL
    assert message["meta"]["request_id"] == reply.headers["x-request-id"] == reply.headers["request-id"]
    assert message["id"].removeprefix("msg_") == reply.headers["request-id"].removeprefix("req_")
    assert message["meta"]["usage"]["cost_usd"] > 0
    assert reply.headers["hasp-upstream"] == "sandbox"
    assert reply.headers["hasp-version"] == "2026-04-01"
    assert reply.headers["cache-control"] == "no-store"


async def test_a_stream_is_anthropics_to_the_letter(gateway_server: GatewayServer) -> None:
    reply = await gateway_server.post("/v1/messages", body("One two three", stream=True))

    assert_messages_stream(reply.events)
    assert "".join(e.data["delta"]["text"] for e in reply.events if e.name == "content_block_delta") == (
        "Echo: One two three"
    )
    assert reply.headers["x-accel-buffering"] == "no"
    assert reply.headers["hasp-upstream"] == "sandbox"


@pytest.mark.parametrize("directive", ["tool=find_slot", "tool=find_slot; tools=2", "thinking=on", "thinking=redacted"])
@pytest.mark.parametrize("chunk", [1, 7])
async def test_every_block_kind_streams_in_grammar(gateway_server: GatewayServer, directive: str, chunk: int) -> None:
    text = f"[[sandbox: {directive}; chunk={chunk}]] Tuesday"
    thinking = {"type": "enabled", "budget_tokens": 1024}
    extras: Json = {"thinking": thinking, "max_tokens": 4000} if "thinking" in directive else {"tools": [TOOL]}

    reply = await gateway_server.post("/v1/messages", body(text, stream=True, **extras))

    assert reply.status == 200, reply.body
    assert_messages_stream(reply.events)
    whole = await gateway_server.post("/v1/messages", body(text, **extras))
    assert whole.json()["stop_reason"] == ("end_turn" if "thinking" in directive else "tool_use")


async def test_names_reach_the_caller_and_not_the_provider(gateway_server: GatewayServer) -> None:
    gateway_server.sandbox.clear()
    text = "My SSN is 219-09-9999, call Zachary Quillfeather."

    reply = await gateway_server.post("/v1/messages", body(text, stream=True))

    assert_messages_stream(reply.events)
    assert "219-09-9999" in reply.body.decode()
    assert all("219-09-9999" not in sent["body"] for sent in gateway_server.sandbox.requests())


async def test_a_stream_that_breaks_ends_with_an_error_event(gateway_server: GatewayServer) -> None:
    broken = {"error_after=2": "INFERENCE_UNAVAILABLE", "drop_after=2": "INFERENCE_UPSTREAM_FAILURE"}
    for directive, code in broken.items():
        reply = await gateway_server.post("/v1/messages", body(f"[[sandbox: {directive}]] a b c d", stream=True))

        assert reply.status == 200
        assert_messages_stream(reply.events, fails=True)
        assert reply.events[-1].data["error"]["hasp_code"] == code


async def test_an_upstream_refusal_is_answered_before_any_byte(gateway_server: GatewayServer) -> None:
    for status, expected in ((500, 502), (529, 503), (429, 503), (401, 502), (400, 400)):
        for stream in (True, False):
            reply = await gateway_server.post("/v1/messages", body(f"[[sandbox: error={status}]] x", stream=stream))
            assert reply.status == expected, (status, reply.body)
            assert reply.json()["type"] == "error"
    assert "retry-after" in (await gateway_server.post("/v1/messages", body("[[sandbox: error=429]] x"))).headers


async def test_openai_models_answer_here_too(gateway_server: GatewayServer) -> None:
    reply = await gateway_server.post("/v1/messages", body(model="gpt-5.4", stream=True))

    assert reply.status == 200, reply.body
    assert_messages_stream(reply.events)


async def test_agent_clients_requests_are_taken(gateway_server: GatewayServer) -> None:
    """What Claude Code and OpenCode send."""
    reply = await gateway_server.post(
        "/v1/messages?beta=true",
        {
            "model": MODEL,
            "max_tokens": 3200,
            "stream": True,
            "system": [{"type": "text", "text": "You help.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]},
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Now."},
            ],
            "tools": [TOOL | {"eager_input_streaming": True}],
            "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
            "metadata": {"user_id": "user_" + "0" * 16},
            "temperature": 1,
            "stop_sequences": None,
            "container": None,
        },
        headers={"anthropic-version": "2023-06-01", "anthropic-beta": "a,b", "x-app": "cli"},
    )

    assert reply.status == 200, reply.body
    assert_messages_stream(reply.events)
    assert reply.headers["hasp-ignored-parameters"] == "context_management"


async def test_tokens_are_counted_behind_the_same_gates(gateway_server: GatewayServer) -> None:
    prompt = {"model": MODEL, "messages": [{"role": "user", "content": "How long?"}]}

    counted = await gateway_server.post("/v1/messages/count_tokens", prompt)
    refused = await gateway_server.post("/v1/messages/count_tokens", prompt | {"max_tokens": None, "store": False})

    assert counted.status == 200
    assert counted.json()["input_tokens"] > 0
    assert refused.status == 400


async def test_counting_is_audited_with_what_the_guard_found(gateway_server: GatewayServer) -> None:
    prompt = {"model": MODEL, "messages": [{"role": "user", "content": "My SSN is 219-09-9999."}]}

    counted = await gateway_server.post("/v1/messages/count_tokens", prompt)

    ulid = counted.headers["request-id"].removeprefix("req_")
    (entry,) = (await gateway_server.get(f"/v1/audit?entity_id={ulid}")).json()["data"]
    assert (entry["action"], entry["phi_disposition"]) == ("ai.tokens.counted", "redacted_at_delivery")
    assert entry["metadata"]["phi_scan"] == {
        "engine": "hasp-phi-scan-v1",
        "mode": "redact",
        "action": "redacted",
        "redaction_count": 1,
        "categories_detected": ["US_SSN"],
        "answer": None,
    }


async def test_a_test_key_is_as_good(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, mode=KeyMode.TEST)

    reply = await gateway_server.post("/v1/messages", body(), key=tenant.token)

    assert reply.status == 200
    assert reply.headers["hasp-upstream"] == "sandbox"


async def test_a_thread_is_refused_in_the_words_that_make_sdks_send_conversations_whole(
    gateway_server: GatewayServer,
) -> None:
    reply = await gateway_server.post("/v1/messages", body(thread={"type": "create"}))

    assert reply.status == 400
    error = reply.json()["error"]
    assert error["param"] == "thread"
    assert error["details"] == {"error_code": "thread_unsupported_request", "unsupported": ["hipaa"]}

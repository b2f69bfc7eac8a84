"""`/v1/ai/*` over real HTTP, against the sandbox."""

import pytest

from gateway.tenancy import PhiMode, Scope, StorageMode
from tests.gateway_server import GatewayServer
from tests.grammar import assert_native_stream
from tests.tenants import make_tenant

TOOL = {
    "name": "find_slot",
    "input_schema": {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]},
}


async def test_chat_streams_by_default(gateway_server: GatewayServer) -> None:
    reply = await gateway_server.post("/v1/ai/chat", {"message": "One two three"})

    assert_native_stream(reply.events)
    assert reply.events[0].data["data"]["request_id"] == reply.headers["x-request-id"]
    assert reply.events[0].data["data"]["conversation_id"].startswith("conv_")
    assert reply.events[1].data["data"]["model"] == "claude-sonnet-4-6"
    assert reply.events[-2].data["data"]["usage"]["cost_usd"] > 0


async def test_one_json_answer_when_asked(gateway_server: GatewayServer) -> None:
    reply = await gateway_server.post("/v1/ai/chat", {"message": "Hello there", "stream": False})

    assert reply.status == 200
    answer = reply.json()
    assert answer["success"] is True
    assert answer["data"]["message"]["content"] == "Echo: Hello there"
    assert answer["data"]["message"]["stop_reason"] == "end_turn"
    assert answer["meta"]["request_id"] == reply.headers["x-request-id"]
    assert set(answer["meta"]["usage"]) == {
        "model",
        "input_tokens",
        "output_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "sonnet_equivalent_tokens",
        "cost_usd",
    }
    assert "phi" not in answer["meta"]


@pytest.mark.parametrize("directive", ["tool=find_slot", "tool=find_slot; tools=2", "thinking=on"])
async def test_tool_calls_and_thinking_have_their_events(gateway_server: GatewayServer, directive: str) -> None:
    body = {
        "messages": [{"role": "user", "content": f"[[sandbox: {directive}; chunk=3]] Tuesday"}],
        "max_tokens": 4000,
        **({"thinking": {"type": "enabled", "budget_tokens": 1024}} if "think" in directive else {"tools": [TOOL]}),
    }

    reply = await gateway_server.post("/v1/ai/chat", body)

    assert_native_stream(reply.events)
    whole = (await gateway_server.post("/v1/ai/chat", body | {"stream": False})).json()["data"]["message"]
    kinds = [block["type"] for block in whole["blocks"]]
    assert kinds[0] == ("thinking" if "think" in directive else "tool_use") or "tool_use" in kinds


async def test_redaction_is_reported_and_undone(gateway_server: GatewayServer) -> None:
    body = {"message": "My SSN is 219-09-9999."}

    stream = await gateway_server.post("/v1/ai/chat", body)
    whole = await gateway_server.post("/v1/ai/chat", body | {"stream": False})

    assert_native_stream(stream.events)
    expected = {"mode": "redact", "action": "redacted", "entity_types": ["US_SSN"], "redaction_count": 1}
    assert whole.json()["meta"]["phi"] == expected
    assert stream.events[-3].data["data"]["phi"] == expected
    assert "219-09-9999" in whole.json()["data"]["message"]["content"]


async def test_a_conversation_continues_by_either_spelling(gateway_server: GatewayServer) -> None:
    first = await gateway_server.post("/v1/ai/chat", {"message": "Remember blue.", "stream": False})
    thread = first.json()["data"]["conversation_id"]

    for spelling in (thread, thread.removeprefix("conv_")):
        gateway_server.sandbox.clear()
        reply = await gateway_server.post(
            "/v1/ai/chat", {"message": "Which?", "conversation_id": spelling, "stream": False}
        )
        assert reply.status == 200, reply.body
        assert reply.json()["data"]["conversation_id"] == thread
        assert "Remember blue." in gateway_server.sandbox.requests()[-1]["body"]


@pytest.mark.parametrize(
    ("mode", "text", "stored", "original", "redacted"),
    [
        (PhiMode.REDACT, "My SSN is 219-09-9999.", True, "reidentified_at_delivery", "redacted_at_delivery"),
        (PhiMode.ALLOW, "My SSN is 219-09-9999.", True, "contains_phi", "contains_phi"),
        (PhiMode.REDACT, "Hello", True, "not_present", "not_present"),
        (PhiMode.REDACT, "My SSN is 219-09-9999.", False, "not_present", "not_present"),
    ],
)
async def test_reading_a_record_is_audited_with_what_of_phi_was_shown(
    gateway_server: GatewayServer, mode: PhiMode, text: str, stored: bool, original: str, redacted: str
) -> None:
    key = (await make_tenant(gateway_server.storage, phi_mode=mode)).token
    asked = await gateway_server.post("/v1/ai/chat", {"message": text, "stream": False, "store": stored}, key=key)
    ulid = asked.headers["x-request-id"].removeprefix("req_")

    await gateway_server.get(f"/v1/ai/messages/{ulid}", key=key)
    await gateway_server.get(f"/v1/ai/messages/{ulid}?view=redacted", key=key)

    path = f"/v1/audit?entity_id={ulid}&action=ai.message.retrieved"
    shown = (await gateway_server.get(path, key=key)).json()["data"]
    assert {entry["metadata"]["view"]: entry["phi_disposition"] for entry in shown} == {
        "original": original,
        "redacted": redacted,
    }


@pytest.mark.parametrize("unknown", ["conv_01K0B6W4M7RT2V9YQ3X5ZC8D1E", "nonsense"])
async def test_an_unknown_conversation_is_404(gateway_server: GatewayServer, unknown: str) -> None:
    reply = await gateway_server.post("/v1/ai/chat", {"message": "Hi", "conversation_id": unknown})

    assert reply.status == 404
    assert reply.json()["error"]["code"] == "RESOURCE_NOT_FOUND"


async def test_another_organizations_conversation_and_record_do_not_exist(gateway_server: GatewayServer) -> None:
    mine = await gateway_server.post("/v1/ai/chat", {"message": "Hi", "stream": False})
    stranger = await make_tenant(gateway_server.storage)

    thread = await gateway_server.post(
        "/v1/ai/chat",
        {"message": "Hi", "conversation_id": mine.json()["data"]["conversation_id"]},
        key=stranger.token,
    )
    record = await gateway_server.get(f"/v1/ai/messages/{mine.headers['x-request-id']}", key=stranger.token)

    assert (thread.status, record.status) == (404, 404)


@pytest.mark.parametrize("prefix", ["", "msg_", "req_"])
async def test_a_record_is_found_by_each_of_its_ids(gateway_server: GatewayServer, prefix: str) -> None:
    asked = await gateway_server.post("/v1/ai/chat", {"message": "My SSN is 219-09-9999.", "stream": False})
    ulid = asked.headers["x-request-id"].removeprefix("req_")

    reply = await gateway_server.get(f"/v1/ai/messages/{prefix}{ulid}")
    redacted = await gateway_server.get(f"/v1/ai/messages/{prefix}{ulid}?view=redacted")

    record = reply.json()["data"]
    assert (record["request_id"], record["status"], record["surface"]) == (f"req_{ulid}", "completed", "native")
    assert record["messages"][0]["content"] == "My SSN is 219-09-9999."
    assert record["content"][0]["text"] == "Echo: My SSN is 219-09-9999."
    assert record["usage"]["sonnet_equivalent_tokens"] > 0
    assert record["phi"]["findings"][0]["slot"] == "messages[0].content"
    assert "219-09-9999" not in redacted.body.decode()
    read = (await gateway_server.get(f"/v1/audit?entity_id={ulid}&action=ai.message.retrieved")).json()["data"]
    assert [entry["metadata"] for entry in read] == [{"view": "redacted"}, {"view": "original"}]


async def test_content_that_is_not_kept_is_null(gateway_server: GatewayServer) -> None:
    keeps_nothing = await make_tenant(gateway_server.storage, storage_mode=StorageMode.NONE)

    for key, store in ((gateway_server.live_key, False), (keeps_nothing.token, True)):
        asked = await gateway_server.post("/v1/ai/chat", {"message": "Hi", "stream": False, "store": store}, key=key)
        assert asked.json()["data"]["conversation_id"] is None
        record = (await gateway_server.get(f"/v1/ai/messages/{asked.headers['x-request-id']}", key=key)).json()["data"]
        assert (record["content"], record["messages"], record["system"]) == (None, None, None)
        assert record["usage"]["output_tokens"] > 0
        assert record["audit"]["entry_id"]


async def test_records_are_read_with_either_scope(gateway_server: GatewayServer) -> None:
    missing = "/v1/ai/messages/01K0B6W4M7RT2V9YQ3X5ZC8D1E"
    for scope, status in (
        (Scope.AI_CHAT, 404),
        (Scope.CONTROL_READ, 404),
        (Scope.CONTROL_WEBHOOKS, 403),
    ):
        tenant = await make_tenant(gateway_server.storage, scopes=[scope])
        assert (await gateway_server.get(missing, key=tenant.token)).status == status
    bad = await gateway_server.get(missing + "?view=raw")
    assert (bad.status, bad.json()["error"]["param"]) == (400, "view")


async def test_a_run_that_breaks_says_so_in_band(gateway_server: GatewayServer) -> None:
    reply = await gateway_server.post("/v1/ai/chat", {"message": "[[sandbox: drop_after=2]] a b c d"})

    assert_native_stream(reply.events, fails=True)
    assert reply.events[-1].data["data"]["error"]["code"] == "INFERENCE_UPSTREAM_FAILURE"
    record = await gateway_server.get(f"/v1/ai/messages/{reply.headers['x-request-id']}")
    assert record.json()["data"]["status"] == "failed"

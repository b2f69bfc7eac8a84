"""What a client may get wrong and never gets a 500 for; each error names what was sent, in the client's words."""

from typing import Any

import pytest

from gateway.errors import ValidationFailedError
from gateway.inference.records import AuditFilter
from gateway.tenancy import KeyMode, PhiMode, Principal
from tests.gateway_server import GatewayServer, Reply
from tests.tenants import make_tenant

DATED = "claude-haiku-4-5-20251001"
NOBODYS = "01K0B6W4M7RT2V9YQ3X5ZC8D1E"


def refusal_of(reply: Reply) -> tuple[int, str, str | None]:
    error: dict[str, Any] = reply.json()["error"]
    return reply.status, error["code"], error.get("param")


@pytest.mark.parametrize("param", ["action", "entity_type", "entity_id", "actor"])
@pytest.mark.parametrize("value", ["%00", "a%00b", "%0A", "%7F"])
async def test_an_audit_filter_takes_no_control_characters(
    gateway_server: GatewayServer, param: str, value: str
) -> None:
    reply = await gateway_server.get(f"/v1/audit?{param}={value}")

    assert refusal_of(reply) == (422, "VALIDATION_FAILED", param)


@pytest.mark.parametrize("name", ["a\0", "\0", "a\nb", "\x7f", "\x85", " ", "\t", "\u00a0\u2003"])
async def test_a_keys_name_is_printable_and_not_blank(gateway_server: GatewayServer, name: str) -> None:
    reply = await gateway_server.post("/v1/api_keys", {"name": name, "scopes": ["ai:chat"]})

    assert refusal_of(reply) == (422, "VALIDATION_FAILED", "name")


@pytest.mark.parametrize("name", ["x", " Praxis Dr. Müller ", "診療所 №1"])
async def test_a_keys_name_may_be_in_any_script(gateway_server: GatewayServer, name: str) -> None:
    reply = await gateway_server.post("/v1/api_keys", {"name": name, "scopes": ["ai:chat"]})

    assert (reply.status, reply.json()["data"]["name"]) == (201, name)


async def test_what_the_database_cannot_hold_is_the_senders_mistake(gateway_server: GatewayServer) -> None:
    principal = Principal(gateway_server.tenant.org, None, frozenset(), KeyMode.LIVE)

    with pytest.raises(ValidationFailedError) as raised:
        async with gateway_server.storage.read(principal) as tx:
            await tx.audit_log.page(AuditFilter(action="Quillfeather\0"), cursor=None, limit=1)

    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


async def test_usage_takes_no_parameters(gateway_server: GatewayServer) -> None:
    reply = await gateway_server.get("/v1/usage?month=2026-04")

    assert refusal_of(reply) == (422, "VALIDATION_FAILED", None)
    assert (await gateway_server.get("/v1/usage?month=2026-04", key=None)).status == 401


@pytest.mark.parametrize("message_id", ["nonsense", NOBODYS, f"msg_{NOBODYS}"])
async def test_a_record_that_is_not_there_is_named_however_it_was_asked_for(
    gateway_server: GatewayServer, message_id: str
) -> None:
    reply = await gateway_server.get(f"/v1/ai/messages/{message_id}")

    assert refusal_of(reply) == (404, "RESOURCE_NOT_FOUND", "message_id")


@pytest.mark.parametrize("stream", [False, True])
async def test_phi_is_placed_in_what_the_call_itself_sent(gateway_server: GatewayServer, stream: bool) -> None:
    tenant = await make_tenant(gateway_server.storage, phi_mode=PhiMode.BLOCK)
    first = await gateway_server.post("/v1/ai/chat", {"message": "Hi", "stream": False}, key=tenant.token)
    continued = {"conversation_id": first.json()["data"]["conversation_id"], "stream": stream}
    turns = [{"role": "user", "content": "SSN 219-09-9999"}]

    for body, param in (
        ({"message": "SSN 219-09-9999"}, "message"),
        ({"messages": turns}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "Hi"}, *turns]}, "messages[1].content"),
        ({"message": "SSN 219-09-9999", "system": "SSN 219-09-9999"}, "system"),
    ):
        for options in ({"stream": stream}, continued):
            reply = await gateway_server.post("/v1/ai/chat", body | options, key=tenant.token)
            assert refusal_of(reply) == (403, "PHI_BLOCKED", param), body


async def test_a_dated_model_id_is_taken_and_told_back_but_booked_under_ours(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)
    prompt = {"model": DATED, "messages": [{"role": "user", "content": "Hi"}]}

    answer = await gateway_server.post("/v1/messages", prompt | {"max_tokens": 9}, key=tenant.token)
    counted = await gateway_server.post("/v1/messages/count_tokens", prompt, key=tenant.token)
    model = await gateway_server.get(f"/v1/models/{DATED}", key=tenant.token)

    assert (answer.status, answer.json()["model"]) == (200, DATED)
    assert answer.json()["meta"]["usage"]["model"] == model.json()["id"] == "claude-haiku-4-5"
    record = await gateway_server.get(f"/v1/ai/messages/{answer.json()['id']}", key=tenant.token)
    assert record.json()["data"]["model"] == "claude-haiku-4-5"
    usage = await gateway_server.get("/v1/usage", key=tenant.token)
    assert [line["model"] for line in usage.json()["data"]["by_model"]] == ["claude-haiku-4-5"]
    entries = await gateway_server.get("/v1/audit?action=ai.tokens.counted", key=tenant.token)
    assert [entry["metadata"]["model"] for entry in entries.json()["data"]] == ["claude-haiku-4-5"]
    assert counted.status == 200


async def test_a_count_that_the_provider_refuses_says_why_without_phi(gateway_server: GatewayServer) -> None:
    body = {
        "model": "claude-haiku-4-5",
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_00000001", "content": "ok"}]},
        ],
    }

    counted = await gateway_server.post("/v1/messages/count_tokens", body)
    answered = await gateway_server.post("/v1/messages", body | {"max_tokens": 9})

    assert refusal_of(counted) == refusal_of(answered) == (400, "PROVIDER_REJECTED", None)
    assert "tool_use_id" in counted.json()["error"]["message"]
    assert counted.json()["error"]["message"] == answered.json()["error"]["message"]


SSN = "SSN 219-09-9999"


def in_block(block: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [block]}]}


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        (
            {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object", "description": SSN}}}},
            "PHI_IN_TOOL_SCHEMA",
            "output_config.format.schema",
        ),
        (
            in_block({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": SSN}}),
            "PHI_BLOCKED",
            "messages[0].content[0].source.data",
        ),
        (
            in_block(
                {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": SSN}]}},
            ),
            "PHI_BLOCKED",
            "messages[0].content[0].source.content[0].text",
        ),
    ],
)
async def test_phi_is_named_by_the_field_that_was_sent(
    gateway_server: GatewayServer, change: dict[str, Any], code: str, param: str
) -> None:
    tenant = await make_tenant(gateway_server.storage, phi_mode=PhiMode.BLOCK)
    body = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}

    reply = await gateway_server.post("/v1/messages", body | change, key=tenant.token)

    assert refusal_of(reply)[1:] == (code, param)


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/ai/chat", "/v1/messages/count_tokens"])
async def test_a_body_nested_too_deeply_is_refused_and_audited(gateway_server: GatewayServer, path: str) -> None:
    deep = b'{"x":' * 960 + b"1" + b"}" * 960
    body = b'{"model":"claude-haiku-4-5","messages":[{"role":"user","content":"Hi"}],"tools":[{"name":"f",'
    body += b'"input_schema":%b}]}' % deep

    reply = await gateway_server.post(path, body)

    assert refusal_of(reply) == (400, "VALIDATION_FAILED", None)
    entity = reply.headers["x-request-id"].removeprefix("req_")
    entries = (await gateway_server.get(f"/v1/audit?entity_id={entity}")).json()["data"]
    assert [entry["metadata"]["error_code"] for entry in entries] == ["VALIDATION_FAILED"]

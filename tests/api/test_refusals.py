"""Every refusal: its status, its dialect's body, its headers, and its audit entry."""

import asyncio
import secrets
from io import BytesIO
from typing import Any

import pytest

from gateway.ids import PLATFORM
from gateway.inference.records import AuditFilter, AuditRecord
from gateway.tenancy import KeyMode, PhiMode, Principal, Scope
from tests.gateway_server import GatewayServer, Reply
from tests.tenants import make_tenant

MESSAGE = {"model": "claude-haiku-4-5", "max_tokens": 10, "messages": [{"role": "user", "content": "Hi"}]}
CHAT = {"message": "Hi", "stream": False}
INFERENCE = (("/v1/messages", MESSAGE), ("/v1/ai/chat", CHAT))
FOREIGN = "hasp_key_live_" + "2" * 32


async def entries_of(server: GatewayServer, org: str, reply: Reply) -> list[AuditRecord]:
    principal = Principal(org, None, frozenset(), KeyMode.LIVE)  # pyright: ignore[reportArgumentType]
    wanted = AuditFilter(
        entity_id=reply.headers.get("hasp-request-id", reply.headers["x-request-id"]).removeprefix("req_")
    )
    async with server.storage.read(principal) as tx:
        return list((await tx.audit_log.page(wanted, cursor=None, limit=10)).items)


def error_of(reply: Reply) -> dict[str, Any]:
    error: dict[str, Any] = reply.json()["error"]
    assert error["request_id"] == reply.json()["meta"]["request_id"] == reply.headers["x-request-id"]
    return error


@pytest.mark.parametrize(("path", "body"), INFERENCE)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer nonsense"},
        {"authorization": f"Bearer {FOREIGN}"},
        {"authorization": "Basic abc"},
        {"x-api-key": FOREIGN},
        {"authorization": "Bearer \xff"},
    ],
)
async def test_a_key_nobody_has_is_401_and_audited_by_the_platform(
    gateway_server: GatewayServer, path: str, body: object, headers: dict[str, str]
) -> None:
    somewhere = {"x-forwarded-for": f"2001:db8:{secrets.randbelow(2**16):x}:{secrets.randbelow(2**16):x}::1"}

    reply = await gateway_server.post(path, body, key=None, headers=headers | somewhere)

    assert reply.status == 401
    assert error_of(reply)["code"] == "INVALID_API_KEY"
    assert reply.headers["www-authenticate"].startswith("Bearer")
    assert reply.headers["x-should-retry"] == "false"
    [entry] = await entries_of(gateway_server, PLATFORM, reply)
    assert entry.metadata["error_code"] == "INVALID_API_KEY"
    assert FOREIGN not in reply.body.decode()


async def test_a_key_travels_in_either_header_and_two_must_agree(gateway_server: GatewayServer) -> None:
    key = gateway_server.live_key
    statuses = [
        (await gateway_server.get("/v1/usage", key=None, headers=headers)).status
        for headers in (
            {"x-api-key": key},
            {"authorization": f"bearer {key}"},
            {"authorization": f"Bearer {key}", "x-api-key": key},
            {"authorization": f"Bearer {key}", "x-api-key": FOREIGN},
        )
    ]

    assert statuses == [200, 200, 200, 401]


@pytest.mark.parametrize(("path", "body"), INFERENCE)
async def test_a_missing_scope_is_named_and_audited(gateway_server: GatewayServer, path: str, body: object) -> None:
    tenant = await make_tenant(gateway_server.storage, scopes=[Scope.CONTROL_READ])

    reply = await gateway_server.post(path, body, key=tenant.token)

    assert reply.status == 403
    assert error_of(reply)["details"] == {"required_scope": "ai:chat"}
    [entry] = await entries_of(gateway_server, tenant.org, reply)
    assert entry.actor == f"key:{tenant.key.id}"


@pytest.mark.parametrize(("path", "body"), INFERENCE)
async def test_without_an_agreement_nothing_is_even_parsed(
    gateway_server: GatewayServer, path: str, body: object
) -> None:
    tenant = await make_tenant(gateway_server.storage, agreement=False)

    for sent in (body, b"{not json"):
        reply = await gateway_server.post(path, sent, key=tenant.token)
        assert reply.status == 402
        error = error_of(reply)
        assert error["code"] == "BAA_REQUIRED"
        assert error["details"]["baa_url"] == "http://gateway.example/v1/compliance/baa"
        assert reply.headers["x-should-retry"] == "false"
        assert len(await entries_of(gateway_server, tenant.org, reply)) == 1
    # ... but how to sign, what was used and what happened stay readable.
    assert (await gateway_server.get("/v1/usage", key=tenant.token)).status == 200
    assert (await gateway_server.get("/v1/audit", key=tenant.token)).status == 200


@pytest.mark.parametrize(("path", "body"), INFERENCE)
async def test_spent_credits_are_402_and_never_retried(gateway_server: GatewayServer, path: str, body: object) -> None:
    tenant = await make_tenant(gateway_server.storage, allotment=1)

    reply = await gateway_server.post(path, body, key=tenant.token)

    assert reply.status == 402
    assert error_of(reply)["code"] == "AI_CREDITS_EXHAUSTED"
    assert "cycle_reset_at" in error_of(reply)["details"]
    assert reply.headers["x-should-retry"] == "false"
    assert "retry-after" not in reply.headers


async def test_phi_is_blocked_in_both_envelopes(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, phi_mode=PhiMode.BLOCK)
    text = "SSN 219-09-9999"

    turns = [{"role": "user", "content": text}]

    for path, body, param in (
        ("/v1/messages", MESSAGE | {"messages": turns}, "messages[0].content"),
        ("/v1/messages/count_tokens", {"model": "claude-haiku-4-5", "messages": turns}, "messages[0].content"),
        ("/v1/ai/chat", {"message": text}, "message"),
        ("/v1/ai/chat", {"messages": turns}, "messages[0].content"),
    ):
        reply = await gateway_server.post(path, body, key=tenant.token)
        assert reply.status == 403, reply.body
        error = error_of(reply)
        assert error["code"] == "PHI_BLOCKED"
        assert error["param"] == param
        assert error["details"] == {"entity_types": ["US_SSN"]}
        assert error["retryable"] is False
        assert "219" not in reply.body.decode()


async def test_the_anthropic_body_is_a_superset(gateway_server: GatewayServer) -> None:
    reply = await gateway_server.post("/v1/messages", MESSAGE | {"store": False})

    assert reply.status == 400
    body = reply.json()
    assert (body["type"], body["success"]) == ("error", False)
    assert body["error"]["type"] == "invalid_request_error"
    assert body["error"]["message"] == (
        "The `store` parameter is not supported on the Hasp compat surface. Remove it from your request."
    )
    assert body["error"]["hasp_code"] == body["error"]["code"] == "UNSUPPORTED_PARAMETER"
    assert body["error"]["hasp_details"] == {"param": "store"}
    assert body["request_id"] == body["meta"]["request_id"]
    [entry] = await entries_of(gateway_server, gateway_server.tenant.org, reply)
    assert entry.metadata["error_code"] == "UNSUPPORTED_PARAMETER"


@pytest.mark.parametrize(("path", "body"), INFERENCE)
@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("claude-opus-4-7", 403, "OPUS_NOT_ENABLED"),
        ("gpt-5.5", 403, "MODEL_NOT_ENABLED"),
        ("no-such-model", 404, "RESOURCE_NOT_FOUND"),
    ],
)
async def test_models_are_refused_by_name_of_the_field(
    gateway_server: GatewayServer, path: str, body: dict[str, Any], model: str, status: int, code: str
) -> None:
    reply = await gateway_server.post(path, body | {"model": model})

    assert (reply.status, error_of(reply)["code"], error_of(reply)["param"]) == (status, code, "model")


async def test_unknown_paths_and_methods_are_answered_natively(gateway_server: GatewayServer) -> None:
    for method, path, status, code in (
        ("GET", "/v1/nothing", 404, "RESOURCE_NOT_FOUND"),
        ("HEAD", "/", 404, None),
        ("POST", "/v1/messages/", 404, "RESOURCE_NOT_FOUND"),
        ("GET", "/v1/ai/chat", 405, "METHOD_NOT_ALLOWED"),
    ):
        reply = await gateway_server.request(method, path, key=None)
        assert reply.status == status, path
        assert reply.headers["x-request-id"].startswith("req_")
        if code:
            assert error_of(reply)["code"] == code
            assert reply.json()["success"] is False


@pytest.mark.parametrize(("path", "body"), INFERENCE)
async def test_a_body_over_the_limit_is_413_announced_or_not(
    gateway_server: GatewayServer, path: str, body: object
) -> None:
    async def pieces() -> Any:
        for _ in range(20):
            yield b" " * 100_000

    for data in (BytesIO(b" " * 2_000_000), pieces()):
        async with gateway_server.session.post(
            gateway_server.url + path, data=data, headers={"x-api-key": gateway_server.live_key}
        ) as answer:
            assert answer.status == 413
            error = (await answer.json())["error"]
            assert error["code"] == "REQUEST_TOO_LARGE"


async def test_an_inbound_request_id_is_not_ours(gateway_server: GatewayServer) -> None:
    reply = await gateway_server.get(
        "/livez", key=None, headers={"x-request-id": "req_mine", "hasp-version": "1999-01-01"}
    )

    assert reply.headers["x-request-id"] != "req_mine"
    assert "Hasp-Version" in reply.headers["warning"]


async def test_a_client_that_hangs_up_before_a_whole_answer_pays_for_it(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)
    body = {"message": "[[sandbox: first_delay_ms=1000]] go", "stream": False}

    async def ask() -> None:
        await gateway_server.post("/v1/ai/chat", body, key=tenant.token)

    gateway_server.sandbox.clear()
    asking = asyncio.create_task(ask())
    async with asyncio.timeout(10):
        while not await asyncio.to_thread(gateway_server.sandbox.requests):
            pass
        asking.cancel()
        while not (entries := await listed(gateway_server, "/v1/audit?entity_type=inference", tenant.token)):
            pass
    assert [entry["metadata"]["status"] for entry in entries] == ["cancelled"]
    credit = (await gateway_server.get("/v1/usage", key=tenant.token)).json()["data"]["credits"]
    assert (credit["used"], credit["held"]) == (entries[0]["metadata"]["credits"], 0)
    assert credit["used"] > 0


async def listed(server: GatewayServer, path: str, key: str) -> list[dict[str, Any]]:
    return (await server.get(path, key=key)).json()["data"]


async def test_a_client_that_hangs_up_is_settled_and_cancels_upstream(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)
    text = "[[sandbox: frames=2000; delay_ms=20]] go"
    request = gateway_server.session.post(
        gateway_server.url + "/v1/ai/chat", json={"message": text}, headers={"x-api-key": tenant.token}
    )
    async with request as answer:
        await answer.content.readuntil(b"message.delta")
        request_id = answer.headers["x-request-id"]

    async with asyncio.timeout(10):
        while True:
            record = (await gateway_server.get(f"/v1/ai/messages/{request_id}", key=tenant.token)).json()["data"]
            if record["status"] != "in_progress":
                break
    assert record["status"] == "cancelled"
    usage = (await gateway_server.get("/v1/usage", key=tenant.token)).json()["data"]
    assert usage["credits"]["held"] == 0
    assert usage["credits"]["used"] > 0


async def test_a_revoked_key_is_audited_by_the_organisation_whose_it_was(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)
    await gateway_server.request("DELETE", f"/v1/api_keys/{tenant.key.id}", key=tenant.token)

    async with asyncio.timeout(5):
        while (reply := await gateway_server.post("/v1/messages", MESSAGE, key=tenant.token)).status != 401:
            pass

    [entry] = await entries_of(gateway_server, tenant.org, reply)
    assert entry.actor == f"key:{tenant.key.id}"


async def test_counting_tokens_is_audited(gateway_server: GatewayServer) -> None:
    body = {"model": "claude-haiku-4-5", "messages": MESSAGE["messages"]}

    reply = await gateway_server.post("/v1/messages/count_tokens", body)

    [entry] = await entries_of(gateway_server, gateway_server.tenant.org, reply)
    assert (reply.status, entry.action) == (200, "ai.tokens.counted")

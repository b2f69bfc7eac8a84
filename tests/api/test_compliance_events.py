"""Which compliance events an answered call's audit entry tells of, and what is audited when kept content is shown."""

from typing import Any

import pytest

from gateway.ids import new_ulid
from gateway.tenancy import PhiMode, Scope
from tests.gateway_server import GatewayServer, Reply
from tests.tenants import Tenant, make_tenant

CHAT, MESSAGES = "/v1/ai/chat", "/v1/messages"
SSN = "Quillfeather's SSN is 219-09-9999"
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
RESERVED, SETTLED = "credits.reserved", "credits.settled"


async def told(server: GatewayServer, tenant: Tenant, reply: Reply) -> dict[str, Any]:
    """The metadata of the one entry of a call."""
    entity = reply.headers["x-request-id"].removeprefix("req_")
    [entry] = (await server.get(f"/v1/audit?entity_id={entity}", key=tenant.token)).json()["data"]
    assert "Quillfeather" not in str(entry)
    return entry["metadata"]


async def asked(server: GatewayServer, tenant: Tenant, text: str = "Hi", **more: object) -> Reply:
    body = {"model": "claude-haiku-4-5", "message": text, "stream": False, **more}
    return await server.post(CHAT, body, key=tenant.token)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_ordinary_call_passed_these(gateway_server: GatewayServer, stream: bool) -> None:
    tenant = await make_tenant(gateway_server.storage)

    facts = await told(gateway_server, tenant, await asked(gateway_server, tenant, stream=stream))

    assert facts["compliance_events"] == [
        "baa.verified",
        RESERVED,
        "phi.scanned",
        "answer.scanned",
        SETTLED,
        "content.stored",
    ]
    assert (facts["route"], facts["model"]) == (CHAT, "claude-haiku-4-5")


async def test_limits_and_opt_ins_are_named(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, tier="developer", opus_enabled=True)

    reply = await asked(gateway_server, tenant, model="claude-opus-4-7", max_tokens=100)
    facts = await told(gateway_server, tenant, reply)

    assert facts["compliance_events"][:3] == ["baa.verified", "rate.admitted", "model.opt_in_verified"]
    assert facts["rate_limits"] == ["key_rpm", "key_daily", "org_rpm", "org_tpm"]


async def test_what_is_masked_is_told_as_redacted_and_restored(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)

    facts = await told(gateway_server, tenant, await asked(gateway_server, tenant, SSN))

    assert facts["compliance_events"][2:5] == ["phi.scanned", "phi.redacted", "answer.scanned"]
    assert "answer.restored" in facts["compliance_events"]


async def test_what_is_let_through_is_told_as_allowed(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, phi_mode=PhiMode.ALLOW)

    facts = await told(gateway_server, tenant, await asked(gateway_server, tenant, SSN))

    assert facts["compliance_events"][2:4] == ["phi.scanned", "phi.allowed"]


async def test_an_image_that_nobody_read_is_told_of(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, unscannable="pass")
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    turns = [{"role": "user", "content": [image, {"type": "text", "text": "What is it?"}]}]

    body = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": turns}
    facts = await told(gateway_server, tenant, await gateway_server.post(MESSAGES, body, key=tenant.token))

    assert facts["compliance_events"][2:4] == ["phi.scanned", "phi.unscanned"]


async def test_a_blocked_call_says_that_its_credits_came_back(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, phi_mode=PhiMode.BLOCK)

    facts = await told(gateway_server, tenant, await asked(gateway_server, tenant, SSN))

    assert facts["compliance_events"] == [
        "baa.verified",
        RESERVED,
        "phi.scanned",
        "phi.blocked",
        "credits.returned",
        "content.not_stored",
    ]
    assert facts["gate"] == "phi"


async def test_what_is_not_stored_is_told_as_that(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)

    facts = await told(gateway_server, tenant, await asked(gateway_server, tenant, store=False))

    assert facts["compliance_events"][-1] == "content.not_stored"


async def test_a_continued_conversation_says_how_much_of_it_was_read(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)
    first = await asked(gateway_server, tenant)
    thread = first.json()["data"]["conversation_id"]

    facts = await told(gateway_server, tenant, await asked(gateway_server, tenant, conversation_id=thread))

    assert facts["compliance_events"][1] == "history.read"
    assert facts["history_turns"] == 2


async def test_a_prompt_that_is_counted_has_its_events(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)
    body = {"model": "claude-haiku-4-5", "messages": [{"role": "user", "content": SSN}]}

    counted = await gateway_server.post(f"{MESSAGES}/count_tokens", body, key=tenant.token)
    facts = await told(gateway_server, tenant, counted)

    assert facts["compliance_events"] == ["baa.verified", "phi.scanned", "phi.redacted"]


async def test_a_new_keys_plaintext_that_is_shown_again_is_audited_of_that_key(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, scopes=(Scope.AI_CHAT, Scope.CONTROL_READ))
    wanted, headers = {"name": "CI", "scopes": ["ai:chat"]}, {"idempotency-key": new_ulid()}
    made = [await gateway_server.post("/v1/api_keys", wanted, key=tenant.token, headers=headers) for _ in range(3)]

    key = made[0].json()["data"]["id"]
    entries = (await gateway_server.get(f"/v1/audit?entity_id={key}", key=tenant.token)).json()["data"]

    assert [entry["action"] for entry in entries] == ["api_key.shown_again"] * 2 + ["api_key.created"]
    assert entries[0]["metadata"]["replay_of"] == made[0].headers["x-request-id"]
    assert entries[0]["actor"] == f"key:{tenant.key.id}"
    assert made[0].json()["data"]["plaintext"] not in str(entries)


async def test_another_answer_that_is_shown_again_is_audited_of_its_request(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)
    headers = {"idempotency-key": new_ulid()}
    body = {"from": "2020-01-01T00:00:00Z", "to": "2099-01-01T00:00:00Z"}
    first, _ = [
        await gateway_server.post("/v1/audit/exports", body, key=tenant.token, headers=headers) for _ in range(2)
    ]

    facts = await told(gateway_server, tenant, first)

    assert (facts["route"], facts["status"]) == ("/v1/audit/exports", 202)

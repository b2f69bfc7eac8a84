"""What a client may get wrong and never gets a 500 for; each error names what was sent, in the client's words."""

from typing import Any

import pytest

from gateway.errors import ValidationFailedError
from gateway.ids import new_ulid
from gateway.inference.records import AuditFilter
from gateway.tenancy import KeyMode, Principal
from tests.gateway_server import GatewayServer, Reply


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


@pytest.mark.parametrize("message_id", ["nonsense", new_ulid(), f"msg_{new_ulid()}"])
async def test_a_record_that_is_not_there_is_named_however_it_was_asked_for(
    gateway_server: GatewayServer, message_id: str
) -> None:
    reply = await gateway_server.get(f"/v1/ai/messages/{message_id}")

    assert refusal_of(reply) == (404, "RESOURCE_NOT_FOUND", "message_id")

"""What a second request under an idempotency key is given, over real HTTP."""

from typing import Any

import anthropic
import pytest

from gateway.tenancy import StorageMode
from tests.api.test_idempotency import CHAT, MESSAGE, code, keyed, usage
from tests.gateway_server import GatewayServer, Reply
from tests.grammar import assert_native_stream
from tests.tenants import Tenant, make_tenant

TOOL = {"name": "find_slot", "input_schema": {"type": "object", "properties": {"day": {"type": "string"}}}}
REDACTED = "My name is Margaret Thornbury, SSN 536-22-8841."
DOCUMENT = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Take it daily. Rest."}}


@pytest.fixture
async def tenant(gateway_server: GatewayServer) -> Tenant:
    return await make_tenant(gateway_server.storage, allotment=1_000_000_000)


def turn(*content: object) -> list[dict[str, object]]:
    return [
        {
            "role": "user",
            "content": [{"type": "text", "text": each} if isinstance(each, str) else each for each in content],
        }
    ]


SHAPES: dict[str, dict[str, Any]] = {
    "masked": {"messages": turn(REDACTED)},
    "tool": {"messages": turn("[[sandbox: tool=find_slot; tools=2; chunk=3]] Tuesday"), "tools": [TOOL]},
    "thinking": {
        "messages": turn("[[sandbox: thinking=on]] Tuesday"),
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    },
    "redacted-thinking": {
        "messages": turn("[[sandbox: thinking=redacted]] Tuesday"),
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    },
    "cited": {"messages": turn(DOCUMENT | {"citations": {"enabled": True}}, "How often?")},
    "refused": {"messages": turn("[[sandbox: stop=refusal; category=bio; text=I cannot.]]")},
    "stopped": {"messages": turn("One two three four five six"), "stop_sequences": ["three"]},
    "priority": {"messages": turn("[[sandbox: tier=priority]] Hello")},
    "gpt": {"messages": turn("[[sandbox: thinking=on]] Hello"), "model": "gpt-5.4-mini"},
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("path", ["/v1/ai/chat", "/v1/messages"])
async def test_a_replay_is_the_first_answer_to_the_byte(
    gateway_server: GatewayServer, tenant: Tenant, path: str, shape: str
) -> None:
    headers = keyed()
    body = {"model": "claude-haiku-4-5", "max_tokens": 2000, "stream": False, **SHAPES[shape]}
    first = await gateway_server.post(path, body, key=tenant.token, headers=headers)
    again = await gateway_server.post(path, body, key=tenant.token, headers=headers)

    assert first.status == 200, first.body
    assert again.body == first.body
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers.get("hasp-upstream") == first.headers.get("hasp-upstream") == "sandbox"


async def test_what_only_the_caller_is_told_of_usage_is_told_again(
    gateway_server: GatewayServer, tenant: Tenant
) -> None:
    headers, body = keyed(), MESSAGE | {"inference_geo": "us", "model": "claude-sonnet-4-6"}
    first = await gateway_server.post("/v1/messages", body, key=tenant.token, headers=headers)
    again = await gateway_server.post("/v1/messages", body, key=tenant.token, headers=headers)

    assert first.json()["usage"]["inference_geo"] == "us"
    assert again.body == first.body


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_native_stream_is_replayed_whole(gateway_server: GatewayServer, tenant: Tenant, shape: str) -> None:
    headers = keyed()
    body = {"model": "claude-haiku-4-5", "max_tokens": 2000, **SHAPES[shape]}
    first = await gateway_server.post("/v1/ai/chat", body, key=tenant.token, headers=headers)
    again = await gateway_server.post("/v1/ai/chat", body, key=tenant.token, headers=headers)

    assert_native_stream(again.events)
    assert again.headers["idempotent-replayed"] == "true"
    assert _ending(again) == _ending(first)
    assert [event.data["data"] for event in again.events[:3]] == [event.data["data"] for event in first.events[:3]]


def _ending(reply: Reply) -> list[Any]:
    return [event.data["data"] for event in reply.events[-3:]]


@pytest.mark.parametrize("shape", SHAPES)
async def test_an_official_client_reads_a_replayed_stream_as_the_first(
    gateway_server: GatewayServer, tenant: Tenant, shape: str
) -> None:
    headers = keyed()
    asked: Any = {"model": "claude-haiku-4-5", "max_tokens": 2000, **SHAPES[shape]}

    async def ask() -> anthropic.types.Message:
        async with (
            anthropic.AsyncAnthropic(base_url=gateway_server.url, api_key=tenant.token) as client,
            client.messages.stream(extra_headers=headers, **asked) as stream,
        ):
            return await stream.get_final_message()

    one, two = await ask(), await ask()
    # OpenAI tells its tier at a stream's end, where the client does not look; a replay knows it from the start.
    one.usage.service_tier = two.usage.service_tier
    assert one == two
    assert (await usage(gateway_server, tenant))["requests"]["total"] == 1


async def test_what_was_not_stored_is_not_replayed(gateway_server: GatewayServer, tenant: Tenant) -> None:
    headers, body = keyed(), CHAT | {"store": False}
    first = await gateway_server.post("/v1/ai/chat", body, key=tenant.token, headers=headers)
    again = await gateway_server.post("/v1/ai/chat", body, key=tenant.token, headers=headers)

    assert first.status == 200
    error = again.json()["error"]
    assert (again.status, error["code"]) == (409, "IDEMPOTENCY_NOT_REPLAYABLE")
    assert error["details"]["message_id"] == first.json()["data"]["message"]["id"]
    assert again.headers["x-should-retry"] == "false"
    assert (await usage(gateway_server, tenant))["requests"]["total"] == 1


async def test_an_organization_that_stores_nothing_has_nothing_replayed(gateway_server: GatewayServer) -> None:
    tenant, headers = await make_tenant(gateway_server.storage, storage_mode=StorageMode.NONE), keyed()
    await gateway_server.post("/v1/messages", MESSAGE, key=tenant.token, headers=headers)

    again = await gateway_server.post("/v1/messages", MESSAGE, key=tenant.token, headers=headers)

    assert (again.status, code(again)) == (409, "IDEMPOTENCY_NOT_REPLAYABLE")


async def test_showing_an_answer_again_is_audited_as_reading_it(gateway_server: GatewayServer, tenant: Tenant) -> None:
    headers, body = keyed(), CHAT | {"message": REDACTED}
    first = await gateway_server.post("/v1/ai/chat", body, key=tenant.token, headers=headers)
    again = await gateway_server.post("/v1/ai/chat", body, key=tenant.token, headers=headers)

    query = "/v1/audit?action=ai.message.retrieved"
    (entry,) = (await gateway_server.get(query, key=tenant.token)).json()["data"]
    assert entry["entity_id"] == first.json()["data"]["message"]["id"].removeprefix("msg_")
    assert entry["metadata"]["replayed_for"] == again.headers["x-request-id"]
    assert entry["phi_disposition"] == "reidentified_at_delivery"

"""An organisation's choices of what its chats may use, over real HTTP: kept, taken away, refused."""

import pytest

from tests.api.test_policy import DEFAULTS, NAME, changes_of, officer, policy_of, put
from tests.gateway_server import GatewayServer, Json


async def test_a_default_model_is_kept_by_its_own_name_and_taken_away_by_null(gateway_server: GatewayServer) -> None:
    tenant = await officer(gateway_server)

    named = await put(gateway_server, tenant, {"default_model": "claude-haiku-4-5-20251001"})
    kept = await put(gateway_server, tenant, {"phi_mode": "block"})
    away = await put(gateway_server, tenant, {"default_model": None})

    assert named.json()["data"]["default_model"] == kept.json()["data"]["default_model"] == "claude-haiku-4-5"
    assert (away.status, away.json()["data"]) == (200, DEFAULTS | {"phi_mode": "block"})
    assert (await changes_of(gateway_server, tenant))[0] == {
        "changes": {"default_model": {"from": "claude-haiku-4-5", "to": None}}
    }


async def test_tools_that_are_named_twice_are_kept_once(gateway_server: GatewayServer) -> None:
    tenant = await officer(gateway_server)

    reply = await put(gateway_server, tenant, {"allowed_tools": ["web_search", "calculator", "web_search"]})

    assert reply.json()["data"]["allowed_tools"] == ["web_search", "calculator"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"allowed_tools": "calculator"}, "allowed_tools"),
        ({"allowed_tools": ["calculator", 5]}, "allowed_tools[1]"),
        ({"allowed_tools": ["*", "calculator"]}, "allowed_tools"),
        ({"allowed_tools": ["calculator", NAME]}, "allowed_tools[1]"),
        ({"allowed_tools": ["calculator", ""]}, "allowed_tools[1]"),
        ({"allowed_tools": ["calculator", "Quillfeather*"]}, "allowed_tools[1]"),
        ({"allowed_tools": ["_*", "*_find"]}, "allowed_tools[0]"),
        ({"allowed_tools": ["desk_*_*"]}, "allowed_tools[0]"),
        ({"allowed_tools": ["calculator\n"]}, "allowed_tools[0]"),
        ({"allowed_tools": ["x" * 65]}, "allowed_tools[0]"),
        ({"allowed_tools": [f"tool_{number}" for number in range(101)]}, "allowed_tools"),
        ({"default_model": "Quillfeather"}, "default_model"),
        ({"default_model": ""}, "default_model"),
        ({"default_model": 5}, "default_model"),
        ({"default_model": "agent-01900000-0000-7000-8000-000000000000"}, "default_model"),
        ({"default_model": "x" * 129}, "default_model"),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_what_names_no_tool_or_model_is_422_by_its_place(
    gateway_server: GatewayServer, body: Json, param: str
) -> None:
    tenant = await officer(gateway_server)

    reply = await put(gateway_server, tenant, body)

    error = reply.json()["error"]
    assert (reply.status, error["code"], error["param"]) == (422, "VALIDATION_FAILED", param)
    assert b"Quillfeather" not in reply.body
    assert await policy_of(gateway_server, tenant) == DEFAULTS

"""What a client may get wrong about agents: every field by its name, and never in its own words."""

from typing import Any

import pytest

from tests.api.test_agents import CANARY, HAIKU, NEW, make_desk, refusal
from tests.gateway_server import GatewayServer

EITHER: list[tuple[dict[str, Any], str | None]] = [
    ({"name": None}, "name"),
    ({"name": "x"}, "name"),
    ({"name": "x" * 65}, "name"),
    ({"name": "  "}, "name"),
    ({"name": "two\nlines"}, "name"),
    ({"name": "nul\0"}, "name"),
    ({"name": " Triage"}, "name"),
    ({"name": "Triage\u00a0"}, "name"),
    ({"name": "Tri\u200bage"}, "name"),
    ({"name": "\u202eTriage"}, "name"),
    ({"name": "\u2060\ufeff"}, "name"),
    ({"name": 7}, "name"),
    ({"description": "x" * 1001}, "description"),
    ({"description": "two\nlines"}, "description"),
    ({"description": [CANARY]}, "description"),
    ({"owner": ""}, "owner"),
    ({"owner": f"{CANARY} J"}, "owner"),
    ({"owner": "x" * 256}, "owner"),
    ({"owner": "jö"}, "owner"),
    ({"capabilities": None}, "capabilities"),
    ({"capabilities": CANARY}, "capabilities"),
    ({"capabilities": ["x"] * 13}, "capabilities"),
    ({"capabilities": ["x", "x" * 33]}, "capabilities[1]"),
    ({"capabilities": [""]}, "capabilities[0]"),
    ({"capabilities": ["x", 7]}, "capabilities[1]"),
    ({"default_expiry_hours": None}, "default_expiry_hours"),
    ({"default_expiry_hours": 0}, "default_expiry_hours"),
    ({"default_expiry_hours": 721}, "default_expiry_hours"),
    ({"default_expiry_hours": 1.5}, "default_expiry_hours"),
    ({"default_expiry_hours": True}, "default_expiry_hours"),
    ({"default_expiry_hours": "8"}, "default_expiry_hours"),
    ({"default_revocation_policy": None}, "default_revocation_policy"),
    ({"default_revocation_policy": CANARY}, "default_revocation_policy"),
    ({"allowed_scope_types": "agent.delegate"}, "allowed_scope_types"),
    ({"allowed_scope_types": ["agent.delegate", CANARY]}, "allowed_scope_types[1]"),
    ({"allowed_scope_types": [None]}, "allowed_scope_types[0]"),
    ({"allowed_scope_types": ["agent.delegate"] * 7}, "allowed_scope_types"),
    ({"allowed_models": HAIKU}, "allowed_models"),
    ({"allowed_models": [HAIKU, CANARY]}, "allowed_models[1]"),
    ({"allowed_models": [7]}, "allowed_models[0]"),
    ({"allowed_models": [HAIKU] * 101}, "allowed_models"),
    ({"credit_cap": -1}, "credit_cap"),
    ({"credit_cap": 2**53}, "credit_cap"),
    ({"credit_cap": 1.0}, "credit_cap"),
    ({CANARY: 1}, None),
    ({"status": "archived"}, None),
]


@pytest.mark.parametrize(("fields", "param"), EITHER)
async def test_a_bad_field_is_named_and_not_repeated(
    gateway_server: GatewayServer, fields: dict[str, Any], param: str | None
) -> None:
    desk = await make_desk(gateway_server)
    agent = await desk.make(name="There")

    made = await desk.send("POST", body=NEW | fields)
    changed = await desk.send("PATCH", f"/{agent['id']}", fields)

    for reply in (made, changed):
        assert refusal(reply) == (422, "VALIDATION_FAILED", param)
        assert CANARY.encode() not in reply.body
    assert await desk.names() == ["There"]


@pytest.mark.parametrize("missing", NEW)
async def test_what_is_required_is_named(gateway_server: GatewayServer, missing: str) -> None:
    desk = await make_desk(gateway_server)

    reply = await desk.send("POST", body={name: value for name, value in NEW.items() if name != missing})

    assert refusal(reply) == (422, "VALIDATION_FAILED", missing)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"null", b'{"name": "a", "name": "b"}'])
async def test_what_is_no_object_changes_nothing(gateway_server: GatewayServer, body: bytes) -> None:
    desk = await make_desk(gateway_server)
    agent = await desk.make(name="There")

    for method, rest in (("POST", ""), ("PATCH", f"/{agent['id']}")):
        reply = await desk.send(method, rest, body)
        assert refusal(reply)[:2] == (422, "VALIDATION_FAILED")
    assert await desk.shown(agent["id"]) == agent


async def test_a_change_of_nothing_is_refused(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)
    agent = await desk.make()

    assert refusal(await desk.send("PATCH", f"/{agent['id']}", {})) == (422, "VALIDATION_FAILED", None)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("status=revoked", "status"),
        ("status=", "status"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("cursor=nonsense", "cursor"),
        (f"name={CANARY}", None),
    ],
)
async def test_a_bad_page_is_refused(gateway_server: GatewayServer, query: str, param: str | None) -> None:
    reply = await (await make_desk(gateway_server)).send("GET", f"?{query}")

    assert refusal(reply) == (422, "VALIDATION_FAILED", param)
    assert CANARY.encode() not in reply.body

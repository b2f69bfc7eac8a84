"""A key and its successor, over real HTTP."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from gateway.tenancy import Scope
from tests.api.test_control_plane import told
from tests.gateway_server import GatewayServer, Reply
from tests.tenants import make_tenant

BOUNDED = {"name": "CI", "scopes": ["ai:chat", "control:read"], "ip_allowlist": ["127.0.0.0/8"], "mode": "test"}


async def make_key(server: GatewayServer, **fields: Any) -> dict[str, Any]:
    made = await server.post("/v1/api_keys", BOUNDED | fields)
    assert made.status == 201, made.body
    return made.json()["data"]


async def rotate(server: GatewayServer, key_id: str, body: object = None, **options: Any) -> Reply:
    return await server.request("POST", f"/v1/api_keys/{key_id}/rotate", body, **options)


async def status(server: GatewayServer, key: dict[str, Any]) -> int:
    return (await server.get("/v1/usage", key=key["plaintext"])).status


async def shown(server: GatewayServer, key_id: str) -> dict[str, Any]:
    listed = (await server.get("/v1/api_keys?limit=200")).json()["data"]
    return next(key for key in listed if key["id"] == key_id)


async def test_a_successor_is_like_its_key_and_has_a_token_of_its_own(gateway_server: GatewayServer) -> None:
    old = await make_key(gateway_server, expires_at="2030-01-01T00:00:00Z")
    made = await rotate(gateway_server, old["id"])

    assert made.status == 201
    new = made.json()["data"]
    same = ("name", "scopes", "mode", "expires_at", "ip_allowlist", "prefix")
    assert {name: new[name] for name in same} == {name: old[name] for name in same}
    assert new["replaces"] == old["id"] != new["id"]
    assert new["plaintext"] != old["plaintext"]
    events = [event for event in await told(gateway_server.storage, gateway_server.tenant) if old["id"] in str(event)]
    assert events[-1] == ("api_key.rotated", {"key_id": old["id"], "successor_id": new["id"], "mode": "test"})


async def test_the_grace_starts_at_the_successor_s_first_use_and_is_never_moved(gateway_server: GatewayServer) -> None:
    old = await make_key(gateway_server)
    new = (await rotate(gateway_server, old["id"], {"grace_seconds": 3600})).json()["data"]
    assert await status(gateway_server, old) == 200
    assert (await shown(gateway_server, old["id"]))["retires_at"] is None

    assert await asyncio.gather(*(status(gateway_server, new) for _ in range(8))) == [200] * 8
    retires_at = (await shown(gateway_server, old["id"]))["retires_at"]
    assert [await status(gateway_server, key) for key in (new, old)] == [200, 200]

    assert (await shown(gateway_server, old["id"]))["retires_at"] == retires_at
    audit = (await gateway_server.get(f"/v1/audit?entity_id={old['id']}")).json()["data"]
    assert [entry["action"] for entry in audit] == ["api_key.superseded", "api_key.rotated", "api_key.created"]
    assert audit[0]["actor"] == f"key:{new['id']}"
    assert audit[0]["metadata"] == {"successor_id": new["id"], "retires_at": retires_at}
    assert datetime.fromisoformat(retires_at) >= datetime.fromisoformat(audit[0]["created_at"]) + timedelta(hours=1)


async def test_after_its_grace_a_key_is_refused_like_a_revoked_one(gateway_server: GatewayServer) -> None:
    old = await make_key(gateway_server)
    new = (await rotate(gateway_server, old["id"], {"grace_seconds": 0})).json()["data"]
    assert await status(gateway_server, old) == 200

    assert await status(gateway_server, new) == 200

    async with asyncio.timeout(5):
        while await status(gateway_server, old) != 401:
            pass
    assert await status(gateway_server, new) == 200
    assert (await rotate(gateway_server, old["id"])).status == 404


async def test_a_refused_use_of_the_successor_starts_no_grace(gateway_server: GatewayServer) -> None:
    old = await make_key(gateway_server)
    new = (await rotate(gateway_server, old["id"])).json()["data"]

    away = await gateway_server.get("/v1/usage", key=new["plaintext"], headers={"x-forwarded-for": "198.51.100.1"})

    assert away.status == 403
    assert (await shown(gateway_server, old["id"]))["retires_at"] is None


async def test_rotations_at_once_make_one_successor(gateway_server: GatewayServer) -> None:
    old = await make_key(gateway_server)

    replies = await asyncio.gather(*(rotate(gateway_server, old["id"]) for _ in range(6)))

    assert sorted(reply.status for reply in replies) == [201] + [409] * 5
    refused = next(reply for reply in replies if reply.status == 409)
    assert refused.json()["error"]["code"] == "API_KEY_ALREADY_ROTATED"


async def test_revoking_either_works_at_once_and_leaves_the_other(gateway_server: GatewayServer) -> None:
    first, second = await make_key(gateway_server), await make_key(gateway_server)
    lost = (await rotate(gateway_server, first["id"])).json()["data"]
    kept = (await rotate(gateway_server, second["id"])).json()["data"]

    for key in (lost, second):
        assert (await gateway_server.request("DELETE", f"/v1/api_keys/{key['id']}")).status == 200

    async with asyncio.timeout(5):
        while [await status(gateway_server, key) for key in (lost, second)] != [401, 401]:
            pass
    assert [await status(gateway_server, key) for key in (first, kept)] == [200, 200]
    assert (await rotate(gateway_server, first["id"])).status == 201


async def test_a_successor_that_nobody_used_is_not_rotated(gateway_server: GatewayServer) -> None:
    old = await make_key(gateway_server)
    new = (await rotate(gateway_server, old["id"])).json()["data"]

    assert (await rotate(gateway_server, new["id"])).status == 409
    assert await status(gateway_server, new) == 200
    assert (await rotate(gateway_server, new["id"])).status == 201


@pytest.mark.parametrize("grace", [-1, 604_801, "60", 1.5, True, None])
async def test_a_grace_with_a_bad_form_is_422_naming_the_field(gateway_server: GatewayServer, grace: object) -> None:
    reply = await rotate(gateway_server, gateway_server.tenant.key.id, {"grace_seconds": grace})

    assert (reply.status, reply.json()["error"]["param"]) == (422, "grace_seconds")


async def test_only_a_key_that_may_be_given_is_rotated(gateway_server: GatewayServer) -> None:
    writer = await make_tenant(gateway_server.storage, scopes=[Scope.CONTROL_WRITE])
    made = await gateway_server.post("/v1/api_keys", {"name": "x", "scopes": ["control:read"]}, key=writer.token)
    reader = made.json()["data"]["plaintext"]

    assert (await rotate(gateway_server, writer.key.id, key=reader)).status == 403
    assert (await rotate(gateway_server, writer.key.id)).status == 404
    assert (await rotate(gateway_server, "nonsense")).status == 404

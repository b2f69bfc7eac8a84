"""Keys that belong to a user, on whose behalf they issue credentials of agents."""

from typing import Any

import pytest

from gateway.tenancy import Scope
from tests.agents import make_agent, make_credential
from tests.gateway_server import GatewayServer, Reply
from tests.tenants import Tenant, make_tenant

KEYS = "/v1/api_keys"
WRITER = ["control:read", "control:write"]


async def make_root(server: GatewayServer) -> Tenant:
    return await make_tenant(server.storage, scopes=[Scope.AI_CHAT, Scope.CONTROL_READ, Scope.CONTROL_WRITE])


async def make_key(server: GatewayServer, *, by: str, **fields: Any) -> dict[str, Any]:
    made = await server.post(KEYS, {"name": "x", "scopes": WRITER} | fields, key=by)
    assert made.status == 201, made.body
    return made.json()["data"]


def refusal(reply: Reply) -> tuple[int, str, str | None]:
    error: dict[str, Any] = reply.json()["error"]
    return reply.status, error["code"], error.get("param")


async def test_an_owner_is_shown_changed_and_goes_along_when_the_key_is_rotated(gateway_server: GatewayServer) -> None:
    root = await make_root(gateway_server)
    key = await make_key(gateway_server, by=root.token, owner="j.reyes")
    path = f"{KEYS}/{key['id']}"

    changed = await gateway_server.request("PATCH", path, {"owner": "mercy|k.chen@x+1:2_3-4"}, key=root.token)
    successor = await gateway_server.post(f"{path}/rotate", {}, key=root.token)
    none = await gateway_server.request("PATCH", path, {"owner": None}, key=root.token)

    owners = [key["owner"], *(reply.json()["data"]["owner"] for reply in (changed, successor, none))]
    assert owners == ["j.reyes", *["mercy|k.chen@x+1:2_3-4"] * 2, None]
    entries = (await gateway_server.get(f"/v1/audit?entity_id={key['id']}", key=root.token)).json()["data"][::-1]
    assert entries[0]["metadata"]["owner"] == "j.reyes"
    assert entries[1]["metadata"]["changed"] == ["owner"]


async def test_a_key_issues_on_behalf_of_its_owner_alone(gateway_server: GatewayServer) -> None:
    root = await make_root(gateway_server)
    key = (await make_key(gateway_server, by=root.token, owner="j.reyes"))["plaintext"]
    path = f"/v1/agents/{await make_agent(gateway_server.storage, root.org)}/credentials"
    wanted = {"name": "Shift", "granted_scopes": [{"type": "external.tool.invoke", "tool_id": "look_up"}]}

    issued = await gateway_server.post(path, wanted, key=key)
    other = await gateway_server.post(path, wanted | {"delegating_user": "k.chen"}, key=key)

    assert issued.json()["data"]["credential"]["delegating_user"] == "j.reyes"
    assert refusal(other) == (422, "VALIDATION_FAILED", "delegating_user")


async def test_a_key_gets_no_token_of_another_users_by_rotating_it(gateway_server: GatewayServer) -> None:
    root = await make_root(gateway_server)
    key = (await make_key(gateway_server, by=root.token, owner="j.reyes"))["plaintext"]
    own = await make_credential(gateway_server.storage, root.org, user="j.reyes")
    others = await make_credential(gateway_server.storage, root.org, user="k.chen")
    paths = [f"/v1/agents/{each.agent}/credentials/{each.id}" for each in (own, others)]

    rotated, refused = [await gateway_server.post(f"{path}/rotate", {}, key=key) for path in paths]

    assert rotated.status == 201
    assert refusal(refused) == (422, "VALIDATION_FAILED", "delegating_user")
    kept = (await gateway_server.get(paths[1], key=root.token)).json()["data"]["credential"]
    assert (kept["status"], kept["retires_at"]) == ("active", None)


async def test_who_acts_for_one_user_makes_no_key_that_could_act_for_others(gateway_server: GatewayServer) -> None:
    root = await make_root(gateway_server)
    own = await make_key(gateway_server, by=root.token, owner="j.reyes")
    send, token = gateway_server.request, own["plaintext"]
    held = {"name": "y", "scopes": WRITER}

    refused = [
        await send("POST", KEYS, held | {"owner": "k.chen"}, key=token),
        await send("POST", KEYS, held | {"owner": None}, key=token),
        await send("PATCH", f"{KEYS}/{own['id']}", {"owner": None}, key=token),
        await send("PATCH", f"{KEYS}/{root.key.id}", {"owner": "j.reyes"}, key=token),
        await send("POST", f"{KEYS}/{root.key.id}/rotate", {}, key=token),
    ]

    assert [refusal(reply) for reply in refused] == [(422, "VALIDATION_FAILED", "owner")] * 5
    assert (await make_key(gateway_server, by=token))["owner"] == "j.reyes"
    reader = await make_key(gateway_server, by=token, scopes=["control:read"], owner="k.chen")
    assert reader["owner"] == "k.chen"


@pytest.mark.parametrize("owner", ["", "two words", "jö", "x" * 256, "new\nline", 7, ["j"]])
async def test_an_owner_that_cannot_be_one_is_named_and_not_repeated(
    gateway_server: GatewayServer, owner: object
) -> None:
    root = await make_root(gateway_server)

    made = await gateway_server.post(KEYS, {"name": "x", "scopes": WRITER, "owner": owner}, key=root.token)
    changed = await gateway_server.request("PATCH", f"{KEYS}/{root.key.id}", {"owner": owner}, key=root.token)

    for reply in (made, changed):
        assert refusal(reply) == (422, "VALIDATION_FAILED", "owner")
        assert b"two words" not in reply.body

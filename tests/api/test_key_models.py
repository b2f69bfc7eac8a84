"""What a key's callers may call models, and how far `auto` reaches for its owner."""

import asyncio
from typing import Any

import pytest

from gateway.agents.grants import ExternalToolInvoke
from gateway.tenancy import Scope
from tests.agents import make_credential
from tests.gateway_server import GatewayServer, Json
from tests.tenants import Tenant, make_tenant

KEYS = "/v1/api_keys"
MESSAGES = "/v1/anthropic/messages"
NONE = {"haiku": None, "sonnet": None, "opus": None}


async def make_root(server: GatewayServer) -> Tenant:
    return await make_tenant(server.storage, scopes=[Scope.AI_CHAT, Scope.CONTROL_READ, Scope.CONTROL_WRITE])


async def make_key(server: GatewayServer, *, by: str, **fields: object) -> Json:
    made = await server.post(KEYS, {"name": "x", "scopes": ["ai:chat", "control:read"]} | fields, key=by)
    assert made.status == 201, made.body
    return made.json()["data"]


async def change(server: GatewayServer, key_id: str, changes: Json, *, by: str) -> Json:
    changed = await server.request("PATCH", f"{KEYS}/{key_id}", changes, key=by)
    assert changed.status == 200, changed.body
    return changed.json()["data"]


async def asked(server: GatewayServer, name: str, *, key: str) -> str | int:
    """Which model answered, or with what it was refused."""
    body = {"model": name, "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}
    reply = await server.post(MESSAGES, body, key=key)
    return reply.json()["model"] if reply.status == 200 else reply.status


async def comes_to(server: GatewayServer, name: str, model: str, *, key: str) -> None:
    """Wait until `name` stands for `model`: processes hear of a change within a second."""
    async with asyncio.timeout(30):
        while await asked(server, name, key=key) != model:
            pass


async def shown(server: GatewayServer, key_id: str, *, by: str) -> Json:
    listed: list[Json] = (await server.get(KEYS, key=by)).json()["data"]
    return next(key for key in listed if key["id"] == key_id)


async def test_a_shorthand_stands_for_whatever_its_key_says(gateway_server: GatewayServer) -> None:
    root = await make_root(gateway_server)
    other = await make_key(gateway_server, by=root.token)
    wanted = {"model_shorthands": {"sonnet": "gpt-5.4"}, "model_shorthands_enabled": True}

    changed = await change(gateway_server, root.key.id, wanted, by=root.token)

    assert changed["model_shorthands"] == {**NONE, "sonnet": "gpt-5.4"}
    await comes_to(gateway_server, "sonnet", "gpt-5.4", key=root.token)
    assert await asked(gateway_server, "sonnet[1m]", key=root.token) == "gpt-5.4"
    assert await asked(gateway_server, "haiku", key=root.token) == "claude-haiku-4-5"
    assert await asked(gateway_server, "claude-sonnet-4-6", key=root.token) == "claude-sonnet-4-6"
    assert await asked(gateway_server, "sonnet", key=other["plaintext"]) == "claude-sonnet-4-6"


async def test_a_mapping_that_is_switched_off_is_kept_and_not_used(gateway_server: GatewayServer) -> None:
    root = await make_root(gateway_server)
    mapping = {"model_shorthands": {"haiku": "gpt-5.4-mini"}}

    await change(gateway_server, root.key.id, mapping, by=root.token)
    before = await asked(gateway_server, "haiku", key=root.token)
    await change(gateway_server, root.key.id, {"model_shorthands_enabled": True}, by=root.token)
    await comes_to(gateway_server, "haiku", "gpt-5.4-mini", key=root.token)
    off = await change(gateway_server, root.key.id, {"model_shorthands_enabled": False}, by=root.token)

    assert before == "claude-haiku-4-5"
    assert off["model_shorthands"]["haiku"] == "gpt-5.4-mini"
    await comes_to(gateway_server, "haiku", "claude-haiku-4-5", key=root.token)
    assert (await change(gateway_server, root.key.id, {"model_shorthands": None}, by=root.token))[
        "model_shorthands"
    ] == NONE


async def test_a_mapping_acts_on_its_own_surface_alone(gateway_server: GatewayServer) -> None:
    root = await make_root(gateway_server)
    wanted = {"model_shorthands": {"sonnet": "gpt-5.4"}, "model_shorthands_enabled": True}
    await change(gateway_server, root.key.id, wanted, by=root.token)

    body = {"model": "sonnet", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}
    assert (await gateway_server.post("/v1/messages", body, key=root.token)).status == 404


async def test_a_successor_has_the_mapping_and_its_lines_mode(gateway_server: GatewayServer) -> None:
    root = await make_root(gateway_server)
    key = await make_key(gateway_server, by=root.token)
    wanted = {"model_shorthands": {"opus": "gpt-5.4"}, "model_shorthands_enabled": True, "auto_mode": "turbo"}
    await change(gateway_server, key["id"], wanted, by=root.token)

    successor = (await gateway_server.post(f"{KEYS}/{key['id']}/rotate", {}, key=root.token)).json()["data"]

    told = (successor["model_shorthands"]["opus"], successor["model_shorthands_enabled"], successor["auto_mode"])
    assert told == ("gpt-5.4", True, "turbo")
    assert await asked(gateway_server, "opus", key=successor["plaintext"]) == "gpt-5.4"


async def test_a_change_is_audited_with_what_was_and_is(gateway_server: GatewayServer) -> None:
    root = await make_root(gateway_server)

    await change(gateway_server, root.key.id, {"model_shorthands": {"sonnet": "gpt-5.4"}}, by=root.token)
    await change(gateway_server, root.key.id, {"auto_mode": "lite"}, by=root.token)

    entries: list[Json] = (await gateway_server.get(f"/v1/audit?entity_id={root.key.id}", key=root.token)).json()[
        "data"
    ]
    lite, mapped = [entry["metadata"] for entry in entries]
    assert (mapped["changed"], mapped["before"]["model_shorthands"]) == (["model_shorthands"], {})
    assert mapped["after"]["model_shorthands"] == {"sonnet": "gpt-5.4"}
    assert (lite["before"]["auto_mode"], lite["after"]["auto_mode"]) == ("performance", "lite")


async def test_a_mode_is_of_every_key_of_an_owner(gateway_server: GatewayServer) -> None:
    root = await make_root(gateway_server)
    first, second = [await make_key(gateway_server, by=root.token, owner="j.reyes") for _ in range(2)]
    others = await make_key(gateway_server, by=root.token, owner="k.chen")

    await change(gateway_server, first["id"], {"auto_mode": "turbo"}, by=root.token)
    third = await make_key(gateway_server, by=root.token, owner="j.reyes")

    modes = [(await shown(gateway_server, key["id"], by=root.token))["auto_mode"] for key in (second, third, others)]
    assert modes == ["turbo", "turbo", "performance"]
    assert third["auto_mode"] == "turbo"
    given_away = await change(gateway_server, others["id"], {"owner": "j.reyes"}, by=root.token)
    assert given_away["auto_mode"] == "turbo"


async def test_a_mode_without_an_owner_is_of_its_own_line(gateway_server: GatewayServer) -> None:
    root = await make_root(gateway_server)
    key, other = [await make_key(gateway_server, by=root.token) for _ in range(2)]

    await change(gateway_server, key["id"], {"auto_mode": "lite"}, by=root.token)

    assert (await shown(gateway_server, key["id"], by=root.token))["auto_mode"] == "lite"
    assert (await shown(gateway_server, other["id"], by=root.token))["auto_mode"] == "performance"


async def test_agents_choose_in_the_mode_of_whom_they_act_for(gateway_server: GatewayServer) -> None:
    root = await make_root(gateway_server)
    key = await make_key(gateway_server, by=root.token, owner="j.reyes")
    granted = (ExternalToolInvoke("look_up"),)
    token = (await make_credential(gateway_server.storage, root.org, user="j.reyes", grants=granted)).token

    await change(gateway_server, key["id"], {"auto_mode": "lite"}, by=root.token)

    assert (await gateway_server.storage.access.resolve(token)).choices.auto_mode == "lite"


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"model_shorthands": {"sonnet": "gpt-nowhere"}}, "model_shorthands.sonnet"),
        ({"model_shorthands": {"sonnet": "claude-opus-4-7"}}, "model_shorthands.sonnet"),
        ({"model_shorthands": {"sonnet": "two words"}}, "model_shorthands.sonnet"),
        ({"model_shorthands": {"gpt": "gpt-5.4"}}, "model_shorthands"),
        ({"model_shorthands": ["sonnet"]}, "model_shorthands"),
        ({"model_shorthands_enabled": None}, "model_shorthands_enabled"),
        ({"model_shorthands_enabled": 1}, "model_shorthands_enabled"),
        ({"auto_mode": "extra"}, "auto_mode"),
        ({"auto_mode": None}, "auto_mode"),
    ],
)
async def test_what_cannot_be_chosen_is_named_and_not_repeated(
    gateway_server: GatewayServer, changes: dict[str, Any], param: str
) -> None:
    root = await make_root(gateway_server)

    refused = await gateway_server.request("PATCH", f"{KEYS}/{root.key.id}", changes, key=root.token)

    assert (refused.status, refused.json()["error"]["param"]) == (422, param)
    assert b"nowhere" not in refused.body
    assert b"two words" not in refused.body

"""Keys with an end, a place and a giver, over real HTTP.

The server believes `X-Forwarded-For` of the loopback interface, as it does behind a proxy on its own machine.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy.engine import make_url

from gateway.settings import Settings
from gateway.tenancy import KeyMode, Scope
from tests.api.test_control_plane import told
from tests.gateway_server import GatewayServer, Reply
from tests.tenants import make_tenant

INSIDE = {"x-forwarded-for": "192.0.2.9"}
OUTSIDE = {"x-forwarded-for": "198.51.100.77"}
CHAT = {"message": "Hi", "stream": False}


async def make_key(server: GatewayServer, **fields: Any) -> dict[str, Any]:
    made = await server.post("/v1/api_keys", {"name": "CI", "scopes": ["ai:chat", "control:read"]} | fields)
    assert made.status == 201, made.body
    return made.json()["data"]


def ahead(**by: float) -> str:
    return (datetime.now(UTC) + timedelta(**by)).isoformat()


async def actions(server: GatewayServer, key_id: str) -> list[dict[str, Any]]:
    return (await server.get(f"/v1/audit?entity_id={key_id}")).json()["data"]


async def test_a_key_with_an_end_shows_it_and_is_refused_from_then_on(gateway_server: GatewayServer) -> None:
    end = ahead(seconds=4)
    key = await make_key(gateway_server, expires_at=end)

    assert datetime.fromisoformat(key["expires_at"]) == datetime.fromisoformat(end)
    assert (await gateway_server.get("/v1/usage", key=key["plaintext"])).status == 200
    async with asyncio.timeout(30):
        while (reply := await gateway_server.get("/v1/usage", key=key["plaintext"])).status == 200:
            pass
    assert datetime.now(UTC) >= datetime.fromisoformat(end)
    assert (reply.status, reply.json()["error"]["code"]) == (401, "INVALID_API_KEY")
    listed = (await gateway_server.get("/v1/api_keys?limit=200")).json()["data"]
    assert key["id"] in [each["id"] for each in listed]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/ai/chat", CHAT),
        ("POST", "/v1/messages", {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": []}),
        ("POST", "/v1/messages/count_tokens", {"model": "claude-haiku-4-5", "messages": []}),
        ("GET", "/v1/models", None),
        ("POST", "/v1/phi/scan", {"text": "Hi"}),
        ("GET", "/v1/provider-status", None),
        ("GET", "/v1/usage", None),
        ("GET", "/v1/api_keys", None),
        ("POST", "/v1/api_keys", {"name": "x", "scopes": ["ai:chat"]}),
        ("GET", "/v1/audit", None),
        ("GET", "/v1/compliance/policy", None),
        ("GET", "/v1/ai/messages/01JQ0000000000000000000000", None),
    ],
)
async def test_a_key_with_a_place_is_refused_elsewhere_on_every_surface(
    gateway_server: GatewayServer, method: str, path: str, body: object
) -> None:
    key = await make_key(gateway_server, ip_allowlist=["192.0.2.0/24"])

    reply = await gateway_server.request(method, path, body, key=key["plaintext"], headers=OUTSIDE)

    error = reply.json()["error"]
    assert (reply.status, error.get("hasp_code", error["code"])) == (403, "IP_NOT_ALLOWED")
    assert b"198.51.100.77" not in reply.body
    assert b"192.0.2" not in reply.body


async def test_a_key_with_a_place_works_there(gateway_server: GatewayServer) -> None:
    key = await make_key(gateway_server, ip_allowlist=["192.0.2.0/24", "2001:DB8::/32"])

    assert key["ip_allowlist"] == ["192.0.2.0/24", "2001:db8::/32"]
    for headers in (INSIDE, {"x-forwarded-for": "2001:db8::5"}):
        assert (await gateway_server.post("/v1/ai/chat", CHAT, key=key["plaintext"], headers=headers)).status == 200
    assert (await gateway_server.post("/v1/ai/chat", CHAT, key=key["plaintext"])).status == 403


async def test_a_refused_place_is_audited_with_its_address_and_key(gateway_server: GatewayServer) -> None:
    key = await make_key(gateway_server, ip_allowlist=["192.0.2.0/24"])

    await gateway_server.get("/v1/usage", key=key["plaintext"], headers=OUTSIDE)

    (entry,) = (await gateway_server.get(f"/v1/audit?actor=key:{key['id']}")).json()["data"]
    assert (entry["action"], entry["ip_address"]) == ("access.refused", "198.51.100.77")
    assert entry["metadata"]["error_code"] == "IP_NOT_ALLOWED"


async def test_what_is_changed_of_a_key_is_shown_audited_and_told(gateway_server: GatewayServer) -> None:
    key = await make_key(gateway_server)
    path, end = f"/v1/api_keys/{key['id']}", ahead(days=30)

    changed = await gateway_server.request(
        "PATCH", path, {"name": "Night shift", "expires_at": end, "ip_allowlist": ["192.0.2.7"]}
    )
    lifted = await gateway_server.request("PATCH", path, {"expires_at": None, "ip_allowlist": None})

    one, other = changed.json()["data"], lifted.json()["data"]
    assert (one["name"], one["ip_allowlist"]) == ("Night shift", ["192.0.2.7/32"])
    assert datetime.fromisoformat(one["expires_at"]) == datetime.fromisoformat(end)
    assert one["expires_at"].endswith("+00:00")
    assert "plaintext" not in one
    assert (other["name"], other["expires_at"], other["ip_allowlist"]) == ("Night shift", None, [])
    last, first, created = await actions(gateway_server, key["id"])
    assert [each["action"] for each in (last, first, created)] == ["api_key.updated"] * 2 + ["api_key.created"]
    assert first["metadata"]["changed"] == ["expires_at", "name", "networks"]
    assert first["metadata"]["after"] == last["metadata"]["before"]
    assert "Night shift" not in str([last, first, created])
    events = [event for event in await told(gateway_server.storage, gateway_server.tenant) if key["id"] in str(event)]
    assert events[-1] == ("api_key.updated", {"key_id": key["id"], "mode": "live"})


BAD: list[tuple[dict[str, Any], str | None]] = [
    ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
    ({"expires_at": "9999-12-31T23:59:59-05:00"}, "expires_at"),
    ({"expires_at": "2999-01-01T00:00:00"}, "expires_at"),
    ({"expires_at": 4102444800}, "expires_at"),
    ({"expires_at": "4102444800"}, "expires_at"),
    ({"expires_at": "Quillfeather"}, "expires_at"),
    ({"expires_at": "2027-13-01T00:00:00Z"}, "expires_at"),
    ({"ip_allowlist": "192.0.2.0/24"}, "ip_allowlist"),
    ({"ip_allowlist": ["192.0.2.0/24", "Quillfeather"]}, "ip_allowlist[1]"),
    ({"ip_allowlist": ["192.0.2.1/24"]}, "ip_allowlist[0]"),
    ({"ip_allowlist": [7]}, "ip_allowlist[0]"),
    ({"ip_allowlist": ["x" * 65]}, "ip_allowlist[0]"),
    ({"ip_allowlist": ["192.0.2.1"] * 101}, "ip_allowlist"),
    ({"credit_cap": -1}, "credit_cap"),
    ({"credit_cap": 2**53}, "credit_cap"),
    ({"credit_cap": 1.0}, "credit_cap"),
    ({"credit_cap": True}, "credit_cap"),
    ({"credit_cap": "Quillfeather"}, "credit_cap"),
    ({"name": ""}, "name"),
    ({"Quillfeather": 1}, None),
]


@pytest.mark.parametrize(("fields", "param"), BAD)
async def test_a_bad_bound_is_422_naming_the_field_at_creation_and_change(
    gateway_server: GatewayServer, fields: dict[str, Any], param: str | None
) -> None:
    key = gateway_server.tenant.key.id
    replies = [
        await gateway_server.post("/v1/api_keys", {"name": "CI", "scopes": ["ai:chat"]} | fields),
        await gateway_server.request("PATCH", f"/v1/api_keys/{key}", fields),
    ]

    for reply in replies:
        error = reply.json()["error"]
        assert (reply.status, error["code"], error.get("param")) == (422, "VALIDATION_FAILED", param)
        assert b"Quillfeather" not in reply.body


@pytest.mark.parametrize(("body", "param"), [({}, None), ({"name": None}, "name"), ({"scopes": ["ai:chat"]}, "scopes")])
async def test_a_change_of_nothing_or_of_what_stays_is_422(
    gateway_server: GatewayServer, body: object, param: str | None
) -> None:
    reply = await gateway_server.request("PATCH", f"/v1/api_keys/{gateway_server.tenant.key.id}", body)

    assert (reply.status, reply.json()["error"].get("param")) == (422, param)


async def test_only_a_key_that_is_ours_and_not_revoked_can_be_changed(gateway_server: GatewayServer) -> None:
    stranger = await make_tenant(gateway_server.storage)
    gone = await make_key(gateway_server)
    await gateway_server.request("DELETE", f"/v1/api_keys/{gone['id']}")

    for key_id in (stranger.key.id, gone["id"], "01JQ0000000000000000000000", "nonsense"):
        reply = await gateway_server.request("PATCH", f"/v1/api_keys/{key_id}", {"name": "x"})
        assert (reply.status, reply.json()["error"]["param"]) == (404, "key_id")


async def test_a_key_is_not_changed_by_one_that_could_not_have_made_it(gateway_server: GatewayServer) -> None:
    writer = await make_tenant(gateway_server.storage, scopes=[Scope.CONTROL_WRITE])
    path = f"/v1/api_keys/{writer.key.id}"
    made = [
        await gateway_server.post("/v1/api_keys", {"name": "x", "scopes": ["control:read"]} | mode, key=writer.token)
        for mode in ({}, {"mode": KeyMode.TEST.value})
    ]
    reader, tester = [each.json()["data"]["plaintext"] for each in made]

    async def changed(key: str, which: str = path) -> Reply:
        return await gateway_server.request("PATCH", which, {"expires_at": None}, key=key)

    assert (await changed(writer.token)).status == 200
    refused = await changed(reader)
    assert (refused.status, refused.json()["error"]["details"]) == (403, {"required_scope": "control:write"})
    live = await changed(tester, f"/v1/api_keys/{made[0].json()['data']['id']}")
    assert (live.status, live.json()["error"]["param"]) == (422, "mode")


async def test_a_test_key_revokes_test_keys_only(gateway_server: GatewayServer) -> None:
    live, test = await make_key(gateway_server), await make_key(gateway_server, mode="test")

    refused = await gateway_server.request("DELETE", f"/v1/api_keys/{live['id']}", key=test["plaintext"])

    assert (refused.status, refused.json()["error"]["param"]) == (422, "mode")
    assert (await gateway_server.get("/v1/usage", key=live["plaintext"])).status == 200
    gone = await gateway_server.request("DELETE", f"/v1/api_keys/{test['id']}", key=test["plaintext"])
    assert gone.status == 200


async def test_a_cap_is_shown_kept_by_a_successor_and_taken_away(gateway_server: GatewayServer) -> None:
    key = await make_key(gateway_server, credit_cap=5_000)
    path = f"/v1/api_keys/{key['id']}"
    spent = await gateway_server.post("/v1/ai/chat", CHAT, key=key["plaintext"])
    used = spent.json()["meta"]["usage"]["sonnet_equivalent_tokens"]

    changed = (await gateway_server.request("PATCH", path, {"credit_cap": 2**53 - 1})).json()["data"]
    successor = (await gateway_server.post(f"{path}/rotate", {})).json()["data"]
    lifted = (await gateway_server.request("PATCH", path, {"credit_cap": None})).json()["data"]

    assert (key["credit_cap"], key["credits_used"]) == (5_000, 0)
    assert [(each["credit_cap"], each["credits_used"]) for each in (changed, successor, lifted)] == [
        (2**53 - 1, used),
        (2**53 - 1, used),
        (None, used),
    ]
    listed = (await gateway_server.get("/v1/api_keys?limit=200")).json()["data"]
    line = [each for each in listed if each["id"] in (key["id"], successor["id"])]
    assert [(each["credit_cap"], each["credits_used"]) for each in line] == [(None, used)] * 2


async def test_a_call_beyond_the_cap_is_402_naming_it_and_a_raised_cap_lets_the_next_in(
    gateway_server: GatewayServer,
) -> None:
    key = await make_key(gateway_server, credit_cap=0)

    refused = await gateway_server.post("/v1/ai/chat", CHAT, key=key["plaintext"])
    await gateway_server.request("PATCH", f"/v1/api_keys/{key['id']}", {"credit_cap": 100_000})
    admitted = await gateway_server.post("/v1/ai/chat", CHAT, key=key["plaintext"])

    assert (refused.status, refused.json()["error"]["code"]) == (402, "AI_CREDITS_EXHAUSTED")
    assert refused.json()["error"]["details"]["reason"] == "key_cap"
    assert admitted.status == 200


@pytest.mark.parametrize(
    "cursor",
    ["", "%FF%FE", "u:01JQ0000000000000000000000", "dTo", "dTp4", "%ED%A0%80", "A" * 4_000, "dTo5" + "Z" * 34, "'--"],
)
async def test_a_cursor_that_nobody_gave_out_is_422(gateway_server: GatewayServer, cursor: str) -> None:
    reply = await gateway_server.get(f"/v1/api_keys?cursor={cursor}")

    assert (reply.status, reply.json()["error"]["param"]) == (422, "cursor")


async def test_a_cursor_of_another_organisation_shows_nothing_of_it(gateway_server: GatewayServer) -> None:
    ours, theirs = await make_tenant(gateway_server.storage), await make_tenant(gateway_server.storage)
    for name in ("a", "b"):
        await gateway_server.post("/v1/api_keys", {"name": name, "scopes": ["ai:chat"]}, key=theirs.token)
    page = (await gateway_server.get("/v1/api_keys?limit=1", key=theirs.token)).json()

    reply = await gateway_server.get(f"/v1/api_keys?cursor={page['meta']['next_cursor']}", key=ours.token)

    assert [each["id"] for each in reply.json()["data"]] == [ours.key.id]


async def test_revoked_keys_alone_are_left_out_of_the_list(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)

    async def make(name: str) -> str:
        made = await gateway_server.post("/v1/api_keys", {"name": name, "scopes": ["ai:chat"]}, key=tenant.token)
        return made.json()["data"]["id"]

    kept, gone = await make("superseded"), await make("revoked")
    rotated = await gateway_server.post(f"/v1/api_keys/{kept}/rotate", {"grace_seconds": 0}, key=tenant.token)
    await gateway_server.get("/v1/models", key=rotated.json()["data"]["plaintext"])
    await gateway_server.request("DELETE", f"/v1/api_keys/{gone}", key=tenant.token)

    listed = (await gateway_server.get("/v1/api_keys", key=tenant.token)).json()["data"]
    assert [each["id"] for each in listed] == [rotated.json()["data"]["id"], kept, tenant.key.id]
    assert listed[1]["retires_at"] is not None


async def test_a_revoked_key_makes_none_where_its_revocation_was_not_heard_yet(
    gateway_server: GatewayServer, postgres_server: str, server_settings: Settings
) -> None:
    key = await make_key(gateway_server)
    assert (await gateway_server.get("/v1/usage", key=key["plaintext"])).status == 200
    database = make_url(str(server_settings.database_url)).database
    owner = make_url(postgres_server).set(database=database).render_as_string(hide_password=False)
    with psycopg.connect(owner) as connection:
        connection.execute("set session_replication_role = replica")  # without the trigger that announces it
        connection.execute("update api_keys set revoked_at = now() where id = %s", [key["id"]])

    wanted = {"name": "x", "scopes": ["ai:chat"]}
    refused = await gateway_server.post("/v1/api_keys", wanted, key=key["plaintext"])

    assert (refused.status, refused.json()["error"]["code"]) == (401, "INVALID_API_KEY")

"""Keys, usage, audit, health and models over real HTTP."""

import asyncio
import re

import pytest

from gateway.tenancy import KeyMode, Scope
from storage import Storage
from storage.pool import durable
from tests.gateway_server import GatewayServer
from tests.tenants import Tenant, make_tenant


async def told(storage: Storage, tenant: Tenant) -> list[tuple[str, dict[str, object]]]:
    """The organisation's events, oldest first."""
    async with durable(storage.pool) as connection:
        events = await connection.execute("select type, data from outbox where org_id = %s order by id", [tenant.org])
        return await events.fetchall()


async def test_a_key_is_shown_once_works_and_dies_at_once(gateway_server: GatewayServer) -> None:
    made = await gateway_server.post("/v1/api_keys", {"name": "Clinic", "scopes": ["control:read", "ai:chat"]})

    assert made.status == 201
    key = made.json()["data"]
    assert re.fullmatch(r"hasp_key_live_[2-9A-HJKMNP-TV-Z]{32}", key["plaintext"])
    assert key["last_four"] == key["plaintext"][-4:]
    assert sorted(key["scopes"]) == ["ai:chat", "control:read"]
    assert key["created_at"].endswith("+00:00")
    assert (await gateway_server.get("/v1/usage", key=key["plaintext"])).status == 200

    gone = await gateway_server.request("DELETE", f"/v1/api_keys/{key['id']}")
    again = await gateway_server.request("DELETE", f"/v1/api_keys/{key['id']}")
    assert (gone.status, again.status) == (200, 404)
    assert gone.json()["data"] | {"revoked_at": None} == {"id": key["id"], "deleted": True, "revoked_at": None}
    async with asyncio.timeout(5):
        while (await gateway_server.get("/v1/usage", key=key["plaintext"])).status != 401:
            pass
    listed = (await gateway_server.get("/v1/api_keys?limit=200")).json()["data"]
    assert key["id"] not in [each["id"] for each in listed]
    assert all("plaintext" not in each for each in listed)
    audit = (await gateway_server.get(f"/v1/audit?entity_id={key['id']}")).json()["data"]
    assert [entry["action"] for entry in audit] == ["api_key.revoked", "api_key.created"]


async def test_a_key_s_life_is_told_to_whoever_listens(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)

    made = await gateway_server.post("/v1/api_keys", {"name": "CI", "scopes": ["ai:chat"]}, key=tenant.token)
    key_id = made.json()["data"]["id"]
    await gateway_server.request("DELETE", f"/v1/api_keys/{key_id}", key=tenant.token)

    assert await told(gateway_server.storage, tenant) == [
        ("api_key.created", {"key_id": key_id, "mode": "live"}),
        ("api_key.revoked", {"key_id": key_id, "mode": "live"}),
    ]


async def test_a_test_key_says_so(gateway_server: GatewayServer) -> None:
    made = await gateway_server.post("/v1/api_keys", {"name": "CI", "scopes": ["ai:chat"], "mode": "test"})

    assert made.json()["data"]["plaintext"].startswith("hasp_key_test_")
    assert made.json()["data"]["mode"] == "test"


async def test_a_test_key_creates_test_keys_only(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, mode=KeyMode.TEST)
    wanted = {"name": "CI", "scopes": ["ai:chat"]}

    unsaid = await gateway_server.post("/v1/api_keys", wanted, key=tenant.token)
    test = await gateway_server.post("/v1/api_keys", wanted | {"mode": "test"}, key=tenant.token)
    live = await gateway_server.post("/v1/api_keys", wanted | {"mode": "live"}, key=tenant.token)

    assert [made.json()["data"]["mode"] for made in (unsaid, test)] == ["test", "test"]
    assert (live.status, live.json()["error"]["param"]) == (422, "mode")
    listed = (await gateway_server.get("/v1/api_keys", key=tenant.token)).json()["data"]
    assert {key["mode"] for key in listed} == {"test"}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"scopes": ["ai:chat"]}, "name"),
        ({"name": "", "scopes": ["ai:chat"]}, "name"),
        ({"name": "x" * 101, "scopes": ["ai:chat"]}, "name"),
        ({"name": 5, "scopes": ["ai:chat"]}, "name"),
        ({"name": "x"}, "scopes"),
        ({"name": "x", "scopes": []}, "scopes"),
        ({"name": "x", "scopes": ["ai:chat", "ai:everything"]}, "scopes[1]"),
        ({"name": "x", "scopes": "ai:chat"}, "scopes"),
        ({"name": "x", "scopes": ["ai:chat"], "mode": "prod"}, "mode"),
        ({"name": "x", "scopes": ["ai:chat"], "Zachary Quillfeather": 1}, None),
        (b"[]", None),
        (b"\xff", None),
        (b"", None),
    ],
)
async def test_a_key_with_a_bad_form_is_422_naming_the_field(
    gateway_server: GatewayServer, body: object, param: str | None
) -> None:
    reply = await gateway_server.post("/v1/api_keys", body)

    assert reply.status == 422
    error = reply.json()["error"]
    assert (error["code"], error.get("param")) == ("VALIDATION_FAILED", param)
    assert b"Quillfeather" not in reply.body
    assert b"everything" not in reply.body


async def test_keys_are_paged(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)
    for number in range(4):
        await gateway_server.post("/v1/api_keys", {"name": str(number), "scopes": ["ai:chat"]}, key=tenant.token)

    seen: list[str] = []
    path = "/v1/api_keys?limit=2"
    while path:
        page = (await gateway_server.get(path, key=tenant.token)).json()
        seen += [key["name"] for key in page["data"]]
        assert page["meta"]["has_more"] == (page["meta"]["next_cursor"] is not None)
        path = f"/v1/api_keys?limit=2&cursor={page['meta']['next_cursor']}" if page["meta"]["has_more"] else ""

    assert seen == ["3", "2", "1", "0", "test"]


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("/v1/audit?limit=0", "limit"),
        ("/v1/audit?limit=201", "limit"),
        ("/v1/audit?limit=x", "limit"),
        ("/v1/audit?cursor=nonsense", "cursor"),
        ("/v1/audit?from=yesterday", "from"),
        ("/v1/audit?from=1700000000", "from"),
        ("/v1/audit?from=2026-02-30T00:00:00Z", "from"),
        ("/v1/audit?from=", "from"),
        ("/v1/audit?to=2026-04-01T00:00:00", "to"),
        ("/v1/audit?to=9999-12-31T23:59:59-14:00", "to"),
        ("/v1/audit?from=2026-05-01T00:00:00Z&to=2026-04-01T00:00:00Z", "to"),
        ("/v1/audit?actor=key:1&actor=key:2", "actor"),
        ("/v1/audit?Zachary%20Quillfeather=1", None),
        ("/v1/api_keys?limit=0", "limit"),
        ("/v1/api_keys?cursor=%00", "cursor"),
    ],
)
async def test_a_bad_query_is_422_naming_the_parameter(
    gateway_server: GatewayServer, path: str, param: str | None
) -> None:
    reply = await gateway_server.get(path)

    assert reply.status == 422
    assert reply.json()["error"].get("param") == param
    assert b"Quillfeather" not in reply.body
    # The key comes first: a stranger learns nothing about parameters.
    assert (await gateway_server.get(path, key=None)).status == 401


async def test_audit_is_filtered_by_each_of_its_parameters(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)
    await gateway_server.post("/v1/ai/chat", {"message": "Hi", "stream": False}, key=tenant.token)

    async def actions(query: str) -> list[str]:
        reply = await gateway_server.get(f"/v1/audit?{query}", key=tenant.token)
        assert reply.status == 200, reply.body
        return [entry["action"] for entry in reply.json()["data"]]

    assert await actions(f"actor=key:{tenant.key.id}") == ["ai.request.completed"]
    assert await actions("action=organization.created") == ["organization.created"]
    assert await actions("from=2099-01-01T00:00:00Z") == []
    assert await actions("to=2020-01-01T00:00:00%2B00:00") == []
    assert "ai.request.completed" in await actions("entity_type=inference")


async def test_usage_is_nested_flat_and_broken_down(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, allotment=5_000)
    before = (await gateway_server.get("/v1/usage", key=tenant.token)).json()["data"]
    spent = await gateway_server.post(
        "/v1/ai/chat", {"message": "Hi", "stream": False, "max_tokens": 50}, key=tenant.token
    )
    usage = (await gateway_server.get("/v1/usage", key=tenant.token)).json()["data"]

    charged = spent.json()["meta"]["usage"]["sonnet_equivalent_tokens"]
    assert before["credits"]["used"] == 0
    assert usage["credits"]["allotment"] == usage["credits_allotment"] == 5_000
    assert usage["credits"]["used"] == usage["credits_used"] == charged
    assert usage["credits"]["remaining"] == usage["credits_remaining"] == 5_000 - charged
    assert usage["requests"]["total"] == 1
    assert [line["model"] for line in usage["by_model"]] == ["claude-sonnet-4-6"]
    assert [line["key_id"] for line in usage["by_key"]] == [tenant.key.id]
    assert usage["by_day"][0]["credits"] == charged


async def test_control_reads_need_their_scope(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, scopes=[Scope.AI_CHAT])

    for path in ("/v1/usage", "/v1/audit", "/v1/api_keys"):
        reply = await gateway_server.get(path, key=tenant.token)
        assert reply.status == 403
        assert reply.json()["error"]["details"] == {"required_scope": "control:read"}


async def test_health_names_each_dependency(gateway_server: GatewayServer) -> None:
    assert (await gateway_server.get("/livez", key=None)).json() == {"status": "alive"}
    ready = await gateway_server.get("/readyz", key=None)
    assert (ready.status, ready.json()) == (
        200,
        {
            "status": "ready",
            "dependencies": {"database": "up", "access_channel": "up", "clock": "up", "phi_scanner": "up"},
        },
    )


async def test_models_are_listed_as_anthropic_does_with_more(gateway_server: GatewayServer) -> None:
    whole = (await gateway_server.get("/v1/models")).json()
    ids = [model["id"] for model in whole["data"]]

    assert len(ids) == 9
    assert (whole["first_id"], whole["last_id"], whole["has_more"]) == (ids[0], ids[-1], False)
    assert {"tier", "context_tokens", "baa_coverage", "lifecycle"} <= set(whole["data"][0])
    first = (await gateway_server.get("/v1/models?limit=4")).json()
    assert (first["last_id"], first["has_more"]) == (ids[3], True)
    after = (await gateway_server.get(f"/v1/models?limit=10&after_id={ids[3]}")).json()
    assert [model["id"] for model in after["data"]] == ids[4:]
    before = (await gateway_server.get(f"/v1/models?limit=2&before_id={ids[3]}")).json()
    assert [model["id"] for model in before["data"]] == ids[1:3]
    assert (await gateway_server.get("/v1/models?after_id=x")).status == 400
    assert (await gateway_server.get("/v1/models?limit=0")).json()["error"]["param"] == "limit"
    assert (await gateway_server.get(f"/v1/models/{ids[0]}")).json() == whole["data"][0]
    assert (await gateway_server.get("/v1/models/none")).status == 404
    assert (await gateway_server.get("/v1/models", key=None)).status == 401


async def test_the_reference_needs_nothing_from_elsewhere(gateway_server: GatewayServer) -> None:
    document = (await gateway_server.get("/openapi.json", key=None)).json()
    page = await gateway_server.get("/docs", key=None)

    assert page.headers["content-type"].startswith("text/html")
    text = page.body.decode()
    assert "<script" not in text
    assert not re.findall(r'(?:src|href)="(?!#|/openapi)', text)
    assert all(path.replace("{", "{") in text for path in document["paths"])

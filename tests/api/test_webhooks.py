"""Webhooks over real HTTP: what can be asked for, what is shown, and to whom."""

import base64
from typing import Any

import pytest

from gateway.ids import new_ulid
from gateway.tenancy import KeyMode, Scope
from gateway.webhooks.events import CATALOGUE, INTERNAL
from storage.pool import fetch
from tests.gateway_server import GatewayServer, Reply
from tests.tenants import Tenant, make_tenant

URL = "https://93.184.215.14/hasp"
"""An address: nothing has to be looked up."""
CANARY = "Quillfeather"


async def make_writer(server: GatewayServer, *, mode: KeyMode = KeyMode.LIVE) -> Tenant:
    return await make_tenant(server.storage, scopes=[Scope.CONTROL_WEBHOOKS, Scope.CONTROL_READ], mode=mode)


async def create(server: GatewayServer, tenant: Tenant, **fields: Any) -> dict[str, Any]:
    made = await server.post("/v1/webhooks", {"url": URL, "events": ["*"]} | fields, key=tenant.token)
    assert made.status == 201, made.body
    return made.json()["data"]


async def actions(server: GatewayServer, tenant: Tenant, endpoint: str) -> list[dict[str, Any]]:
    """What the audit log has of it, oldest first."""
    reply = await server.get(f"/v1/audit?entity_id={endpoint}", key=tenant.token)
    return reply.json()["data"][::-1]


def refusal(reply: Reply) -> tuple[int, str, str | None]:
    error: dict[str, Any] = reply.json()["error"]
    return reply.status, error["code"], error.get("param")


async def test_a_webhook_is_created_shown_listed_and_deleted(gateway_server: GatewayServer) -> None:
    tenant = await make_writer(gateway_server)
    app = new_ulid()
    wanted = {"app_id": app, "url": URL, "events": ["record.created", "phi.blocked"], "description": "Front desk"}

    made = await gateway_server.post("/v1/webhooks", wanted, key=tenant.token)
    webhook = made.json()["data"]
    path = f"/v1/webhooks/{webhook['id']}"
    shown = await gateway_server.get(path, key=tenant.token)
    listed = await gateway_server.get("/v1/webhooks", key=tenant.token)
    gone = await gateway_server.request("DELETE", path, key=tenant.token)
    again = await gateway_server.request("DELETE", path, key=tenant.token)

    assert (made.status, made.headers["etag"], shown.headers["etag"]) == (201, '"1"', '"1"')
    secrets = {"secret": webhook.pop("secret"), "public_key": webhook.pop("public_key")}
    assert len(base64.b64decode(secrets["secret"].removeprefix("whsec_"), validate=True)) == 32
    assert secrets["public_key"] is None
    assert wanted | {"is_active": True, "state": "active", "disabled_because": None} == {
        name: webhook[name] for name in (*wanted, "is_active", "state", "disabled_because")
    }
    assert webhook["created_at"].endswith("+00:00")
    assert shown.json()["data"] == webhook
    assert listed.json()["data"] == [webhook]
    assert gone.json()["data"] == {"id": webhook["id"], "deleted": True}
    assert refusal(again) == (404, "RESOURCE_NOT_FOUND", "webhook_id")
    assert (await gateway_server.get("/v1/webhooks", key=tenant.token)).json()["data"] == []
    told = [entry["action"] for entry in await actions(gateway_server, tenant, webhook["id"])]
    assert told == ["webhook_endpoint.created", "webhook_endpoint.deleted"]


async def test_a_deleted_webhook_s_secrets_are_destroyed(gateway_server: GatewayServer) -> None:
    tenant = await make_writer(gateway_server)
    webhook = await create(gateway_server, tenant, signs_asymmetrically=True)
    await gateway_server.request("DELETE", f"/v1/webhooks/{webhook['id']}", key=tenant.token)

    assert await secrets_of(gateway_server, webhook["id"]) == []


async def test_an_asymmetric_webhook_shows_the_public_half_of_its_key(gateway_server: GatewayServer) -> None:
    webhook = await create(gateway_server, await make_writer(gateway_server), signs_asymmetrically=True)

    assert len(base64.b64decode(webhook["public_key"].removeprefix("whpk_"), validate=True)) == 32
    assert webhook["secret"].startswith("whsec_")


ROUTES: list[tuple[str, str, object]] = [
    ("GET", "", None),
    ("PATCH", "", {"is_active": False}),
    ("DELETE", "", None),
    ("POST", "/rotate-secret", {}),
    ("POST", "/test", {}),
]


@pytest.mark.parametrize(("method", "suffix", "body"), ROUTES)
async def test_a_webhook_of_others_or_of_nobody_is_not_there(
    gateway_server: GatewayServer, method: str, suffix: str, body: object
) -> None:
    owner, stranger = await make_writer(gateway_server), await make_writer(gateway_server)
    webhook = await create(gateway_server, owner)

    for id_ in (webhook["id"], new_ulid(), "nonsense"):
        reply = await gateway_server.request(method, f"/v1/webhooks/{id_}{suffix}", body, key=stranger.token)
        assert refusal(reply) == (404, "RESOURCE_NOT_FOUND", "webhook_id")
    assert (await gateway_server.get(f"/v1/webhooks/{webhook['id']}", key=owner.token)).status == 200


@pytest.mark.parametrize(("method", "suffix", "body"), [*ROUTES, ("POST", None, {}), ("GET", None, None)])
async def test_webhooks_need_their_own_scope(
    gateway_server: GatewayServer, method: str, suffix: str | None, body: object
) -> None:
    tenant = await make_tenant(gateway_server.storage, scopes=[Scope.CONTROL_READ, Scope.CONTROL_WRITE])
    path = "/v1/webhooks" if suffix is None else f"/v1/webhooks/{new_ulid()}{suffix}"

    reply = await gateway_server.request(method, path, body, key=tenant.token)

    assert refusal(reply) == (403, "MISSING_SCOPE", None)
    assert reply.json()["error"]["details"]["required_scope"] == "control:webhooks"
    assert (await gateway_server.request(method, path, body, key=None)).status == 401


async def test_a_test_key_reads_webhooks_and_changes_none(gateway_server: GatewayServer) -> None:
    tenant = await make_writer(gateway_server, mode=KeyMode.TEST)

    made = await gateway_server.post("/v1/webhooks", {"url": URL, "events": ["*"]}, key=tenant.token)

    assert refusal(made)[:2] == (403, "MISSING_SCOPE")
    assert (await gateway_server.get("/v1/webhooks", key=tenant.token)).status == 200


async def test_what_is_changed_is_kept_versioned_and_audited(gateway_server: GatewayServer) -> None:
    tenant = await make_writer(gateway_server)
    webhook = await create(gateway_server, tenant, description=CANARY)
    path = f"/v1/webhooks/{webhook['id']}"
    other = {
        "url": f"https://93.184.215.14/{CANARY}",
        "events": ["phi.blocked"],
        "is_active": False,
        "is_ordered": True,
        "rate_per_minute": 600,
        "description": None,
    }

    changed = await gateway_server.request("PATCH", path, other, key=tenant.token, headers={"if-match": '"1"'})
    stale = await gateway_server.request("PATCH", path, other, key=tenant.token, headers={"if-match": '"1"'})
    same = await gateway_server.request("PATCH", path, other, key=tenant.token)
    resumed = await gateway_server.request("PATCH", path, {"is_active": True}, key=tenant.token)

    assert {name: changed.json()["data"][name] for name in other} == other
    assert (changed.json()["data"]["state"], changed.headers["etag"]) == ("paused", '"2"')
    assert refusal(stale)[:2] == (412, "PRECONDITION_FAILED")
    assert (same.headers["etag"], resumed.headers["etag"]) == ('"2"', '"3"')
    assert resumed.json()["data"]["state"] == "active"
    entries = await actions(gateway_server, tenant, webhook["id"])
    assert CANARY not in str(entries)
    assert entries[1]["metadata"]["changed"] == sorted(other)
    assert entries[1]["metadata"]["after"] == {
        "state": "paused",
        "events": ["phi.blocked"],
        "is_ordered": True,
        "rate_per_minute": 600,
        "signs_asymmetrically": False,
    }


@pytest.mark.parametrize("because", ["failures", "gone"])
async def test_a_disabled_webhook_is_resumed_in_good_health(gateway_server: GatewayServer, because: str) -> None:
    tenant = await make_writer(gateway_server)
    webhook = await create(gateway_server, tenant)
    path = f"/v1/webhooks/{webhook['id']}"
    await fetch(
        gateway_server.storage.pool,
        "with told as (insert into webhook_health (endpoint_id, org_id, failures, failing_since, rests_until)"
        " values (%(id)s, %(org)s, 9, now(), now()))"
        " update webhook_endpoints set state = 'disabled', disabled_because = %(why)s where id = %(id)s returning id",
        {"id": webhook["id"], "org": tenant.org, "why": because},
    )

    disabled = (await gateway_server.get(path, key=tenant.token)).json()["data"]
    paused = await gateway_server.request("PATCH", path, {"is_active": False}, key=tenant.token)
    resumed = await gateway_server.request("PATCH", path, {"is_active": True}, key=tenant.token)

    assert (disabled["is_active"], disabled["state"], disabled["disabled_because"]) == (False, "disabled", because)
    assert paused.json()["data"]["state"] == "disabled"
    assert (resumed.json()["data"]["state"], resumed.json()["data"]["disabled_because"]) == ("active", None)
    health = "select 1 from webhook_health where endpoint_id = %s"
    assert await fetch(gateway_server.storage.pool, health, [webhook["id"]]) == []


async def test_a_rotated_secret_overlaps_the_one_before(gateway_server: GatewayServer) -> None:
    tenant = await make_writer(gateway_server)
    webhook = await create(gateway_server, tenant)
    path = f"/v1/webhooks/{webhook['id']}/rotate-secret"

    rotated = await gateway_server.request("POST", path, key=tenant.token)
    overlapping = await secrets_of(gateway_server, webhook["id"])
    at_once = await gateway_server.post(path, {"overlap_hours": 0, "signs_asymmetrically": True}, key=tenant.token)

    assert (rotated.status, at_once.status) == (201, 201)
    shown = [webhook["secret"], rotated.json()["data"]["secret"], at_once.json()["data"]["secret"]]
    assert len(set(shown)) == 3
    assert overlapping == [("hmac", 24), ("hmac", None)]
    assert await secrets_of(gateway_server, webhook["id"]) == [("ed25519", None), ("hmac", None)]
    assert at_once.json()["data"]["public_key"].startswith("whpk_")
    entries = await actions(gateway_server, tenant, webhook["id"])
    assert [entry["action"] for entry in entries[1:]] == ["webhook_endpoint.secret_rotated"] * 2
    assert entries[2]["metadata"] == {"overlap_hours": 0, "kinds": ["hmac", "ed25519"]}


async def test_only_ten_earlier_secrets_are_signed_with(gateway_server: GatewayServer) -> None:
    tenant = await make_writer(gateway_server)
    webhook = await create(gateway_server, tenant)
    path = f"/v1/webhooks/{webhook['id']}/rotate-secret"
    for _ in range(10):
        assert (await gateway_server.post(path, {}, key=tenant.token)).status == 201

    refused = await gateway_server.post(path, {}, key=tenant.token)

    assert refusal(refused)[:2] == (409, "TOO_MANY_WEBHOOK_SECRETS")
    assert len(await secrets_of(gateway_server, webhook["id"])) == 11
    assert (await gateway_server.post(path, {"overlap_hours": 0}, key=tenant.token)).status == 201


async def test_an_organization_has_fifty_webhooks_at_most(gateway_server: GatewayServer) -> None:
    tenant = await make_writer(gateway_server)
    first = await create(gateway_server, tenant)
    await fetch(
        gateway_server.storage.pool,
        "insert into webhook_endpoints (id, org_id, url, events, created_at, updated_at)"
        " select left(id, 20) || lpad(n::text, 6, '0'), org_id, url, events, created_at, updated_at"
        " from webhook_endpoints, generate_series(1, 49) n where id = %s returning id",
        [first["id"]],
    )

    refused = await gateway_server.post("/v1/webhooks", {"url": URL, "events": ["*"]}, key=tenant.token)

    assert refusal(refused)[:2] == (409, "TOO_MANY_WEBHOOKS")
    await gateway_server.request("DELETE", f"/v1/webhooks/{first['id']}", key=tenant.token)
    await create(gateway_server, tenant)


async def test_a_page_of_webhooks_leads_to_the_next(gateway_server: GatewayServer) -> None:
    tenant = await make_writer(gateway_server)
    made = [(await create(gateway_server, tenant))["id"] for _ in range(3)]

    first = (await gateway_server.get("/v1/webhooks?limit=2", key=tenant.token)).json()
    cursor = first["meta"]["next_cursor"]
    rest = (await gateway_server.get(f"/v1/webhooks?limit=2&cursor={cursor}", key=tenant.token)).json()

    assert [each["id"] for each in first["data"] + rest["data"]] == made[::-1]
    assert (first["meta"]["has_more"], rest["meta"]["has_more"]) == (True, False)


async def test_asking_twice_makes_one_webhook_and_shows_its_secret_again(gateway_server: GatewayServer) -> None:
    tenant = await make_writer(gateway_server)
    wanted: dict[str, Any] = {"url": URL, "events": ["*"]}
    named = {"idempotency-key": "hook-1"}

    first = await gateway_server.post("/v1/webhooks", wanted, key=tenant.token, headers=named)
    again = await gateway_server.post("/v1/webhooks", wanted, key=tenant.token, headers=named)
    other = await gateway_server.post(
        "/v1/webhooks", wanted | {"events": ["phi.blocked"]}, key=tenant.token, headers=named
    )

    assert (again.status, again.body, again.headers["etag"]) == (201, first.body, first.headers["etag"])
    assert again.headers["idempotent-replayed"] == "true"
    assert refusal(other)[:2] == (409, "IDEMPOTENCY_CONFLICT")
    assert len((await gateway_server.get("/v1/webhooks", key=tenant.token)).json()["data"]) == 1
    entries = await actions(gateway_server, tenant, first.json()["data"]["id"])
    assert [each["action"] for each in entries] == ["webhook_endpoint.created", "webhook_endpoint.shown_again"]


async def test_a_secret_is_kept_nowhere_readable(gateway_server: GatewayServer) -> None:
    tenant = await make_writer(gateway_server)
    webhook = await create(gateway_server, tenant, signs_asymmetrically=True)
    await gateway_server.request("PATCH", f"/v1/webhooks/{webhook['id']}", {"is_ordered": True}, key=tenant.token)
    tables = await fetch(
        gateway_server.storage.pool,
        "select table_name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'",
    )

    raw = base64.b64decode(webhook["secret"].removeprefix("whsec_"))
    for form in (webhook["secret"], raw.hex(), webhook["secret"].removeprefix("whsec_")):
        for (table,) in tables:
            query = f"select 1 from {table} t where position(%s in t::text) > 0 limit 1"
            assert await fetch(gateway_server.storage.pool, query, [form]) == [], table  # pyright: ignore[reportArgumentType]


async def test_a_test_event_goes_to_one_webhook_alone(gateway_server: GatewayServer) -> None:
    tenant = await make_writer(gateway_server)
    webhook, _ = await create(gateway_server, tenant), await create(gateway_server, tenant)
    path = f"/v1/webhooks/{webhook['id']}/test"

    plain = await gateway_server.request("POST", path, key=tenant.token)
    named = await gateway_server.post(path, {"event": "credits.exhausted"}, key=tenant.token)

    assert (plain.status, named.status) == (202, 202)
    delivery = plain.json()["data"]["delivery_id"]
    assert plain.headers["location"] == f"/v1/webhooks/deliveries/{delivery}"
    rows = await fetch(
        gateway_server.storage.pool,
        "select d.id, d.endpoint_id, d.event_type, d.state, o.type, o.data from webhook_deliveries d"
        " join outbox o on o.id = d.event_id where d.org_id = %s order by d.created_at",
        [tenant.org],
    )
    kinds = ["webhook_endpoint.test", "credits.exhausted"]
    ids = [reply.json()["data"]["delivery_id"] for reply in (plain, named)]
    assert [row[:5] for row in rows] == [
        (id_, webhook["id"], kind, "pending", "webhook_endpoint.test") for id_, kind in zip(ids, kinds, strict=True)
    ]
    assert rows[1][5] == CATALOGUE["credits.exhausted"].example


async def test_a_paused_webhook_is_not_tried(gateway_server: GatewayServer) -> None:
    tenant = await make_writer(gateway_server)
    webhook = await create(gateway_server, tenant)
    path = f"/v1/webhooks/{webhook['id']}"
    await gateway_server.request("PATCH", path, {"is_active": False}, key=tenant.token)

    assert refusal(await gateway_server.post(f"{path}/test", {}, key=tenant.token))[:2] == (409, "WEBHOOK_NOT_ACTIVE")


async def test_every_public_event_can_be_asked_for_and_no_other(gateway_server: GatewayServer) -> None:
    tenant = await make_writer(gateway_server)
    webhook = await create(gateway_server, tenant, events=[*CATALOGUE])

    assert webhook["events"] == [*CATALOGUE]
    for kind in INTERNAL:
        reply = await gateway_server.post("/v1/webhooks", {"url": URL, "events": [kind]}, key=tenant.token)
        assert refusal(reply) == (422, "VALIDATION_FAILED", "events[0]")


async def secrets_of(server: GatewayServer, endpoint: str) -> list[tuple[str, int | None]]:
    """Their kinds and the hours that they have left, those that end first."""
    return await fetch(
        server.storage.pool,
        "select kind, round(extract(epoch from retires_at - now()) / 3600)::int from webhook_secrets"
        " where endpoint_id = %s order by retires_at, kind",
        [endpoint],
    )

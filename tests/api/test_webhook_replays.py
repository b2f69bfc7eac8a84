"""Deliveries and replays over real HTTP: what is shown, what is sent again, and to whom."""

from typing import Any

import pytest

from gateway.ids import new_ulid
from gateway.tenancy import KeyMode, Scope
from storage.pool import fetch
from tests.gateway_server import GatewayServer, Reply
from tests.receivers import make_endpoint
from tests.replaying import put_deliveries
from tests.tenants import Tenant, make_tenant

UNKNOWN = "01K0B6W4M7RT2V9YQ3X5ZC8D1E"
CANARY = "Quillfeather"
BULK = "/v1/webhooks/deliveries/bulk-replay"
NOW = {"prefer": "respond-async"}


async def make_writer(server: GatewayServer, *, mode: KeyMode = KeyMode.LIVE) -> Tenant:
    return await make_tenant(
        server.storage, scopes=[Scope.CONTROL_WEBHOOKS, Scope.CONTROL_READ], mode=mode, agreement=False
    )


async def bulk(server: GatewayServer, tenant: Tenant, body: object, **options: Any) -> Reply:
    return await server.post(BULK, body, key=tenant.token, headers=NOW, **options)


async def begun(server: GatewayServer, tenant: Tenant, body: object) -> dict[str, Any]:
    reply = await bulk(server, tenant, body)
    assert reply.status == 202, reply.body
    return reply.json()["data"]


def refusal(reply: Reply) -> tuple[int, str, str | None]:
    error: dict[str, Any] = reply.json()["error"]
    return reply.status, error["code"], error.get("param")


async def told(server: GatewayServer, tenant: Tenant, entity: str) -> list[str]:
    reply = await server.get(f"/v1/audit?entity_id={entity}", key=tenant.token)
    return [entry["action"] for entry in reply.json()["data"][::-1]]


async def test_a_replay_asked_for_twice_under_one_key_is_one(gateway_server: GatewayServer) -> None:
    server, tenant = gateway_server, await make_writer(gateway_server)
    deliveries = await put_deliveries(server.storage, tenant.org, 2)
    once = {"idempotency-key": "after-the-outage", "prefer": "wait=0"}

    first = await server.post(BULK, {"delivery_ids": deliveries}, key=tenant.token, headers=once)
    again = await server.post(BULK, {"delivery_ids": deliveries}, key=tenant.token, headers=once)

    assert first.json() == again.json()
    assert first.headers["location"] == again.headers["location"]
    assert len((await server.get("/v1/webhooks/replays", key=tenant.token)).json()["data"]) == 1


async def test_a_replay_by_filter_is_frozen_planned_and_audited(gateway_server: GatewayServer) -> None:
    server, tenant = gateway_server, await make_writer(gateway_server)
    await put_deliveries(server.storage, tenant.org, 3)
    await put_deliveries(server.storage, tenant.org, 2, state="delivered")

    reply = await bulk(server, tenant, {"status": "failed", "rate_per_minute": 60})
    replay = reply.json()["data"]
    shown = (await server.get(reply.headers["location"], key=tenant.token)).json()["data"]
    (listed,) = (await server.get("/v1/webhooks/replays", key=tenant.token)).json()["data"]

    counted = {"matched": 3, "planned": 3, "queued": 0, "delivered": 0, "failed": 0, "skipped": 0}
    assert reply.status == 202
    assert (replay["replayed"], replay["skipped"], replay["progress"]) == (3, [], counted)
    assert replay["filter"]["to"] <= replay["created_at"]
    assert shown == {name: replay[name] for name in shown}
    assert listed == {name: replay[name] for name in listed}
    assert replay["requested_by"] == f"key:{tenant.key.id}"
    assert await told(server, tenant, replay["id"]) == ["webhook_replay.created"]


async def test_ids_that_cannot_be_replayed_are_listed_and_say_nothing_of_others(gateway_server: GatewayServer) -> None:
    server, tenant, stranger = gateway_server, await make_writer(gateway_server), await make_writer(gateway_server)
    mine = await put_deliveries(server.storage, tenant.org, 2)
    (theirs,) = await put_deliveries(server.storage, stranger.org, 1)
    pending = await put_deliveries(server.storage, tenant.org, 1, state="pending")
    asked = [*mine, theirs, *pending, UNKNOWN, mine[0].lower()]

    tried = (await server.post(BULK, {"delivery_ids": asked, "dry_run": True}, key=tenant.token)).json()["data"]
    replay = await begun(server, tenant, {"delivery_ids": asked})

    left_out = [
        {"id": theirs, "reason": "not_found"},
        {"id": pending[0], "reason": "on_its_way"},
        {"id": UNKNOWN, "reason": "not_found"},
    ]
    assert (replay["replayed"], replay["skipped"], replay["filter"]) == (2, left_out, {"delivery_ids": mine})
    assert (tried["matched"], tried["skipped"]) == (2, left_out)


async def test_a_dry_run_says_how_much_and_how_long_and_does_nothing(gateway_server: GatewayServer) -> None:
    server, tenant = gateway_server, await make_writer(gateway_server)
    await put_deliveries(server.storage, tenant.org, 30)

    reply = await server.post(BULK, {"status": "failed", "dry_run": True, "rate_per_minute": 10}, key=tenant.token)

    data = reply.json()["data"]
    assert (reply.status, data["dry_run"], data["matched"], data["estimated_seconds"]) == (200, True, 30, 180)
    assert data["oldest"] is not None
    assert (await server.get("/v1/webhooks/replays", key=tenant.token)).json()["data"] == []


async def test_a_replay_of_nothing_is_done(gateway_server: GatewayServer) -> None:
    reply = await bulk(gateway_server, await make_writer(gateway_server), {"status": "failed"})

    assert (reply.status, reply.json()["data"]["status"], reply.json()["data"]["matched"]) == (200, "done", 0)


async def test_a_replay_is_paused_resumed_and_cancelled(gateway_server: GatewayServer) -> None:
    server, tenant = gateway_server, await make_writer(gateway_server)
    await put_deliveries(server.storage, tenant.org, 1)
    replay = await begun(server, tenant, {"status": "failed"})
    path = f"/v1/webhooks/replays/{replay['id']}"

    seen = list[tuple[int, str]]()
    for act in ("pause", "pause", "resume", "cancel", "cancel"):
        reply = await server.post(f"{path}/{act}", None, key=tenant.token)
        seen.append((reply.status, reply.json()["data"]["status"]))
    refused = await server.post(f"{path}/resume", None, key=tenant.token)

    assert seen == [(200, "paused"), (200, "paused"), (200, "running"), (200, "cancelled"), (200, "cancelled")]
    assert refusal(refused) == (409, "WEBHOOK_REPLAY_OVER", None)
    acts = ["created", "paused", "paused", "resumed", "cancelled", "cancelled"]
    assert await told(server, tenant, replay["id"]) == [f"webhook_replay.{act}" for act in acts]


async def test_each_decision_wakes_the_work_and_reaches_no_webhook(gateway_server: GatewayServer) -> None:
    server, tenant = gateway_server, await make_writer(gateway_server)
    await make_endpoint(server.storage, tenant.org, "https://93.184.215.14/", events=("*",))
    await put_deliveries(server.storage, tenant.org, 1)
    replay = await begun(server, tenant, {"status": "failed"})
    await server.post(f"/v1/webhooks/replays/{replay['id']}/pause", None, key=tenant.token)

    events = await fetch(
        server.storage.pool,
        "select id, data from outbox where type = 'webhook_replay.changed' and org_id = %s order by id",
        [tenant.org],
    )
    sent = await fetch(
        server.storage.pool, "select 1 from webhook_deliveries where event_id = any(%s)", [[row[0] for row in events]]
    )

    assert [row[1] for row in events] == [{"replay_id": replay["id"]}] * 2
    assert sent == []


async def test_an_organisation_has_three_replays_at_a_time(gateway_server: GatewayServer) -> None:
    tenant = await make_writer(gateway_server)
    await put_deliveries(gateway_server.storage, tenant.org, 1)

    replies = [await bulk(gateway_server, tenant, {"status": "failed"}) for _ in range(4)]

    assert [reply.status for reply in replies] == [202, 202, 202, 409]
    assert refusal(replies[-1]) == (409, "TOO_MANY_WEBHOOK_REPLAYS", None)


@pytest.mark.parametrize(
    "path",
    [
        "GET /v1/webhooks/deliveries/{delivery}",
        "POST /v1/webhooks/deliveries/{delivery}/replay",
        "GET /v1/webhooks/replays/{replay}",
        "POST /v1/webhooks/replays/{replay}/pause",
        "POST /v1/webhooks/replays/{replay}/resume",
        "POST /v1/webhooks/replays/{replay}/cancel",
    ],
)
async def test_what_is_another_organisations_is_not_found(gateway_server: GatewayServer, path: str) -> None:
    server, tenant, stranger = gateway_server, await make_writer(gateway_server), await make_writer(gateway_server)
    (delivery,) = await put_deliveries(server.storage, tenant.org, 1)
    replay = await begun(server, tenant, {"delivery_ids": [delivery]})
    method, place = path.split()

    for known in ({"delivery": delivery, "replay": replay["id"]}, dict.fromkeys(("delivery", "replay"), UNKNOWN)):
        reply = await server.request(method, place.format(**known), key=stranger.token, headers=NOW)
        assert refusal(reply)[:2] == (404, "RESOURCE_NOT_FOUND")
    reply = await server.request(method, place.format(delivery=CANARY, replay=CANARY), key=tenant.token)
    assert reply.status == 404
    assert CANARY.encode() not in reply.body


@pytest.mark.parametrize("webhook", [UNKNOWN, "Quillfeather", "theirs"])
async def test_a_filter_of_a_webhook_that_is_not_there_is_404(gateway_server: GatewayServer, webhook: str) -> None:
    server, tenant = gateway_server, await make_writer(gateway_server)
    if webhook == "theirs":
        stranger = await make_writer(server)
        webhook = await make_endpoint(server.storage, stranger.org, "https://93.184.215.14/")

    for dry_run in (True, False):
        reply = await bulk(server, tenant, {"endpoint_id": webhook, "dry_run": dry_run})
        assert (reply.status, CANARY.encode() in reply.body) == (404, False)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, None),
        ({"dry_run": True}, None),
        ({"delivery_ids": []}, "delivery_ids"),
        ({"delivery_ids": ["Quillfeather"]}, "delivery_ids[0]"),
        ({"delivery_ids": [UNKNOWN] * 101}, "delivery_ids"),
        ({"delivery_ids": UNKNOWN}, "delivery_ids"),
        ({"delivery_ids": [UNKNOWN], "status": "failed"}, "status"),
        ({"delivery_ids": [UNKNOWN], "from": "2026-01-01T00:00:00Z"}, "from"),
        ({"status": "pending"}, "status"),
        ({"status": "Quillfeather"}, "status"),
        ({"events": []}, "events"),
        ({"events": ["Quillfeather"]}, "events[0]"),
        ({"from": "Quillfeather"}, "from"),
        ({"from": 0}, "from"),
        ({"to": "2026-01-01T00:00:00"}, "to"),
        ({"from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "to"),
        ({"status": "failed", "rate_per_minute": 0}, "rate_per_minute"),
        ({"status": "failed", "rate_per_minute": 60_001}, "rate_per_minute"),
        ({"status": "failed", "rate_per_minute": "1"}, "rate_per_minute"),
        ({"status": "failed", "dry_run": "yes"}, "dry_run"),
        ({"status": "failed", "Quillfeather": 1}, None),
        (b"[]", None),
        (b"", None),
    ],
)
async def test_a_bad_request_is_422_naming_the_field(
    gateway_server: GatewayServer, body: object, param: str | None
) -> None:
    reply = await bulk(gateway_server, await make_writer(gateway_server), body)

    assert refusal(reply) == (422, "VALIDATION_FAILED", param)
    assert CANARY.encode() not in reply.body


async def test_only_a_live_key_with_the_scope_replays(gateway_server: GatewayServer) -> None:
    tester = await make_writer(gateway_server, mode=KeyMode.TEST)
    reader = await make_tenant(gateway_server.storage, scopes=[Scope.CONTROL_READ], agreement=False)
    (delivery,) = await put_deliveries(gateway_server.storage, tester.org, 1)

    for tenant, path in [
        (tester, BULK),
        (tester, f"/v1/webhooks/deliveries/{delivery}/replay"),
        (reader, BULK),
        (reader, f"/v1/webhooks/replays/{new_ulid()}/cancel"),
    ]:
        reply = await gateway_server.post(path, {"delivery_ids": [delivery]}, key=tenant.token)
        assert refusal(reply)[:2] == (403, "MISSING_SCOPE")
    assert (await gateway_server.get("/v1/webhooks/deliveries", key=tester.token)).status == 200
    assert (await gateway_server.get("/v1/webhooks/deliveries", key=reader.token)).status == 403

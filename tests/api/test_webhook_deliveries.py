"""Deliveries over real HTTP: what is shown of them, and one of them sent again."""

import asyncio

import pytest

from storage.pool import fetch
from storage.webhooks.settling import head_place
from tests.api.test_webhook_replays import CANARY, NOW, make_writer, refusal, told
from tests.gateway_server import GatewayServer
from tests.receivers import make_endpoint
from tests.replaying import put_deliveries, settle, states


async def test_deliveries_are_listed_by_every_filter(gateway_server: GatewayServer) -> None:
    server, tenant = gateway_server, await make_writer(gateway_server)
    endpoint = await make_endpoint(server.storage, tenant.org, "https://93.184.215.14/")
    failed = await put_deliveries(server.storage, tenant.org, 3, endpoint=endpoint)
    (skipped,) = await put_deliveries(server.storage, tenant.org, 1, state="skipped", kind="phi.blocked")

    async def listed(query: str) -> list[str]:
        reply = await server.get(f"/v1/webhooks/deliveries?{query}", key=tenant.token)
        assert reply.status == 200, reply.body
        return [each["id"] for each in reply.json()["data"]]

    whole = (await server.get("/v1/webhooks/deliveries", key=tenant.token)).json()["data"]
    shown = next(each for each in whole if each["id"] == failed[0])
    assert sorted(each["id"] for each in whole) == sorted([*failed, skipped])
    assert shown["status"] == "failed"
    assert await listed(f"endpoint_id={endpoint}") == failed[::-1]
    assert await listed("status=skipped") == await listed("event=phi.blocked") == [skipped]
    assert await listed(f"event_id={shown['event_id']}") == [failed[0]]
    assert await listed(f"endpoint_id={endpoint}&status=skipped") == []
    assert len(await listed("from=2020-01-01T00:00:00Z&to=2099-01-01T00:00:00Z")) == 4
    assert await listed("to=2020-01-01T00:00:00Z") == []


async def test_deliveries_come_page_by_page(gateway_server: GatewayServer) -> None:
    tenant = await make_writer(gateway_server)
    put = await put_deliveries(gateway_server.storage, tenant.org, 5)
    seen, cursor = list[str](), ""

    while cursor is not None:
        page = (await gateway_server.get(f"/v1/webhooks/deliveries?limit=2{cursor}", key=tenant.token)).json()
        seen += [each["id"] for each in page["data"]]
        cursor = f"&cursor={page['meta']['next_cursor']}" if page["meta"]["has_more"] else None

    assert seen == put[::-1]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("status=lost", "status"),
        ("endpoint_id=Quillfeather", "endpoint_id"),
        ("event_id=1", "event_id"),
        ("from=yesterday", "from"),
        ("from=1767225600", "from"),
        ("to=2026-01-01T00:00:00", "to"),
        ("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "to"),
        ("status=failed&status=delivered", "status"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("cursor=Quillfeather", "cursor"),
        ("webhook=Quillfeather", None),
    ],
)
async def test_a_filter_that_is_none_is_422_naming_it(
    gateway_server: GatewayServer, query: str, param: str | None
) -> None:
    tenant = await make_writer(gateway_server)

    reply = await gateway_server.get(f"/v1/webhooks/deliveries?{query}", key=tenant.token)

    assert refusal(reply) == (422, "VALIDATION_FAILED", param)
    assert CANARY.encode() not in reply.body


async def test_a_delivery_is_shown_with_its_attempts(gateway_server: GatewayServer) -> None:
    server, tenant = gateway_server, await make_writer(gateway_server)
    storage = server.storage
    (delivery,) = await put_deliveries(storage, tenant.org, 1)
    head = await storage.cipher.seal(tenant.org, head_place(delivery, 2), b"upstream is away")
    for number, failure, sealed in [(1, "timeout", None), (2, "refused", head), (3, None, None)]:
        await fetch(
            storage.pool,
            "insert into webhook_attempts (delivery_id, number, org_id, at, duration_ms, status, failure,"
            " response_head) values (%s, %s, %s, now(), 12, %s, %s, %s)",
            [delivery, number, tenant.org, None if failure == "timeout" else 503, failure, sealed],
        )

    shown = (await server.get(f"/v1/webhooks/deliveries/{delivery}", key=tenant.token)).json()["data"]

    assert [(each["number"], each["failure"], each["response_head"]) for each in shown["attempts"]] == [
        (1, "timeout", None),
        (2, "refused", "upstream is away"),
        (3, None, None),
    ]
    assert (shown["attempt_count"], shown["status"]) == (11, "failed")


async def test_a_delivery_is_replayed(gateway_server: GatewayServer) -> None:
    server, tenant = gateway_server, await make_writer(gateway_server)
    (delivery,) = await put_deliveries(server.storage, tenant.org, 1)
    path = f"/v1/webhooks/deliveries/{delivery}/replay"

    first = await server.post(path, None, key=tenant.token, headers=NOW)
    second = await server.post(path, None, key=tenant.token, headers=NOW)

    data = first.json()["data"]
    assert (first.status, first.headers["location"]) == (202, f"/v1/webhooks/deliveries/{delivery}")
    assert (data["id"], data["status"], data["finished_at"]) == (delivery, "pending", None)
    assert len(data["replay_id"]) == 26
    assert refusal(second) == (409, "WEBHOOK_DELIVERY_ON_ITS_WAY", None)
    assert await told(server, tenant, delivery) == ["webhook_delivery.replayed"]


async def test_whoever_waits_for_a_delivery_is_told_what_became_of_it(gateway_server: GatewayServer) -> None:
    server, tenant = gateway_server, await make_writer(gateway_server)
    (delivery,) = await put_deliveries(server.storage, tenant.org, 1)
    path = f"/v1/webhooks/deliveries/{delivery}/replay"

    asked = asyncio.create_task(server.post(path, None, key=tenant.token, headers={"prefer": "wait=30"}))
    while await states(server.storage, [delivery]) != ["pending"]:
        pass
    await settle(server.storage, [delivery], "delivered")
    reply = await asked

    assert (reply.status, reply.json()["data"]["status"]) == (200, "delivered")

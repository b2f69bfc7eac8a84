"""What is refused of webhooks, provoked over HTTP: one audit entry says who asked what, and which gate refused it."""

import pytest

from gateway.audit.compliance import Gate
from gateway.ids import EndpointId
from gateway.tenancy import Scope
from gateway.webhooks.endpoints import MOST_ENDPOINTS, MOST_OVERLAPPING
from gateway.webhooks.replays import MOST_DELIVERIES, MOST_RUNNING
from storage.pool import fetch
from tests.api.test_every_verdict import CANARY, Controlled, Server, verdict
from tests.gateway_server import GatewayServer, Reply
from tests.receivers import make_endpoint
from tests.replaying import put_deliveries
from tests.tenants import make_tenant

WEBHOOKS, DELIVERIES, REPLAYS = "/v1/webhooks", "/v1/webhooks/deliveries", "/v1/webhooks/replays"
BULK = f"{DELIVERIES}/bulk-replay"
URL = "https://93.184.215.14/hook"
NEW = {"url": URL, "events": ["*"], "description": CANARY}
NOW = {"prefer": "respond-async"}


async def _one_webhook_too_many(server: Server) -> Reply:
    for _ in range(MOST_ENDPOINTS):
        await make_endpoint(server.http.storage, server.tenant.org, URL)
    return await server.send("POST", WEBHOOKS, NEW)


async def _one_secret_too_many(server: Server) -> Reply:
    path = f"{WEBHOOKS}/{await make_endpoint(server.http.storage, server.tenant.org, URL)}/rotate-secret"
    for _ in range(MOST_OVERLAPPING):
        await server.send("POST", path, {})
    return await server.send("POST", path, {})


async def _test_of_a_paused_one(server: Server) -> Reply:
    path = f"{WEBHOOKS}/{await make_endpoint(server.http.storage, server.tenant.org, URL)}"
    await server.send("PATCH", path, {"is_active": False})
    return await server.send("POST", f"{path}/test", {})


async def _replay_of_what_is_on_its_way(server: Server) -> Reply:
    [delivery] = await put_deliveries(server.http.storage, server.tenant.org, 1, state="pending")
    return await server.send("POST", f"{DELIVERIES}/{delivery}/replay", **NOW)


async def _one_replay_too_many(server: Server) -> Reply:
    await put_deliveries(server.http.storage, server.tenant.org, MOST_RUNNING + 1)
    replies = [await server.send("POST", BULK, {"status": "failed"}, **NOW) for _ in range(MOST_RUNNING + 1)]
    return replies[-1]


async def _replay_of_too_many(server: Server) -> Reply:
    endpoint = await make_endpoint(server.http.storage, server.tenant.org, URL)
    await _put_unsent(server, endpoint, MOST_DELIVERIES + 1)
    return await server.send("POST", BULK, {"status": "skipped"}, **NOW)


async def _put_unsent(server: Server, endpoint: EndpointId, count: int) -> None:
    await fetch(
        server.http.storage.pool,
        "insert into webhook_deliveries (id, org_id, endpoint_id, event_id, event_type, state, created_at)"
        " select '01' || lpad(n::text, 24, '0'), %s, %s, '02' || lpad(n::text, 24, '0'), 'audit.checkpoint',"
        " 'skipped', now() from generate_series(1, %s) n returning 1",
        [server.tenant.org, endpoint, count],
    )


async def _turn_of_what_is_over(server: Server) -> Reply:
    await put_deliveries(server.http.storage, server.tenant.org, 1)
    begun = await server.send("POST", BULK, {"status": "failed"}, **NOW)
    path = f"{REPLAYS}/{begun.json()['data']['id']}"
    await server.send("POST", f"{path}/cancel")
    return await server.send("POST", f"{path}/resume")


CONTROLLED = {
    "TOO_MANY_WEBHOOKS": Controlled(Gate.STATE, WEBHOOKS, _one_webhook_too_many),
    "TOO_MANY_WEBHOOK_SECRETS": Controlled(
        Gate.STATE, f"{WEBHOOKS}/{{webhook_id}}/rotate-secret", _one_secret_too_many
    ),
    "WEBHOOK_NOT_ACTIVE": Controlled(Gate.STATE, f"{WEBHOOKS}/{{webhook_id}}/test", _test_of_a_paused_one),
    "WEBHOOK_DELIVERY_ON_ITS_WAY": Controlled(
        Gate.STATE, f"{DELIVERIES}/{{delivery_id}}/replay", _replay_of_what_is_on_its_way
    ),
    "TOO_MANY_WEBHOOK_REPLAYS": Controlled(Gate.STATE, BULK, _one_replay_too_many),
    "WEBHOOK_REPLAY_TOO_LARGE": Controlled(Gate.REQUEST, BULK, _replay_of_too_many),
    "WEBHOOK_REPLAY_OVER": Controlled(Gate.STATE, f"{REPLAYS}/{{replay_id}}/resume", _turn_of_what_is_over),
}


@pytest.mark.parametrize("code", CONTROLLED)
async def test_what_is_refused_of_webhooks_has_one_entry(gateway_server: GatewayServer, code: str) -> None:
    controlled = CONTROLLED[code]
    tenant = await make_tenant(gateway_server.storage, scopes=(Scope.CONTROL_WEBHOOKS,), agreement=False)
    server = Server(gateway_server, tenant)

    reply = await controlled.provoke(server)

    entry = await verdict(server, reply, code)
    assert (entry.metadata["route"], entry.metadata["gate"]) == (controlled.route, controlled.gate)

"""`"background": true` over real HTTP: asked for, looked at, cancelled. What runs them is tested with the worker."""

import pytest

from gateway.tenancy import Scope
from storage.pool import fetch
from tests.gateway_server import GatewayServer, Json, Reply
from tests.tenants import Tenant, make_tenant

CHAT = "/v1/chat/completions"
SLOW = {"prefer": "respond-async"}


async def send(
    server: GatewayServer, tenant: Tenant, method: str, path: str, body: object = None, **more: str
) -> Reply:
    return await server.request(method, path, body, key=None, headers={"x-api-key": tenant.token, **more})


def body(**fields: object) -> Json:
    asked = [{"role": "user", "content": "Hello there"}]
    return {"model": "claude-haiku-4-5", "messages": asked, "background": True, **fields}


@pytest.fixture
async def tenant(gateway_server: GatewayServer) -> Tenant:
    return await make_tenant(gateway_server.storage, scopes=(Scope.AI_CHAT, Scope.CONTROL_READ))


async def test_a_chat_in_the_background_is_accepted_with_where_to_ask(
    gateway_server: GatewayServer, tenant: Tenant
) -> None:
    reply = await send(gateway_server, tenant, "POST", CHAT, body(tools_to_use=["calculator"]), **SLOW)
    told = reply.json()
    seen = await send(gateway_server, tenant, "GET", reply.headers["location"])

    assert (reply.status, told["status"], told["choices"]) == (202, "queued", [])
    assert reply.headers["location"] == f"{CHAT}/{told['id'].removeprefix('chatcmpl-')}"
    assert seen.json() == told
    events = await fetch(gateway_server.storage.pool, "select type, data from outbox where org_id = %s", [tenant.org])
    assert events == [("chat_run.requested", {"run_id": told["id"].removeprefix("chatcmpl-")})]


async def test_asked_twice_under_one_key_it_is_one_run(gateway_server: GatewayServer, tenant: Tenant) -> None:
    first = await send(gateway_server, tenant, "POST", CHAT, body(), **SLOW, **{"idempotency-key": "one"})
    second = await send(gateway_server, tenant, "POST", CHAT, body(), **SLOW, **{"idempotency-key": "one"})

    assert first.json() == second.json()
    assert len(await fetch(gateway_server.storage.pool, "select 1 from chat_runs where org_id = %s", [tenant.org])) == 1


async def test_a_run_can_be_cancelled_once(gateway_server: GatewayServer, tenant: Tenant) -> None:
    place = (await send(gateway_server, tenant, "POST", CHAT, body(), **SLOW)).headers["location"]
    cancelled = await send(gateway_server, tenant, "DELETE", place)
    again = await send(gateway_server, tenant, "DELETE", place)

    assert (cancelled.status, cancelled.json()["status"]) == (200, "cancelled")
    assert again.json() == cancelled.json()
    told = "select count(*) from outbox where org_id = %s and type = 'chat_run.cancelled'"
    assert await fetch(gateway_server.storage.pool, told, [tenant.org]) == [(1,)]


async def test_a_run_of_others_is_not_found(gateway_server: GatewayServer, tenant: Tenant) -> None:
    place = (await send(gateway_server, tenant, "POST", CHAT, body(), **SLOW)).headers["location"]
    other = await make_tenant(gateway_server.storage)

    for path in (place, f"{CHAT}/chatcmpl-x", f"{CHAT}/Maria"):
        for method in ("GET", "DELETE"):
            reply = await send(gateway_server, other, method, path)
            assert (reply.status, reply.json()["error"]["code"]) == (404, "RESOURCE_NOT_FOUND")


async def test_nothing_of_what_was_asked_is_anywhere_in_the_clear(
    gateway_server: GatewayServer, tenant: Tenant
) -> None:
    asked = body(messages=[{"role": "user", "content": "Quillfeather"}])
    await send(gateway_server, tenant, "POST", CHAT, asked, **SLOW)

    rows = await fetch(
        gateway_server.storage.pool,
        "select c::text from chat_runs c where org_id = %(org)s union all select o::text from outbox o"
        " where org_id = %(org)s union all select a::text from audit_entries a where org_id = %(org)s",
        {"org": tenant.org},
    )
    assert len(rows) >= 3
    assert not any("Quillfeather" in row or b"Quillfeather".hex() in row for (row,) in rows)


async def test_what_is_no_model_is_refused_and_stands_nowhere(gateway_server: GatewayServer, tenant: Tenant) -> None:
    reply = await send(gateway_server, tenant, "POST", CHAT, body(model="Maria Quillfeather"), **SLOW)
    rows = "select metadata::text || action from audit_entries where org_id = %s"
    audited = [row[0] for row in await fetch(gateway_server.storage.pool, rows, [tenant.org])]

    assert (reply.status, reply.json()["error"]["param"]) == (404, "model")
    assert not [text for text in audited if "Quillfeather" in text or "chat_run.requested" in text]

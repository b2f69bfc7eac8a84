"""What a customer sees of retention over real HTTP: records until their time is over, and what stays of them."""

from datetime import UTC, datetime, timedelta

from gateway.ids import ConversationId, new_ulid
from gateway.tenancy import Scope
from tests.api.test_audit_proof import checkpoint, seal
from tests.gateway_server import GatewayServer, Json, Reply
from tests.storage.past import made_at, purged
from tests.tenants import Tenant, make_tenant

NOW = datetime.now(UTC)
AGO = timedelta(days=40)


async def tenant_of(server: GatewayServer, *, days: int) -> Tenant:
    """May do everything; its retention has been `days` for long."""
    tenant = await make_tenant(server.storage, scopes=list(Scope))
    async with server.storage.pool.connection() as connection:
        await connection.execute("update organizations set retention_days = %s where id = %s", [days, tenant.org])
    return tenant


async def message(server: GatewayServer, tenant: Tenant, call: str) -> Reply:
    return await server.get(f"/v1/ai/messages/msg_{call}", key=tenant.token)


async def usage_of(server: GatewayServer, tenant: Tenant) -> Json:
    """Of the old record's period."""
    reply = await server.get(f"/v1/usage?period={NOW - AGO:%Y-%m-%d}", key=tenant.token)
    return reply.json()["data"]


async def asked(server: GatewayServer, tenant: Tenant, **body: object) -> Json:
    reply = await server.post("/v1/ai/chat", {"message": "Hello", "stream": False} | body, key=tenant.token)
    assert reply.status == 200, reply.body
    return reply.json()


async def pass_a_week(server: GatewayServer, tenant: Tenant) -> None:
    async with server.storage.pool.connection() as connection:
        await connection.execute(
            "update organizations set retention_floor_until = retention_floor_until - interval '8 days',"
            " hold_until = hold_until - interval '8 days' where id = %s",
            [tenant.org],
        )


async def test_a_record_is_read_until_its_time_is_over_and_its_usage_and_audit_stay_provable(
    gateway_server: GatewayServer,
) -> None:
    tenant = await tenant_of(gateway_server, days=2555)
    old, young = await made_at(gateway_server.storage, tenant, NOW - AGO), await asked(gateway_server, tenant)
    changed = await gateway_server.request("PUT", "/v1/compliance/policy", {"retention_days": 30}, key=tenant.token)
    await purged(gateway_server.storage, tenant, datetime.now(UTC))
    pending = await message(gateway_server, tenant, old.id)
    usage = await usage_of(gateway_server, tenant)

    await pass_a_week(gateway_server, tenant)
    await purged(gateway_server.storage, tenant, datetime.now(UTC))
    gone = await message(gateway_server, tenant, old.id)

    assert (changed.status, pending.status, gone.status) == (200, 200, 404)
    assert gone.json()["error"]["code"] == "RESOURCE_NOT_FOUND"
    kept = await usage_of(gateway_server, tenant)
    assert kept == usage
    assert (await message(gateway_server, tenant, _id(young))).status == 200
    await seal(gateway_server.storage)
    await checkpoint(gateway_server.storage, tenant.org)
    verdict = (await gateway_server.get("/v1/audit/verify?after=0", key=tenant.token)).json()["data"]
    assert verdict["sound"] is True
    entries = (await gateway_server.get("/v1/audit?action=retention.purged", key=tenant.token)).json()["data"]
    assert [(each["metadata"]["records"], each["actor"]) for each in entries] == [(1, "system:test")]


async def test_a_conversation_whose_beginning_was_purged_goes_on_with_what_is_left(
    gateway_server: GatewayServer,
) -> None:
    tenant = await tenant_of(gateway_server, days=30)
    thread = ConversationId(new_ulid())
    await made_at(gateway_server.storage, tenant, NOW - AGO, thread=thread)
    only = ConversationId(new_ulid())
    await made_at(gateway_server.storage, tenant, NOW - AGO, thread=only)
    await asked(gateway_server, tenant, conversation_id=f"conv_{thread}")

    await purged(gateway_server.storage, tenant, datetime.now(UTC))
    going_on = await asked(gateway_server, tenant, conversation_id=f"conv_{thread}")
    nothing_left = await gateway_server.post(
        "/v1/ai/chat", {"message": "Hello", "conversation_id": f"conv_{only}"}, key=tenant.token
    )

    record = (await message(gateway_server, tenant, _id(going_on))).json()["data"]
    assert record["conversation_id"] == f"conv_{thread}"
    assert (nothing_left.status, nothing_left.json()["error"]["param"]) == (404, "conversation_id")


def _id(answer: Json) -> str:
    return answer["meta"]["request_id"].removeprefix("req_")

"""Usage of spans of time over real HTTP: the organisation's, or the caller's own."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from gateway.audit import AuditAction
from gateway.tenancy import KeyMode, Scope
from storage import Storage
from tests.agents import make_credential
from tests.api.test_usage import spend
from tests.gateway_server import GatewayServer
from tests.tenants import Tenant, make_tenant

Json = dict[str, Any]
NOON = datetime.now(UTC).replace(day=10, hour=12, minute=0, second=0, microsecond=0) - timedelta(days=60)


async def make_key(storage: Storage, tenant: Tenant, owner: str | None) -> Tenant:
    """Another key of the organisation, which may call and no more."""
    async with storage.as_operator(tenant.org, command="test") as tx:
        key, token = await tx.keys.add(name="other", scopes=(Scope.AI_CHAT,), mode=KeyMode.LIVE, owner=owner)
        tx.audit(AuditAction.API_KEY_CREATED, entity_type="api_key", entity_id=key.id)
    return Tenant(tenant.org, key, token)


async def asked(server: GatewayServer, tenant: Tenant, rest: str, *, days: int = 1) -> Json:
    end = NOON + timedelta(days=days)
    span = f"start={NOON - timedelta(days=1):%Y-%m-%d}&end={end:%Y-%m-%dT%H:%M:%SZ}"
    reply = await server.get(f"/v1/usage/{rest}{'&' if '?' in rest else '?'}{span}", key=tenant.token)
    assert reply.status == 200, reply.body
    return reply.json()


@pytest_asyncio.fixture
async def tenant(gateway_server: GatewayServer) -> Tenant:
    return await make_tenant(gateway_server.storage)


async def test_a_span_adds_up_what_began_in_it(gateway_server: GatewayServer, tenant: Tenant) -> None:
    for at in (NOON, NOON + timedelta(hours=1), NOON + timedelta(days=1), NOON - timedelta(days=3)):
        await spend(gateway_server, tenant, 30, at=at)

    data = (await asked(gateway_server, tenant, "summary"))["data"]

    assert data.pop("cost_usd") > 0
    assert data == {
        "of": "organization",
        "start": f"{NOON - timedelta(days=1):%Y-%m-%d}T00:00:00+00:00",
        "end": (NOON + timedelta(days=1)).isoformat(),
        "requests": 2,
        "input_tokens": 40,
        "output_tokens": 20,
        "credits": 60,
    }


async def test_a_span_in_which_nothing_was_used_is_all_zero(gateway_server: GatewayServer, tenant: Tenant) -> None:
    data = (await asked(gateway_server, tenant, "summary"))["data"]

    assert (data["requests"], data["credits"], data["cost_usd"]) == (0, 0, None)
    assert (await asked(gateway_server, tenant, "by-model"))["data"]["models"] == []


async def test_a_key_that_may_only_call_sees_what_its_owner_used(gateway_server: GatewayServer, tenant: Tenant) -> None:
    mine, also_mine = [await make_key(gateway_server.storage, tenant, "ann") for _ in range(2)]
    nobodys, another = [await make_key(gateway_server.storage, tenant, owner) for owner in (None, "bob")]
    for key, amount in ((mine, 10), (also_mine, 20), (nobodys, 5), (another, 40), (tenant, 1)):
        await spend(gateway_server, key, amount, at=NOON)

    seen = {
        whose: ((data := (await asked(gateway_server, key, "summary"))["data"])["of"], data["credits"])
        for whose, key in (("mine", mine), ("nobody's", nobodys), ("reader's", tenant))
    }

    assert seen == {"mine": ("own", 30), "nobody's": ("own", 5), "reader's": ("organization", 76)}
    users = [(await asked(gateway_server, key, "by-user"))["data"]["users"] for key in (mine, nobodys, tenant)]
    assert [[(line["user"], line["credits"]) for line in lines] for lines in users] == [
        [("ann", 30)],
        [(None, 5)],
        [("bob", 40), ("ann", 30), (None, 6)],
    ]


async def test_an_agent_sees_what_it_used_itself(gateway_server: GatewayServer, tenant: Tenant) -> None:
    made = await make_credential(gateway_server.storage, tenant.org)
    await spend(gateway_server, tenant, 10, at=NOON)
    reply = await gateway_server.get("/v1/usage/summary", key=made.token)

    assert (reply.status, reply.json()["data"]["of"], reply.json()["data"]["credits"]) == (200, "own", 0)


async def test_lines_are_cut_into_pages(gateway_server: GatewayServer, tenant: Tenant) -> None:
    for owner, amount in (("ann", 10), ("bob", 30), ("cay", 20)):
        await spend(gateway_server, await make_key(gateway_server.storage, tenant, owner), amount, at=NOON)

    pages = [await asked(gateway_server, tenant, f"by-user?limit=2&offset={offset}") for offset in (0, 2, 4)]

    assert [[line["user"] for line in page["data"]["users"]] for page in pages] == [["bob", "cay"], ["ann"], []]
    assert [page["meta"]["has_more"] for page in pages] == [True, False, False]


async def test_models_are_told_apart(gateway_server: GatewayServer, tenant: Tenant) -> None:
    await spend(gateway_server, tenant, 10, at=NOON)

    (line,) = (await asked(gateway_server, tenant, "by-model"))["data"]["models"]

    assert (line["model"], line["requests"], line["credits"]) == ("claude-haiku-4-5", 1, 10)


async def test_without_a_span_it_is_the_period_that_runs(gateway_server: GatewayServer, tenant: Tenant) -> None:
    await spend(gateway_server, tenant, 10, at=NOON)
    await spend(gateway_server, tenant, 7, at=datetime.now(UTC) - timedelta(seconds=1))

    reply = await gateway_server.get("/v1/usage/summary", key=tenant.token)

    assert reply.json()["data"]["credits"] == 7


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("start=yesterday", "start"),
        ("start=1700000000", "start"),
        ("end=2026-04-01T00:00:00", "end"),
        ("start=2026-04-02&end=2026-04-01", "end"),
        ("start=2024-04-02&end=2026-04-01", "start"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("offset=-1", "offset"),
    ],
)
async def test_a_bad_span_is_refused_by_name(
    gateway_server: GatewayServer, tenant: Tenant, query: str, param: str
) -> None:
    reply = await gateway_server.get(f"/v1/usage/by-model?{query}", key=tenant.token)

    assert (reply.status, reply.json()["error"]["param"]) == (422, param)

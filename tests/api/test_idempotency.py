"""`Idempotency-Key` over real HTTP, of two API servers where it matters."""

import asyncio
from collections.abc import Iterator
from typing import Any

import anthropic
import orjson
import psycopg
import pytest
from psycopg import sql

from gateway.ids import new_ulid
from gateway.settings import Settings
from gateway.tenancy import Scope
from storage.pool import libpq_url
from tests.gateway_server import GatewayServer, Reply, serve
from tests.tenants import Tenant, make_tenant

NEW_KEY = {"name": "CI", "scopes": ["ai:chat"], "mode": "test"}
CHAT = {"message": "Hello there", "stream": False}
MESSAGE = {"model": "claude-haiku-4-5", "max_tokens": 200, "messages": [{"role": "user", "content": "Hello there"}]}


def keyed(key: str | None = None) -> dict[str, str]:
    return {"idempotency-key": key or new_ulid()}


@pytest.fixture(scope="module")
def second_server(server_settings: Settings) -> Iterator[str]:
    """Another API over the same database."""
    with serve(server_settings) as url:
        yield url


@pytest.fixture
async def tenant(gateway_server: GatewayServer) -> Tenant:
    scopes = (Scope.AI_CHAT, Scope.CONTROL_READ, Scope.CONTROL_WRITE)
    return await make_tenant(gateway_server.storage, allotment=1_000_000_000, scopes=scopes)


async def usage(server: GatewayServer, tenant: Tenant) -> dict[str, Any]:
    return (await server.get("/v1/usage", key=tenant.token)).json()["data"]


async def actions(server: GatewayServer, tenant: Tenant) -> list[str]:
    entries = (await server.get("/v1/audit?limit=200", key=tenant.token)).json()["data"]
    return [entry["action"] for entry in entries]


def code(reply: Reply) -> str:
    return reply.json()["error"]["code"]


async def many(server: GatewayServer, second: str, path: str, body: object, tenant: Tenant) -> list[Reply]:
    """A hundred requests under one key, half of them of each server."""
    headers = keyed() | {"authorization": f"Bearer {tenant.token}"}
    other = GatewayServer(second, tenant.token, tenant, server.storage, server.sandbox, server.session)
    return await asyncio.gather(
        *((server, other)[number % 2].post(path, body, key=None, headers=headers) for number in range(100))
    )


async def test_a_hundred_requests_for_a_key_make_one(
    gateway_server: GatewayServer, second_server: str, tenant: Tenant
) -> None:
    replies = await many(gateway_server, second_server, "/v1/api_keys", NEW_KEY, tenant)

    made = [reply for reply in replies if reply.status == 201]
    assert len({reply.body for reply in made}) == 1
    assert sum("idempotent-replayed" not in reply.headers for reply in made) == 1
    assert {code(reply) for reply in replies if reply.status != 201} <= {"IDEMPOTENCY_IN_PROGRESS"}
    assert (await actions(gateway_server, tenant)).count("api_key.created") == 1


@pytest.mark.parametrize(("path", "body"), [("/v1/ai/chat", CHAT), ("/v1/messages", MESSAGE)])
async def test_a_hundred_calls_under_one_key_are_made_and_charged_once(
    gateway_server: GatewayServer, second_server: str, tenant: Tenant, path: str, body: object
) -> None:
    replies = await many(gateway_server, second_server, path, body, tenant)

    given = [reply for reply in replies if reply.status == 200]
    assert len({reply.body for reply in given}) == 1
    assert sum("idempotent-replayed" not in reply.headers for reply in given) == 1
    assert {code(reply) for reply in replies if reply.status != 200} <= {"IDEMPOTENCY_IN_PROGRESS"}
    used = await usage(gateway_server, tenant)
    assert used["requests"]["total"] == 1
    assert used["credits"]["used"] == given[0].json()["meta"]["usage"]["sonnet_equivalent_tokens"]
    assert (await actions(gateway_server, tenant)).count("ai.request.completed") == 1


async def test_a_key_s_plaintext_is_shown_again_to_whoever_asked(gateway_server: GatewayServer, tenant: Tenant) -> None:
    headers = keyed()
    first = await gateway_server.post("/v1/api_keys", NEW_KEY, key=tenant.token, headers=headers)
    again = await gateway_server.post("/v1/api_keys", NEW_KEY, key=tenant.token, headers=headers)

    assert (again.status, again.body) == (first.status, first.body)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["x-request-id"] != first.headers["x-request-id"] == again.json()["meta"]["request_id"]


async def test_another_key_of_the_organization_is_shown_nothing_of_it(
    gateway_server: GatewayServer, tenant: Tenant
) -> None:
    headers = keyed()
    made = {"name": "Other", "scopes": ["control:read"]}
    other = (await gateway_server.post("/v1/api_keys", made, key=tenant.token)).json()["data"]["plaintext"]
    await gateway_server.post("/v1/api_keys", NEW_KEY, key=tenant.token, headers=headers)

    refused = await gateway_server.post("/v1/api_keys", NEW_KEY, key=other, headers=headers)

    assert (refused.status, code(refused)) == (409, "IDEMPOTENCY_CONFLICT")
    assert refused.headers["x-should-retry"] == "false"
    assert b"plaintext" not in refused.body


async def test_another_organization_has_keys_of_its_own(gateway_server: GatewayServer, tenant: Tenant) -> None:
    headers, other = keyed(), await make_tenant(gateway_server.storage)
    mine = await gateway_server.post("/v1/ai/chat", CHAT, key=tenant.token, headers=headers)
    theirs = await gateway_server.post("/v1/ai/chat", CHAT, key=other.token, headers=headers)

    assert (mine.status, theirs.status) == (200, 200)
    assert mine.json()["data"]["message"]["id"] != theirs.json()["data"]["message"]["id"]


async def test_one_key_on_two_paths_is_two_keys(gateway_server: GatewayServer, tenant: Tenant) -> None:
    headers = keyed()
    asked = (("/v1/ai/chat", CHAT), ("/v1/messages", MESSAGE), ("/v1/api_keys", NEW_KEY))
    replies = [await gateway_server.post(path, body, key=tenant.token, headers=headers) for path, body in asked]

    assert [reply.status for reply in replies] == [200, 200, 201]


@pytest.mark.parametrize("path", ["/v1/ai/chat", "/v1/messages", "/v1/api_keys"])
async def test_another_body_under_one_key_is_a_conflict(
    gateway_server: GatewayServer, tenant: Tenant, path: str
) -> None:
    headers = keyed()
    bodies = {"/v1/ai/chat": CHAT, "/v1/messages": MESSAGE, "/v1/api_keys": NEW_KEY}
    await gateway_server.post(path, bodies[path], key=tenant.token, headers=headers)

    blank = orjson.dumps(bodies[path], option=orjson.OPT_INDENT_2)
    refused = await gateway_server.post(path, blank, key=tenant.token, headers=headers)

    assert (refused.status, code(refused)) == (409, "IDEMPOTENCY_CONFLICT")


@pytest.mark.parametrize("name", ["idempotency-key", "x-idempotency-key"])
@pytest.mark.parametrize("key", ["x" * 256, "a b", "\xe9"])
@pytest.mark.parametrize(("path", "status"), [("/v1/ai/chat", 400), ("/v1/messages", 400), ("/v1/api_keys", 422)])
async def test_a_key_that_cannot_be_one_is_refused_by_name(
    gateway_server: GatewayServer, name: str, key: str, path: str, status: int
) -> None:
    bodies = {"/v1/ai/chat": CHAT, "/v1/messages": MESSAGE, "/v1/api_keys": NEW_KEY}
    refused = await gateway_server.post(path, bodies[path], headers={name: key})

    error = refused.json()["error"]
    assert (refused.status, error["code"], error["param"]) == (status, "VALIDATION_FAILED", "Idempotency-Key")
    assert key not in refused.body.decode()


async def test_an_alias_that_differs_is_refused_and_one_that_agrees_is_the_same_key(
    gateway_server: GatewayServer,
) -> None:
    key = new_ulid()
    refused = await gateway_server.post("/v1/ai/chat", CHAT, headers=keyed(key) | {"x-idempotency-key": "other"})
    first = await gateway_server.post("/v1/ai/chat", CHAT, headers=keyed(key) | {"x-idempotency-key": key})
    again = await gateway_server.post("/v1/ai/chat", CHAT, headers={"x-idempotency-key": key})

    assert refused.status == 400
    assert again.body == first.body


async def test_an_official_client_waits_for_the_call_that_has_its_key(
    gateway_server: GatewayServer, tenant: Tenant
) -> None:
    """It retries a 409 as told: after `Retry-After`, under the same key."""
    headers = keyed()

    async def ask() -> anthropic.types.Message:
        async with anthropic.AsyncAnthropic(base_url=gateway_server.url, api_key=tenant.token) as client:
            return await client.messages.create(
                model="claude-haiku-4-5",
                max_tokens=200,
                messages=[{"role": "user", "content": "[[sandbox: first_delay_ms=1500]] Hello"}],
                extra_headers=headers,
            )

    first, second = await asyncio.gather(ask(), ask())

    assert first == second
    assert (await usage(gateway_server, tenant))["requests"]["total"] == 1


async def test_while_a_call_runs_its_key_says_so_and_when_to_come_again(
    gateway_server: GatewayServer, tenant: Tenant
) -> None:
    headers, body = keyed(), CHAT | {"message": "[[sandbox: first_delay_ms=1000]] Hello"}

    replies = await asyncio.gather(
        *(gateway_server.post("/v1/ai/chat", body, key=tenant.token, headers=headers) for _ in range(2))
    )

    (refused,) = (reply for reply in replies if reply.status == 409)
    assert code(refused) == "IDEMPOTENCY_IN_PROGRESS"
    assert (refused.headers["retry-after"], refused.headers["x-should-retry"]) == ("5", "true")
    assert refused.json()["error"]["details"] == {"retry_after_seconds": 5}


async def test_a_failed_call_leaves_its_key_free(gateway_server: GatewayServer, tenant: Tenant) -> None:
    headers, body = keyed(), CHAT | {"message": "[[sandbox: error=400]] Hello"}
    first = await gateway_server.post("/v1/ai/chat", body, key=tenant.token, headers=headers)
    again = await gateway_server.post("/v1/ai/chat", body, key=tenant.token, headers=headers)

    assert first.status == again.status >= 400
    assert "idempotent-replayed" not in again.headers
    assert (await gateway_server.post("/v1/ai/chat", CHAT, key=tenant.token, headers=headers)).status == 200


async def test_a_call_refused_for_want_of_credits_leaves_its_key_free(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, allotment=1_000_000, spend_cap=1)
    headers = keyed()
    refused = await gateway_server.post("/v1/ai/chat", CHAT, key=tenant.token, headers=headers)
    await gateway_server.request("PUT", "/v1/usage/budget", {"spend_cap": None}, key=tenant.token)

    again = await gateway_server.post("/v1/ai/chat", CHAT, key=tenant.token, headers=headers)

    assert (refused.status, again.status) == (402, 200)


async def test_a_refused_change_leaves_its_key_free(gateway_server: GatewayServer, tenant: Tenant) -> None:
    headers = keyed()
    stale = headers | {"if-match": '"999"'}
    refused = await gateway_server.request("PUT", "/v1/usage/budget", {"spend_cap": 5}, key=tenant.token, headers=stale)
    done = await gateway_server.request("PUT", "/v1/usage/budget", {"spend_cap": 5}, key=tenant.token, headers=headers)

    assert (refused.status, done.status) == (412, 200)


@pytest.mark.parametrize(
    ("path", "body"), [("/v1/usage/budget", {"spend_cap": 5}), ("/v1/compliance/policy", {"failover_enabled": True})]
)
async def test_a_change_under_its_precondition_is_made_once(
    gateway_server: GatewayServer, tenant: Tenant, path: str, body: object
) -> None:
    """Asked again, the version that it was made on has passed: that is why it is a replay and no 412."""
    read = await gateway_server.get(path, key=tenant.token)
    headers = keyed() | {"if-match": read.headers["etag"]}

    first = await gateway_server.request("PUT", path, body, key=tenant.token, headers=headers)
    again = await gateway_server.request("PUT", path, body, key=tenant.token, headers=headers)

    assert (first.status, again.status) == (200, 200)
    assert (again.body, again.headers["etag"]) == (first.body, first.headers["etag"])
    assert sum(action.endswith(".updated") for action in await actions(gateway_server, tenant)) == 1


async def test_a_rotation_is_made_once(gateway_server: GatewayServer, tenant: Tenant) -> None:
    key = (await gateway_server.post("/v1/api_keys", NEW_KEY, key=tenant.token)).json()["data"]
    path, headers = f"/v1/api_keys/{key['id']}/rotate", keyed()

    first = await gateway_server.post(path, {}, key=tenant.token, headers=headers)
    again = await gateway_server.post(path, {}, key=tenant.token, headers=headers)

    assert (first.status, again.body) == (201, first.body)


async def test_a_patient_in_a_key_is_kept_nowhere(
    gateway_server: GatewayServer, server_settings: Settings, tenant: Tenant, capfd: pytest.CaptureFixture[str]
) -> None:
    patient = f"MRN-{new_ulid()}"
    for path, body in (("/v1/ai/chat", CHAT), ("/v1/api_keys", NEW_KEY), ("/v1/api_keys", NEW_KEY | {"name": "x"})):
        await gateway_server.post(path, body, key=tenant.token, headers=keyed(patient))

    with psycopg.connect(libpq_url(str(server_settings.database_url)), options="-c hasp.system=on") as connection:
        tables = connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
        found = [
            name
            for (name,) in tables
            if name != "alembic_version"
            and connection.execute(
                sql.SQL("select 1 from {} t where t::text like %s").format(sql.Identifier(name)),
                [f"%{patient}%"],
            ).fetchall()
        ]
    captured = capfd.readouterr()
    assert found == []
    assert patient not in captured.out + captured.err

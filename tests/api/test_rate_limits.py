"""Rate limits as clients see them: what counts, what is told, and what is refused."""

from collections.abc import Mapping
from typing import Any

import anthropic
import pytest

from api.exchange import Exchange
from api.rate_limits import counted
from gateway.audit import AuditAction
from gateway.clock import SystemClock
from gateway.errors import ValidationFailedError
from gateway.ids import ApiKeyId, InferenceId, OrganizationId
from gateway.inference.records import AuditFilter, AuditRecord
from gateway.limits.buckets import Bucket, Draw, Drawn, LimitName
from gateway.limits.limiter import Limiter
from gateway.limits.tiers import read_tiers
from gateway.tenancy import Access, KeyMode, Policy, Principal, Scope
from tests.gateway_server import GatewayServer, Reply
from tests.tenants import Tenant, make_tenant

MESSAGE: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "max_tokens": 1_000,
    "messages": [{"role": "user", "content": "Hi"}],
}
CHAT: dict[str, Any] = {"message": "Hi", "model": "claude-haiku-4-5", "stream": False}
INFERENCE = (("/v1/messages", MESSAGE), ("/v1/ai/chat", CHAT))
NAMES = [f"x-ratelimit-{what}-{unit}" for unit in ("requests", "tokens") for what in ("limit", "remaining", "reset")]
SOME_ID = "01K00000000000000000000000"


@pytest.fixture
async def developer(gateway_server: GatewayServer) -> Tenant:
    return await make_tenant(gateway_server.storage, tier="developer")


def limits_of(reply: Reply) -> Mapping[str, int]:
    """The headers, without what they have in common."""
    return {
        name.removeprefix("x-ratelimit-"): int(value)
        for name, value in reply.headers.items()
        if name.startswith("x-ratelimit-")
    }


async def use_up(server: GatewayServer, tenant: Tenant, name: LimitName, limit: int, units: int) -> None:
    """As other processes would have."""
    owner = tenant.key.id if name in (LimitName.KEY_RPM, LimitName.KEY_DAILY) else tenant.org
    bucket = Bucket(name, tenant.org, owner, limit)
    await server.storage.rate_buckets.draw(Draw((bucket,), (units,), forced=True))


async def refusals_of(server: GatewayServer, tenant: Tenant) -> list[AuditRecord]:
    wanted = AuditFilter(action=AuditAction.AI_REQUEST_REFUSED)
    async with server.storage.read(Principal(tenant.org, None, frozenset(), KeyMode.LIVE)) as tx:
        return list((await tx.audit_log.page(wanted, cursor=None, limit=50)).items)


@pytest.mark.parametrize(("path", "body"), INFERENCE)
async def test_an_answer_tells_what_is_left(
    gateway_server: GatewayServer, developer: Tenant, path: str, body: dict[str, Any]
) -> None:
    reply = await gateway_server.post(path, body, key=developer.token)

    told = limits_of(reply)
    assert reply.status == 200
    assert (told["limit-requests"], told["remaining-requests"]) == (60, 59)
    assert told["limit-tokens"] == 100_000
    assert 90_000 < told["remaining-tokens"] <= 100_000 - 1_000


@pytest.mark.parametrize(("path", "body"), INFERENCE)
async def test_a_stream_tells_what_is_left(
    gateway_server: GatewayServer, developer: Tenant, path: str, body: dict[str, Any]
) -> None:
    reply = await gateway_server.post(path, {**body, "stream": True}, key=developer.token)

    assert reply.events
    assert [name for name in NAMES if name in reply.headers] == NAMES


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/messages", {**MESSAGE, "store": True}, 400),
        ("/v1/messages", b"{", 400),
        ("/v1/messages", {**MESSAGE, "model": "nobody"}, 404),
        ("/v1/messages", {**MESSAGE, "model": "claude-opus-4-7"}, 403),
        ("/v1/messages/count_tokens", {"nothing": 1}, 400),
        ("/v1/ai/chat", {**CHAT, "conversation_id": SOME_ID}, 404),
        ("/v1/ai/chat", {"unknown": 1}, 400),
        ("/v1/phi/scan", {}, 400),
    ],
)
async def test_what_is_refused_counts_and_tells_what_is_left(
    gateway_server: GatewayServer, developer: Tenant, path: str, body: object, status: int
) -> None:
    reply = await gateway_server.post(path, body, key=developer.token)

    assert reply.status == status
    assert limits_of(reply)["remaining-requests"] == 59


async def test_a_record_that_is_read_counts_and_tells_what_is_left(
    gateway_server: GatewayServer, developer: Tenant
) -> None:
    reply = await gateway_server.get(f"/v1/ai/messages/{SOME_ID}", key=developer.token)

    assert reply.status == 404
    assert limits_of(reply)["remaining-requests"] == 59


@pytest.mark.parametrize(("made", "status"), [({"agreement": False}, 402), ({"scopes": (Scope.CONTROL_READ,)}, 403)])
async def test_who_has_no_access_is_told_the_limits_and_not_counted(
    gateway_server: GatewayServer, made: dict[str, Any], status: int
) -> None:
    tenant = await make_tenant(gateway_server.storage, tier="developer", **made)

    reply = await gateway_server.post("/v1/messages", MESSAGE, key=tenant.token)

    assert reply.status == status
    assert limits_of(reply)["remaining-requests"] == 60


class BrokenBuckets:
    """A store whose failures nobody foresaw."""

    async def draw(self, draw: Draw) -> Drawn:
        raise RuntimeError

    async def close(self) -> None: ...


async def test_a_refusal_that_cannot_be_counted_is_told_all_the_same() -> None:
    access = Access(
        Principal(OrganizationId(SOME_ID), ApiKeyId(SOME_ID), frozenset(), KeyMode.LIVE), Policy(tier="developer")
    )

    async def send(message: object) -> None: ...

    exchange = Exchange(InferenceId(SOME_ID), None, send)
    exchange.quota = Limiter(read_tiers(), BrokenBuckets(), SystemClock()).quota(access)
    refusal = ValidationFailedError()

    assert await counted(exchange, refusal) is refusal


async def test_a_tier_without_limits_tells_none(gateway_server: GatewayServer) -> None:
    reply = await gateway_server.post("/v1/messages", MESSAGE)

    assert limits_of(reply) == {}


async def test_a_tier_that_nobody_knows_has_the_developer_s_limits(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, tier="platinum")

    reply = await gateway_server.post("/v1/messages", MESSAGE, key=tenant.token)

    assert limits_of(reply)["limit-requests"] == 60


async def test_the_tightest_limit_of_requests_is_told(gateway_server: GatewayServer, developer: Tenant) -> None:
    await use_up(gateway_server, developer, LimitName.ORG_RPM, 180, 170)

    reply = await gateway_server.post("/v1/messages", MESSAGE, key=developer.token)

    told = limits_of(reply)
    assert told["limit-requests"] == 180
    assert told["remaining-requests"] < 15


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        (LimitName.KEY_RPM, 60),
        (LimitName.KEY_DAILY, 5_000),
        (LimitName.ORG_RPM, 180),
        (LimitName.ORG_TPM, 100_000),
    ],
)
@pytest.mark.parametrize(("path", "body"), INFERENCE)
async def test_too_fast_is_429_that_says_which_limit_and_for_how_long(
    gateway_server: GatewayServer, developer: Tenant, path: str, body: dict[str, Any], name: LimitName, limit: int
) -> None:
    await use_up(gateway_server, developer, name, limit, limit * 2)

    reply = await gateway_server.post(path, body, key=developer.token)

    error = reply.json()["error"]
    assert (reply.status, error["code"], error["retryable"]) == (429, "RATE_LIMITED", True)
    assert error["details"]["limit"] == name
    assert error["details"]["retry_after_seconds"] == int(reply.headers["retry-after"]) > 0
    assert "x-should-retry" not in reply.headers
    assert limits_of(reply)["remaining-tokens" if name is LimitName.ORG_TPM else "remaining-requests"] == 0


async def test_too_fast_is_said_before_a_body_is_judged(gateway_server: GatewayServer, developer: Tenant) -> None:
    await use_up(gateway_server, developer, LimitName.KEY_RPM, 60, 120)

    reply = await gateway_server.post("/v1/messages", b"{", key=developer.token)

    assert reply.status == 429


async def test_official_clients_know_the_refusal(gateway_server: GatewayServer, developer: Tenant, served: str) -> None:
    await use_up(gateway_server, developer, LimitName.KEY_RPM, 60, 120)
    client = anthropic.AsyncAnthropic(base_url=served, api_key=developer.token, max_retries=0)

    with pytest.raises(anthropic.RateLimitError):
        await client.messages.create(
            model="claude-haiku-4-5", max_tokens=10, messages=[{"role": "user", "content": "Hi"}]
        )

    await client.close()


async def test_a_flood_of_refusals_is_one_audit_entry(gateway_server: GatewayServer, developer: Tenant) -> None:
    await use_up(gateway_server, developer, LimitName.KEY_DAILY, 5_000, 6_000)

    replies = [await gateway_server.post("/v1/messages", MESSAGE, key=developer.token) for _ in range(5)]

    assert {reply.status for reply in replies} == {429}
    (entry,) = await refusals_of(gateway_server, developer)
    assert entry.metadata["error_code"] == "RATE_LIMITED"
    assert entry.entity_id == replies[0].headers["x-request-id"].removeprefix("req_")


async def test_the_control_plane_is_not_limited(gateway_server: GatewayServer, developer: Tenant) -> None:
    await use_up(gateway_server, developer, LimitName.KEY_RPM, 60, 120)

    reply = await gateway_server.get("/v1/usage", key=developer.token)

    assert reply.status == 200
    assert limits_of(reply) == {}


@pytest.mark.parametrize("text", ["Hi", "[[sandbox: error=400]] Hi"], ids=["answered", "refused by its provider"])
async def test_what_was_reserved_and_not_used_comes_back(gateway_server: GatewayServer, text: str) -> None:
    tenant = await make_tenant(gateway_server.storage, tier="developer")
    asked = {**MESSAGE, "max_tokens": 60_000, "messages": [{"role": "user", "content": text}]}

    first = await gateway_server.post("/v1/messages", asked, key=tenant.token)
    second = await gateway_server.post("/v1/messages", asked, key=tenant.token)

    assert first.status == second.status != 429


async def test_a_stream_that_ended_gives_back_what_it_did_not_use(
    gateway_server: GatewayServer, developer: Tenant
) -> None:
    asked = {**MESSAGE, "max_tokens": 60_000, "stream": True}

    first = await gateway_server.post("/v1/messages", asked, key=developer.token)
    second = await gateway_server.post("/v1/messages", asked, key=developer.token)

    assert (first.status, second.status) == (200, 200)


async def test_a_call_without_credits_gives_back_its_tokens(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, tier="developer", allotment=10)
    asked = {**MESSAGE, "max_tokens": 60_000}

    first = await gateway_server.post("/v1/messages", asked, key=tenant.token)
    second = await gateway_server.post("/v1/messages", asked, key=tenant.token)

    assert (first.status, second.status) == (402, 402)


async def test_a_call_larger_than_a_minute_s_tokens_is_answered(
    gateway_server: GatewayServer, developer: Tenant
) -> None:
    long = {**MESSAGE, "max_tokens": 64_000, "messages": [{"role": "user", "content": "word " * 40_000}]}

    reply = await gateway_server.post("/v1/messages", long, key=developer.token)

    assert reply.status == 200
    assert limits_of(reply)["remaining-tokens"] == 0


async def test_a_refusal_without_a_query_tells_all_that_one_with_a_query_told(
    gateway_server: GatewayServer, developer: Tenant
) -> None:
    await use_up(gateway_server, developer, LimitName.KEY_RPM, 60, 60)

    replies = [await gateway_server.post("/v1/messages", MESSAGE, key=developer.token) for _ in range(2)]

    assert [reply.status for reply in replies] == [429, 429]
    assert [set(limits_of(reply)) for reply in replies] == [{name.removeprefix("x-ratelimit-") for name in NAMES}] * 2

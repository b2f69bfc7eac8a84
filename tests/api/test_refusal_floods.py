"""Whoever asks again and again without a right to: told the same each time, audited once, and then counted."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.ids import PLATFORM
from gateway.inference.records import AuditFilter, AuditRecord
from gateway.inference.repeats import MOST_OF_A_KEY
from gateway.tenancy import KeyMode, Principal, Scope
from storage.refusal_summaries import sum_up
from tests.gateway_server import GatewayServer, Reply
from tests.tenants import make_tenant

MESSAGE = {"model": "claude-haiku-4-5", "max_tokens": 10, "messages": [{"role": "user", "content": "Hi"}]}


class InAnHour:
    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(hours=1)


async def entries(server: GatewayServer, org: str, **wanted: Any) -> list[AuditRecord]:
    principal = Principal(org, None, frozenset(), KeyMode.LIVE)  # pyright: ignore[reportArgumentType]
    async with server.storage.read(principal) as tx:
        return list((await tx.audit_log.page(AuditFilter(**wanted), cursor=None, limit=1000)).items)


async def summed_up(server: GatewayServer, org: str, action: str, **facts: str) -> int:
    """How many refusals summaries tell of that have these facts."""
    while await sum_up(server.storage.pool, InAnHour()):
        pass
    found = await entries(server, org, action=action)
    return sum(entry.metadata["count"] for entry in found if facts.items() <= entry.metadata.items())  # pyright: ignore


def of_one_moment(replies: list[Reply]) -> set[tuple[int, str]]:
    return {(reply.status, reply.json()["error"]["code"]) for reply in replies}


async def test_a_stranger_in_a_loop_is_refused_each_time_and_fills_no_log(gateway_server: GatewayServer) -> None:
    headers = {"x-forwarded-for": "198.51.100.201"}
    begun = datetime.now(UTC)

    replies = await asyncio.gather(
        *(gateway_server.post("/v1/messages", MESSAGE, key=None, headers=headers) for _ in range(120))
    )

    assert of_one_moment(replies) == {(401, "INVALID_API_KEY")}
    own = [
        entry
        for entry in await entries(gateway_server, PLATFORM, action="ai.request.refused", since=begun)
        if entry.ip_address == "198.51.100.201"
    ]
    counted = await summed_up(
        gateway_server, PLATFORM, "ai.request.refused.repeated", network="198.51.100.201/32", route="/v1/messages"
    )
    assert len(own) + counted == len(replies)
    assert len(own) <= 2  # minutes


async def test_a_revoked_key_in_a_loop_is_told_of_to_whose_it_was(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, scopes=[Scope.AI_CHAT, Scope.CONTROL_READ])
    await gateway_server.request("DELETE", f"/v1/api_keys/{tenant.key.id}", key=tenant.token)
    async with asyncio.timeout(5):
        while (await gateway_server.get("/v1/usage", key=tenant.token)).status != 401:
            pass

    for _ in range(20):
        await gateway_server.post("/v1/messages", MESSAGE, key=tenant.token)

    actor = f"key:{tenant.key.id}"
    own = await entries(gateway_server, tenant.org, action="ai.request.refused", actor=actor)
    counted = await summed_up(gateway_server, tenant.org, "ai.request.refused.repeated", error_code="INVALID_API_KEY")
    assert len(own) + counted == 20
    assert len(own) <= 2  # minutes
    (summary, *_) = await entries(gateway_server, tenant.org, action="ai.request.refused.repeated")
    assert (summary.actor, summary.ip_address) == (actor, None)


async def test_a_client_that_loops_without_credits_leaves_a_bounded_trail(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, allotment=1)

    replies = [
        await gateway_server.post("/v1/messages", MESSAGE, key=tenant.token) for _ in range(2 * MOST_OF_A_KEY + 30)
    ]

    assert of_one_moment(replies) == {(402, "AI_CREDITS_EXHAUSTED")}
    own = await entries(gateway_server, tenant.org, action="ai.request.refused")
    counted = await summed_up(
        gateway_server, tenant.org, "ai.request.refused.repeated", model="claude-haiku-4-5", reason="allotment"
    )
    assert len(own) + counted == len(replies)
    assert counted >= 30  # in two minutes, more in one


async def test_what_is_no_refusal_of_access_leaves_a_stranger_no_entry(gateway_server: GatewayServer) -> None:
    before = await entries(gateway_server, PLATFORM)

    statuses = [
        (await gateway_server.request(method, path, key=None)).status
        for method, path in (
            ("GET", "/v1/nothing"),
            ("GET", "/v1/ai/chat"),
            ("DELETE", "/trust/keys/x"),
            ("GET", "/.well-known/nothing"),
            ("POST", "/livez"),
        )
    ]

    assert statuses == [404, 405, 405, 404, 405]
    assert await entries(gateway_server, PLATFORM) == before

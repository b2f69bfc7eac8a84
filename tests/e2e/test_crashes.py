"""Any process may be killed at any line: what was acknowledged stays, what was held comes back."""

import asyncio
import json
from collections.abc import Callable
from typing import Any
from urllib.request import urlopen

import aiohttp
import psutil
import pytest

from gateway.credits import pricing
from storage import Storage
from tests.running_stack import LEASE_S, RunningStack
from tests.tenants import HAIKU, Tenant, make_conversation, make_tenant

Json = dict[str, Any]


async def until(holds: Callable[[], bool], *, within_s: float) -> None:
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110 - other processes have no event to give us
            await asyncio.sleep(0.1)


def held(stack: RunningStack, tenant: Tenant) -> int:
    ((pending,),) = stack.query(
        f"select coalesce(sum(pending), 0)::bigint from credit_accounts where org_id = '{tenant.org}'"
    )
    assert isinstance(pending, int)
    return pending


def sandbox_requests(stack: RunningStack) -> str:
    with urlopen(f"{stack.sandbox_url}/__sandbox/requests", timeout=10) as answer:
        return answer.read().decode()


async def is_ready(stack: RunningStack, http: aiohttp.ClientSession) -> bool:
    try:
        async with http.get(f"{stack.base_url}/readyz") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


async def ready_again(stack: RunningStack, http: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(30):
        while not await is_ready(stack, http):  # noqa: ASYNC110 - other processes have no event to give us
            await asyncio.sleep(0.1)


async def ask(stack: RunningStack, http: aiohttp.ClientSession, tenant: Tenant, text: str = "Hello") -> Json:
    body = {"message": text, "stream": False}
    async with http.post(f"{stack.base_url}/v1/ai/chat", json=body, headers={"x-api-key": tenant.token}) as answer:
        return {"status": answer.status, **json.loads(await answer.read())}


async def test_an_api_killed_amid_streams_leaves_no_hold_after_the_sweep(
    running_stack: RunningStack, stored: Storage, http: aiohttp.ClientSession
) -> None:
    tenant = await make_tenant(stored)

    async def stream() -> None:
        body = {"message": "[[sandbox: frames=200; delay_ms=50]]"}
        try:
            async with http.post(
                f"{running_stack.base_url}/v1/ai/chat", json=body, headers={"x-api-key": tenant.token}
            ) as answer:
                await answer.content.readany()
                begun.release()
                await answer.read()
        except aiohttp.ClientError:
            pass

    begun = asyncio.Semaphore(0)
    streams = [asyncio.create_task(stream()) for _ in range(6)]
    for _ in streams:
        await begun.acquire()
    assert held(running_stack, tenant) > 0

    running_stack.part("api").kill()
    await asyncio.gather(*streams)
    await ready_again(running_stack, http)

    await until(lambda: held(running_stack, tenant) == 0, within_s=LEASE_S + 25)
    states = running_stack.query(f"select distinct status from inferences where org_id = '{tenant.org}'")
    assert states == [("lost",)]


async def test_an_api_killed_while_a_call_waits_for_its_retry_leaves_no_hold_after_the_sweep(
    running_stack: RunningStack, stored: Storage, http: aiohttp.ClientSession
) -> None:
    tenant = await make_tenant(stored)
    marker = f"Waits for its retry {tenant.org}"
    call = asyncio.create_task(
        ask(running_stack, http, tenant, f"[[sandbox: script=529,529,529; retry_after=4]] {marker}")
    )
    await until(lambda: marker in sandbox_requests(running_stack), within_s=20)

    running_stack.part("api").kill()
    with pytest.raises(aiohttp.ClientError):
        await call
    await ready_again(running_stack, http)

    await until(lambda: held(running_stack, tenant) == 0, within_s=LEASE_S + 25)
    left = running_stack.query(f"""
        select i.status, a.action, (select count(*) from usage_records u where u.id = i.id)
        from inferences i join audit_entries a on a.entity_id = i.id where i.org_id = '{tenant.org}'""")
    assert left == [("lost", "ai.request.lost", 0)]


async def test_records_survive_a_kill_of_the_database(
    running_stack: RunningStack, stored: Storage, http: aiohttp.ClientSession
) -> None:
    tenant = await make_tenant(stored)
    answer = await ask(running_stack, http, tenant)
    postgres = next(
        process
        for process in psutil.Process(running_stack.supervisor.pid).children(recursive=True)
        if process.name() == "postgres" and process.ppid() == running_stack.supervisor.pid
    )

    postgres.kill()
    await asyncio.to_thread(postgres.wait, 30)
    await ready_again(running_stack, http)

    url = f"{running_stack.base_url}/v1/ai/messages/{answer['meta']['request_id']}"
    async with http.get(url, headers={"x-api-key": tenant.token}) as record:
        assert record.status == 200
        assert (await record.json())["data"]["status"] == "completed"
    assert (await ask(running_stack, http, tenant))["status"] == 200


async def test_a_killed_worker_is_replaced_and_seals_what_waited(
    running_stack: RunningStack, stored: Storage, http: aiohttp.ClientSession
) -> None:
    tenant = await make_tenant(stored)
    running_stack.part("worker").kill()

    await ask(running_stack, http, tenant)

    await until(
        lambda: (
            running_stack.query(f"""
            select count(*) from audit_entries e where org_id = '{tenant.org}'
            and not exists (select from audit_seals s where s.entry_id = e.id)""")
            == [(0,)]
        ),
        within_s=40,
    )
    assert running_stack.hasp("audit", "verify").returncode == 0


async def test_parallel_calls_over_http_never_pass_the_cap(
    running_stack: RunningStack, stored: Storage, http: aiohttp.ClientSession
) -> None:
    """The cap covers the holds of fifty calls; two hundred come at once and each settles for less than its hold."""
    asked, max_tokens = "[[sandbox: text=Done.; first_delay_ms=300]]", 3_000
    hold = pricing.ceiling(HAIKU, make_conversation(asked, max_tokens=max_tokens))
    tenant = await make_tenant(stored, spend_cap=50 * hold)
    body = {
        "model": HAIKU.id,
        "max_tokens": max_tokens,
        "messages": [{"role": "user", "content": asked}],
    }
    highest = 0

    async def call() -> int:
        async with http.post(
            f"{running_stack.base_url}/v1/messages", json=body, headers={"x-api-key": tenant.token}
        ) as answer:
            await answer.read()
            return answer.status

    async def watch() -> None:
        nonlocal highest
        while True:
            ((total,),) = running_stack.query(
                "select coalesce(sum(posted + pending), 0)::bigint from credit_accounts"
                f" where holder = 'organization' and org_id = '{tenant.org}'"
            )
            assert isinstance(total, int)
            highest = max(highest, total)
            await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch())
    statuses = await asyncio.gather(*(call() for _ in range(200)))
    watching.cancel()

    assert set(statuses) == {200, 402}
    assert statuses.count(200) >= 50
    assert 0 < highest <= 50 * hold
    assert held(running_stack, tenant) == 0


async def test_every_chain_verifies_after_all_that(running_stack: RunningStack) -> None:
    await until(lambda: running_stack.query("select count(*) from audit_pending") == [(0,)], within_s=20)

    verified = running_stack.hasp("audit", "verify")

    assert verified.returncode == 0, verified.stdout

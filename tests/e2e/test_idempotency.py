"""A process may be killed between what it did and its answer: asked again under the same key, it is not done again."""

import asyncio
from urllib.parse import urlsplit

import aiohttp
import orjson

from gateway.ids import new_ulid
from storage import Storage
from tests.e2e.test_crashes import Json, ready_again, until
from tests.running_stack import LEASE_S, RunningStack
from tests.tenants import Tenant, make_tenant


async def test_a_call_whose_answer_was_lost_with_its_process_is_answered_from_its_record(
    running_stack: RunningStack, stored: Storage, http: aiohttp.ClientSession
) -> None:
    tenant, key, body = await make_tenant(stored), new_ulid(), {"message": "Hello", "stream": False}
    async with Unanswered(running_stack, tenant, "/v1/ai/chat", body, key):
        await until(lambda: statuses(running_stack, tenant) == ["completed"], within_s=20)
        running_stack.part("api").kill()
    await ready_again(running_stack, http)

    again = await post(running_stack, http, tenant, "/v1/ai/chat", body, key)

    assert (again["status"], again["replayed"]) == (200, "true")
    assert again["data"]["message"]["content"] == "Echo: Hello"
    assert statuses(running_stack, tenant) == ["completed"]
    assert traces(running_stack, tenant) == (1, 1, 0, again["meta"]["usage"]["sonnet_equivalent_tokens"])


async def test_a_key_whose_plaintext_was_lost_with_its_process_is_shown_to_whoever_asks_again(
    running_stack: RunningStack, stored: Storage, http: aiohttp.ClientSession
) -> None:
    tenant, key, body = await make_tenant(stored), new_ulid(), {"name": "CI", "scopes": ["control:read"]}
    made = f"select count(*) from api_keys where org_id = '{tenant.org}' and name = 'CI'"
    async with Unanswered(running_stack, tenant, "/v1/api_keys", body, key):
        await until(lambda: running_stack.query(made) == [(1,)], within_s=20)
        running_stack.part("api").kill()
    await ready_again(running_stack, http)

    again = await post(running_stack, http, tenant, "/v1/api_keys", body, key)

    assert (again["status"], again["replayed"]) == (201, "true")
    assert running_stack.query(made) == [(1,)]
    with_it = {"x-api-key": again["data"]["plaintext"]}
    async with http.get(f"{running_stack.base_url}/v1/usage", headers=with_it) as answer:
        assert answer.status == 200


async def test_a_call_lost_with_its_process_is_made_anew_once_its_hold_is_back(
    running_stack: RunningStack, stored: Storage, http: aiohttp.ClientSession
) -> None:
    tenant, key = await make_tenant(stored), new_ulid()
    body = {"message": "[[sandbox: first_delay_ms=2000]] Hello", "stream": False}
    async with Unanswered(running_stack, tenant, "/v1/ai/chat", body, key):
        await until(lambda: statuses(running_stack, tenant) == ["in_progress"], within_s=20)
        running_stack.part("api").kill()
    await ready_again(running_stack, http)

    told: set[str] = set()
    async with asyncio.timeout(LEASE_S + 30):
        while (again := await post(running_stack, http, tenant, "/v1/ai/chat", body, key))["status"] != 200:
            told.add(again["error"]["code"])
            await asyncio.sleep(0.5)

    assert told <= {"IDEMPOTENCY_IN_PROGRESS"}
    assert again["replayed"] is None
    assert statuses(running_stack, tenant) == ["completed", "lost"]
    assert traces(running_stack, tenant) == (1, 1, 0, again["meta"]["usage"]["sonnet_equivalent_tokens"])


class Unanswered:
    """A request whose sender reads nothing of what comes back."""

    def __init__(self, stack: RunningStack, tenant: Tenant, path: str, body: Json, key: str) -> None:
        self._at = urlsplit(stack.base_url)
        sent = orjson.dumps(body)
        head = (
            f"POST {path} HTTP/1.1\r\nhost: {self._at.netloc}\r\nx-api-key: {tenant.token}\r\n"
            f"idempotency-key: {key}\r\ncontent-length: {len(sent)}\r\n\r\n"
        )
        self._request = head.encode() + sent

    async def __aenter__(self) -> None:
        _, self._writer = await asyncio.open_connection(self._at.hostname, self._at.port)
        self._writer.write(self._request)
        await self._writer.drain()

    async def __aexit__(self, *_: object) -> None:
        self._writer.transport.abort()


async def post(
    stack: RunningStack, http: aiohttp.ClientSession, tenant: Tenant, path: str, body: Json, key: str
) -> Json:
    headers = {"x-api-key": tenant.token, "idempotency-key": key}
    async with http.post(stack.base_url + path, data=orjson.dumps(body), headers=headers) as answer:
        told = {"status": answer.status, "replayed": answer.headers.get("idempotent-replayed")}
        return told | orjson.loads(await answer.read())


def statuses(stack: RunningStack, tenant: Tenant) -> list[object]:
    return [row[0] for row in stack.query(f"select status from inferences where org_id = '{tenant.org}' order by 1")]


def traces(stack: RunningStack, tenant: Tenant) -> tuple[object, ...]:
    """Usage records, audit entries of completed calls, credits held and credits spent."""
    of = f"where org_id = '{tenant.org}'"
    (row,) = stack.query(f"""
        select (select count(*) from usage_records {of}),
          (select count(*) from audit_entries {of} and action = 'ai.request.completed'),
          (select sum(pending)::bigint from credit_accounts {of} and holder = 'organization'),
          (select sum(posted)::bigint from credit_accounts {of} and holder = 'organization')""")
    return row

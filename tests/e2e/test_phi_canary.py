"""The whole promise in one test: unmistakable identifiers go through every path, and rest nowhere they may not.

Whatever adds a path adds it to `conversations` or `mishaps`; whatever adds a
place where something may rest adds it to `Places`.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.tenancy import PhiMode, Scope
from storage import Storage
from tests.running_stack import RunningStack
from tests.tenants import Tenant, make_tenant

Json = dict[str, Any]

NAME = "Zebulon Quackenbush"
SSN = "219-09-4437"
MRN = "77120934"
EMAIL = "zebulon.quackenbush@example.org"
PHONE = "(415) 555-0132"
BORN = "02/11/1957"
CANARIES = (NAME, "Quackenbush", SSN, SSN.replace("-", ""), MRN, EMAIL, PHONE, BORN)

NOTE = f"Patient {NAME}, DOB {BORN}, SSN {SSN}, MRN {MRN}, phone {PHONE}, email {EMAIL}, seen today."
MODELS = ("claude-haiku-4-5", "gpt-5.4-mini")


@dataclass
class Places:
    """Where a canary must not be, and what was found there."""

    stack: RunningStack
    hits: list[str] = field(default_factory=list[str])

    def search(self, place: str, content: bytes) -> None:
        for canary in CANARIES:
            for form in (canary.encode(), canary.encode().hex().encode()):
                if form in content:
                    self.hits.append(f"{canary} in {place}")

    def search_logs(self) -> None:
        for log in self.stack.stack.home.logs.iterdir():
            self.search(log.name, log.read_bytes())

    def search_database(self) -> None:
        """Every column of every table, sealed ones included: what is in the clear in any of them is a hit."""
        tables = self.stack.query("select tablename from pg_tables where schemaname = 'public'")
        for (table,) in tables:
            for (row,) in self.stack.query(f'select t::text from "{table}" t'):
                self.search(f"table {table}", str(row).encode())

    def search_temporal(self) -> None:
        """The server's own files: histories, visibility, failures, whatever it keeps."""
        for file in (self.stack.home / "temporal").rglob("*"):
            if file.is_file():
                self.search(f"temporal {file.name}", file.read_bytes())


def block(text: str) -> Json:
    return {"type": "text", "text": text}


def conversations() -> Iterator[tuple[str, Json]]:
    """Requests that are answered, a canary in every kind of slot that a model reads."""
    tool: Json = {"name": "find_patient", "input_schema": {"type": "object", "properties": {"who": {"type": "string"}}}}
    called: Json = {
        "type": "tool_use",
        "id": "toolu_1",
        "name": "find_patient",
        "input": {"who": NAME, "ids": [{MRN: SSN}]},
    }
    result: Json = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [block(NOTE)]}
    document: Json = {
        "type": "document",
        "title": f"Letter about {NAME}",
        "context": NOTE,
        "source": {"type": "text", "media_type": "text/plain", "data": NOTE},
    }
    found: Json = {"type": "search_result", "source": "chart", "title": f"Chart of {NAME}", "content": [block(NOTE)]}
    for model in MODELS:
        for stream in (False, True):
            common: Json = {"model": model, "max_tokens": 400, "stream": stream}
            yield "/v1/messages", common | {"system": NOTE, "messages": [{"role": "user", "content": NOTE}]}
            yield (
                "/v1/messages",
                common
                | {
                    "tools": [tool],
                    "messages": [
                        {"role": "user", "content": [block(f"Who is {NAME}?")]},
                        {"role": "assistant", "content": [called]},
                        {"role": "user", "content": [result, block("Thank you.")]},
                    ],
                },
            )
            yield "/v1/ai/chat", {"model": model, "message": NOTE, "system": NOTE, "stream": stream}
            yield "/v1/ai/chat", {"model": model, "message": NOTE, "store": False, "stream": stream}
            yield (
                "/v1/messages",
                common
                | {
                    "metadata": {"user_id": f"user {SSN}"},
                    "tools": [tool],
                    "messages": [{"role": "user", "content": f"[[sandbox: tool=find_patient]] {NAME}, SSN {SSN}"}],
                },
            )
    for stream in (False, True):
        yield (
            "/v1/ai/chat",
            {
                "message": f"[[sandbox: thinking=echo]] {NOTE}",
                "thinking": {"type": "enabled", "budget_tokens": 1024},
                "max_tokens": 3000,
                "stream": stream,
            },
        )
        yield (
            "/v1/messages",
            {
                "model": MODELS[0],
                "max_tokens": 400,
                "stream": stream,
                "messages": [{"role": "user", "content": [document, found, block(NOTE)]}],
            },
        )


def mishaps() -> Iterator[tuple[str, Json | bytes]]:
    """Requests that end in an error, ours or the provider's, before or amid the answer."""
    said: Json = {"model": MODELS[0], "max_tokens": 100}
    for trouble in ("error=400", "error=429", "error=500", "error=529", "error_after=2", "drop_after=2"):
        for stream in (False, True):
            text = f"[[sandbox: {trouble}]] {NOTE}"
            yield "/v1/messages", said | {"stream": stream, "messages": [{"role": "user", "content": text}]}
            yield "/v1/ai/chat", {"message": text, "stream": stream}
    yield "/v1/messages", said | {NAME: NOTE, "messages": [{"role": "user", "content": NOTE}]}
    yield "/v1/messages", said | {"messages": [{"role": NAME, "content": NOTE}]}
    yield "/v1/messages", said | {"messages": [{"role": "user", "content": [{"type": NAME, "text": NOTE}]}]}
    yield "/v1/messages", {"model": NAME, "max_tokens": SSN, "messages": NOTE}
    yield "/v1/messages", said | {"model": NAME, "messages": [{"role": "user", "content": NOTE}]}
    yield "/v1/messages", f'{{"model": "{NAME}", "messages": [{NOTE}'.encode()
    forged: Json = {"type": "thinking", "thinking": NOTE, "signature": "abcd"}
    for smuggled in (forged, {"type": "redacted_thinking", "data": NOTE}, forged | {"signature": NOTE}):
        turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": [smuggled]}]
        yield "/v1/messages", said | {"messages": [*turns, {"role": "user", "content": "Go on"}]}
    yield "/v1/ai/chat", {"message": NOTE, NAME: SSN}
    yield "/v1/ai/chat", {"message": {NAME: SSN}}
    yield "/v1/ai/chat", {"message": NOTE, "conversation_id": NAME}
    yield "/v1/api_keys", {"name": {NAME: SSN}, "scopes": [SSN]}
    yield "/v1/api_keys", {"name": "key", "scopes": [NAME], MRN: EMAIL}
    schema: Json = {"type": "object", "properties": {"patient": {"type": "string", "description": NOTE}}}
    tool: Json = {"name": "find", "description": NOTE, "input_schema": schema}
    yield "/v1/messages", said | {"tools": [tool], "messages": [{"role": "user", "content": "Hello"}]}


POLICY = "/v1/compliance/policy"
TERMS: Json = {"phi_deny_terms": [NAME, MRN, EMAIL], "phi_allow_terms": [f"{NAME} Clinic"]}


def policies() -> Iterator[Json]:
    """Changes of a policy: one that is taken, and every way of naming a patient in one that is not."""
    yield TERMS
    yield {"phi_deny_terms": [NAME, "-"]}
    yield {"phi_deny_terms": [{NAME: SSN}]}
    yield {"phi_allow_terms": NOTE}
    yield {"phi_mode": NAME}
    yield {"phi_profile": "custom", "phi_entities": [NAME], "acknowledge_phi_leaves": True}
    yield {"retention_days": SSN}
    yield {NAME: SSN}


def scans() -> Iterator[Json]:
    """One that is answered, and some that are not."""
    yield {"text": NOTE}
    yield {"text": {NAME: SSN}}
    yield {"text": NOTE, NAME: SSN}


READS = (
    POLICY,
    f"/v1/ai/messages/{NAME}",
    f"/v1/audit?{NAME}={SSN}",
    f"/v1/audit?cursor={SSN}",
    f"/v1/models/{NAME}",
    f"/v1/{EMAIL}",
)


@pytest.mark.timeout(300)
async def test_identifiers_rest_nowhere_but_in_their_request_its_answer_and_sealed_columns(
    running_stack: RunningStack, stored: Storage, http: aiohttp.ClientSession
) -> None:
    tenant = await make_tenant(stored, allotment=100_000_000)
    blocking = await make_tenant(stored, allotment=100_000_000, phi_mode=PhiMode.BLOCK)
    listing = await make_tenant(stored, allotment=100_000_000, scopes=list(Scope))
    places = Places(running_stack)

    async def call(
        tenant: Tenant, path: str, body: Json | bytes | None = None, method: str | None = None
    ) -> tuple[int, str]:
        """One exchange; an error's body and every answer's headers are places too."""
        headers = {"x-api-key": tenant.token, "content-type": "application/json"}
        sent: dict[str, Any] = {"data": body} if isinstance(body, bytes) else {"json": body}
        method = method or ("GET" if body is None else "POST")
        async with http.request(method, running_stack.base_url + path, headers=headers, **sent) as answer:
            try:
                text = await answer.text()
            except aiohttp.ClientPayloadError:
                text = ""
            places.search(f"headers of {path}", str(answer.headers).encode())
            if answer.status >= 400:
                places.search(f"error body of {path}", text.encode())
            return answer.status, text

    answers = [await call(tenant, path, body) for path, body in conversations()]
    for path, body in conversations():
        await call(blocking, path, body)
    for path, body in mishaps():
        await call(tenant, path, body)
    for change in policies():
        await call(listing, POLICY, change, "PUT")
    kept = await call(listing, POLICY)
    listed = [await call(listing, path, body) for path, body in conversations()]
    for body in scans():
        await call(listing, "/v1/phi/scan", body)
    for path in READS:
        await call(tenant, path)
    await hang_up(running_stack, http, tenant)

    # The callers did get their own values back: what was hidden from the provider was not lost.
    assert [status for status, _ in answers] == [200] * len(answers)
    assert NAME in answers[0][1]
    assert all(term in kept[1] for term in TERMS["phi_deny_terms"])
    assert [status for status, _ in listed] == [200] * len(listed)

    await everything_written(running_stack)
    async with http.get(f"{running_stack.sandbox_url}/__sandbox/requests") as seen:
        received = await seen.json()
    bodies = [request["body"] for request in received["requests"]]
    assert len(bodies) >= len(answers)
    assert sum("[NAME_1]" in body for body in bodies) >= len(answers)
    assert sum("[TERM_1]" in body for body in bodies) >= len(listed)
    places.search("what the provider received", "".join(bodies).encode())
    places.search_logs()
    places.search_database()
    places.search_temporal()
    assert places.hits == []


async def hang_up(stack: RunningStack, http: aiohttp.ClientSession, tenant: Tenant) -> None:
    """Leave in the middle of a stream."""
    body = {"message": f"[[sandbox: frames=50; delay_ms=50]] {NOTE}"}
    async with http.post(f"{stack.base_url}/v1/ai/chat", json=body, headers={"x-api-key": tenant.token}) as answer:
        await answer.content.readany()


async def everything_written(stack: RunningStack) -> None:
    """Waits until no call is open, no entry unsealed and no event unrelayed: nothing more will come to rest."""
    unfinished = (
        "select (select count(*) from credit_holds where state = 'open') + (select count(*) from audit_pending)"
        " + (select count(*) from outbox where relayed_at is null)"
    )
    async with asyncio.timeout(60):
        while stack.query(unfinished) != [(0,)]:  # noqa: ASYNC110 - other processes have no event to give us
            await asyncio.sleep(0.1)


def test_the_search_finds_what_it_looks_for(running_stack: RunningStack, tmp_path: Path) -> None:
    """A search that cannot find anything would find nothing wrong."""
    places = Places(running_stack)
    places.search("here", f"a log line about {NAME}".encode())
    places.search("there", b"\\x" + SSN.encode().hex().encode())

    assert len(places.hits) == 3

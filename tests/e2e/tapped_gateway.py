"""A gateway whose every provider is the sandbox, with an ear on the wire between the two."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio
import uvicorn

from gateway.settings import Settings
from sandbox.app import Sandbox
from sandbox.wire import Message, Receive, Scope, Send
from storage import Storage
from tests.gateway_server import serve
from tests.grammar import read_events
from tests.serving import running
from tests.tenants import Tenant

_CONCURRENCY = 16


@dataclass
class Tap:
    """The sandbox, noting all that it is sent: path, query, headers and body, one text a request."""

    sandbox: Sandbox = field(default_factory=lambda: Sandbox(record=False))
    heard: list[str] = field(default_factory=list[str])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.sandbox(scope, receive, send)
            return
        headers = [f"{name.decode()}: {value.decode('latin-1')}" for name, value in scope["headers"]]
        at = len(self.heard)
        self.heard.append("\n".join((f"{scope['path']}?{scope['query_string'].decode()}", *headers, "")))

        async def overheard() -> Message:
            message = await receive()
            self.heard[at] += message.get("body", b"").decode()
            return message

        await self.sandbox(scope, overheard, send)


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: str
    body: str
    streamed: bool

    def words(self) -> str:
        """The answer's own text, put together again when it was streamed; otherwise the whole body."""
        if not self.streamed:
            return self.body
        if "chat.completion.chunk" in self.body:
            return "".join(map(_words_of_chunk, self.body.split("\n\n")))
        deltas = (event.data.get("data", event.data).get("delta", {}) for event in read_events(self.body.encode()))
        return "".join(map(_words_of_delta, deltas))


def _words_of_delta(delta: Any) -> str:
    return delta if isinstance(delta, str) else delta.get("text", "") + delta.get("partial_json", "")


def _words_of_chunk(line: str) -> str:
    if not line.startswith("data: {"):
        return ""
    choices = orjson.loads(line.removeprefix("data: ")).get("choices") or ()
    deltas = [choice["delta"] for choice in choices]
    calls = [call["function"].get("arguments", "") for delta in deltas for call in delta.get("tool_calls", ())]
    return "".join((*(delta.get("content") or "" for delta in deltas), *calls))


@dataclass(frozen=True, slots=True)
class TappedGateway:
    url: str
    tap: Tap
    storage: Storage
    session: aiohttp.ClientSession

    async def openapi(self) -> dict[str, Any]:
        async with self.session.get(f"{self.url}/openapi.json") as answer:
            return await answer.json()

    async def post(self, tenant: Tenant, path: str, body: object, headers: dict[str, str] | None = None) -> Reply:
        sent = {"x-api-key": tenant.token, **(headers or {})}
        async with self.session.post(self.url + path, data=orjson.dumps(body), headers=sent) as answer:
            streamed = answer.content_type == "text/event-stream"
            return Reply(answer.status, str(answer.headers), await answer.text(), streamed)

    async def post_all(self, tenant: Tenant, requests: Iterable[tuple[str, object]]) -> list[Reply]:
        """Every reply, in order; a few requests are under way at a time. What was heard before is forgotten."""
        self.tap.heard.clear()
        gate = asyncio.Semaphore(_CONCURRENCY)

        async def one(path: str, body: object) -> Reply:
            async with gate:
                return await self.post(tenant, path, body)

        return await asyncio.gather(*(one(path, body) for path, body in requests))


@pytest.fixture(scope="module")
def tapped(request: pytest.FixtureRequest) -> Iterator[tuple[Tap, Settings]]:
    """A running tap, and the settings of a gateway in front of it."""
    tap = Tap()
    config = uvicorn.Config(tap, log_config=None, access_log=False, timeout_graceful_shutdown=1, timeout_keep_alive=75)
    with running(config, name="tap") as url:
        yield tap, request.getfixturevalue("server_settings").model_copy(update={"sandbox_url": url})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def tapped_gateway(tapped: tuple[Tap, Settings]) -> AsyncIterator[TappedGateway]:
    tap, settings = tapped
    storage = await Storage.open(settings)
    with serve(settings) as url:
        async with aiohttp.ClientSession() as session:
            yield TappedGateway(url, tap, storage, session)
    await storage.close()

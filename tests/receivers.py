"""Receivers of webhooks on this machine, and endpoints and events for them."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

import orjson
from aiohttp import web
from ulid import ULID

from gateway.ids import EndpointId, OrganizationId
from storage import Storage
from storage.pool import fetch
from storage.webhooks.acts import tell_created
from tests.tenants import make_tenant

Answer = Callable[[int], Awaitable[web.Response]]
"""What a receiver says to its so-manieth request, counted from 1."""


async def well(_: int) -> web.Response:
    return web.Response()


def status(code: int, **headers: str) -> Answer:
    async def answer(_: int) -> web.Response:
        return web.Response(status=code, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return answer


@dataclass(slots=True)
class Receiver:
    """Keeps the `webhook-id` of each request, in order, and of those that it answered well. `answer` may be changed.

    `events` are the ids of what each of `taken` tells of.
    """

    answer: Answer = well
    url: str = ""
    seen: list[str] = field(default_factory=list[str])
    taken: list[str] = field(default_factory=list[str])
    events: list[str] = field(default_factory=list[str])
    replays: list[str | None] = field(default_factory=list[str | None])
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def has(self, wanted: Callable[["Receiver"], bool]) -> None:
        """Wait until that is so."""
        async with self._changed:
            await self._changed.wait_for(lambda: wanted(self))

    async def handle(self, request: web.Request) -> web.Response:
        delivery = request.headers["webhook-id"]
        told = orjson.loads(await request.read())
        async with self._changed:
            self.seen.append(delivery)
            self.replays.append(request.headers.get("webhook-replay-id"))
            self._changed.notify_all()
        response = await self.answer(len(self.seen))
        if 200 <= response.status < 300:
            async with self._changed:
                self.taken.append(delivery)
                self.events.append(told["id"])
                self._changed.notify_all()
        return response


@asynccontextmanager
async def receiving(answer: Answer = well) -> AsyncGenerator[Receiver]:
    receiver = Receiver(answer)
    app = web.Application()
    app.router.add_post("/hook", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    receiver.url = f"http://{host}:{port}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()


async def make_org(storage: Storage) -> OrganizationId:
    return (await make_tenant(storage, agreement=False)).org


async def make_endpoint(
    storage: Storage,
    org: OrganizationId,
    url: str,
    *,
    events: tuple[str, ...] = ("audit.checkpoint",),
    is_ordered: bool = False,
    rate_per_minute: int | None = None,
) -> EndpointId:
    async with storage.as_operator(org, command="test") as tx:
        endpoint, _ = await tx.webhooks.add(
            url=url, events=events, is_ordered=is_ordered, rate_per_minute=rate_per_minute
        )
        tell_created(tx, endpoint)
    return endpoint.id


async def publish(
    storage: Storage, org: OrganizationId, count: int = 1, *, at: datetime | None = None, kind: str = "audit.checkpoint"
) -> list[str]:
    """Events in one transaction; their ids, in order."""
    at = at or storage.clock.now()
    ids = sorted(str(ULID.from_datetime(at)) for _ in range(count))
    await fetch(
        storage.pool,
        "insert into outbox (id, org_id, type, data, created_at)"
        """ select id, %s, %s, '{"seq": 1}', %s from unnest(%s::text[]) as e(id)""",
        [org, kind, at, ids],
    )
    return ids


async def deliveries(storage: Storage, state: str | None = None) -> list[str]:
    """Ids, in order; of all states unless one is named."""
    rows = await fetch(
        storage.pool,
        "select id from webhook_deliveries where %(state)s::text is null or state = %(state)s order by id",
        {"state": state},
    )
    return [row[0] for row in rows]

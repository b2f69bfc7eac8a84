"""A vendor whose every answer is a file: an HTTP server on the loopback that replays and remembers."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(slots=True)
class Vendor:
    """What it will answer, and the last body it was sent."""

    url: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    sent: bytes = b""

    def answers(self, body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self.status, self.headers, self.body = status, headers or {}, body


@asynccontextmanager
async def replaying_vendor() -> AsyncGenerator[Vendor]:
    vendor = Vendor(url="")

    async def replay(request: web.Request) -> web.Response:
        vendor.sent = await request.read()
        return web.Response(status=vendor.status, headers=vendor.headers, body=vendor.body)

    app = web.Application(client_max_size=2**24)
    app.router.add_post("/{path:.*}", replay)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        vendor.url = f"http://{host}:{port}"
        yield vendor
    finally:
        await runner.cleanup()

"""What an orchestrator asks of a worker: is the process alive, and is each thing it needs there?"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TypeAlias

from aiohttp import web

Check: TypeAlias = Callable[[], Awaitable[bool]]

_HOST = "127.0.0.1"


@asynccontextmanager
async def serving(port: int, checks: Mapping[str, Check]) -> AsyncGenerator[None]:
    """Answer `/livez` and `/readyz` on the loopback for the length of the block; port 0 answers nothing.

    Raises `OSError` when the port is taken.
    """
    if port == 0:
        yield
        return
    runner = web.AppRunner(application(checks), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, _HOST, port).start()
        yield
    finally:
        await runner.cleanup()


def application(checks: Mapping[str, Check]) -> web.Application:
    """`/readyz` is 200 when every check passes and 503 otherwise, and names each one's state. Checks must not raise."""

    async def live(_: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def ready(_: web.Request) -> web.Response:
        states = dict(zip(checks, await asyncio.gather(*(check() for check in checks.values())), strict=True))
        is_ready = all(states.values())
        body = {
            "status": "ready" if is_ready else "unavailable",
            "dependencies": {name: "up" if works else "down" for name, works in states.items()},
        }
        return web.json_response(body, status=200 if is_ready else 503)

    app = web.Application()
    app.add_routes([web.get("/livez", live), web.get("/readyz", ready)])
    return app

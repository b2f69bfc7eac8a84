"""An MCP server over real HTTP, which answers as a test tells it to, well or badly."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import web

ECHO: dict[str, Any] = {
    "name": "echo",
    "description": "Says it again.",
    "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
}

Answer = Callable[[web.BaseRequest, dict[str, Any]], web.StreamResponse | None]


class McpStandIn:
    """`answers` says what else to do at a method; None from it is silence."""

    def __init__(self) -> None:
        self.tools: Any = [ECHO]
        self.result: Any = {"content": [{"type": "text", "text": "again"}]}
        self.revision = "2025-06-18"
        self.session: str | None = "session-1"
        self.streams = False
        self.answers: dict[str, Answer] = {}
        self.heard: list[tuple[str, dict[str, Any]]] = []
        """Methods and parameters."""
        self.headers: list[dict[str, str]] = []

    def methods(self) -> list[str]:
        return [method for method, _ in self.heard]

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        message = orjson.loads(await request.read())
        self.heard.append((message["method"], message.get("params", {})))
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        if own := self.answers.get(message["method"]):
            answer = own(request, message)
            if answer is None:
                await asyncio.Event().wait()
            assert answer is not None
            return answer
        if "id" not in message:
            return web.Response(status=202)
        begins = self.session is None or message["method"] == "initialize"
        if not begins and request.headers.get("mcp-session-id") != self.session:
            return web.Response(status=404)
        return self.said(message, self._result(message["method"]))

    def said(self, message: dict[str, Any], result: Any) -> web.Response:
        """`result` as the answer to `message`."""
        return self.spoken({"jsonrpc": "2.0", "id": message["id"], "result": result}, begins=message["method"])

    def spoken(self, value: Any, *, begins: str = "") -> web.Response:
        headers = {"mcp-session-id": self.session} if self.session and begins == "initialize" else {}
        data = orjson.dumps(value)
        if self.streams:
            asks = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"})
            body = b"id: 1\ndata:\n\n: quiet\n\ndata: " + asks + b"\n\nevent: message\ndata: " + data + b"\n\n"
            return web.Response(body=body, content_type="text/event-stream", headers=headers)
        return web.Response(body=data, content_type="application/json", headers=headers)

    def _result(self, method: str) -> Any:
        if method == "initialize":
            return {"protocolVersion": self.revision, "capabilities": {"tools": {}}, "serverInfo": {"name": "x"}}
        return {"tools": self.tools} if method == "tools/list" else self.result

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[str]:
        runner = web.ServerRunner(web.Server(self.handle, access_log=None), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/mcp"
        finally:
            await runner.cleanup()

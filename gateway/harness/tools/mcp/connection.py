"""JSON-RPC with an MCP server over streamable HTTP: a POST for each message, answered at once or as a stream of events.

Source: the Model Context Protocol, "Transports" and "Lifecycle", revision 2025-11-25 and the two before it. What a
server asks of its client (to sample, to elicit) is left unanswered: no such ability is declared to it.
"""

import asyncio
import itertools
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version

import aiohttp
import orjson
from pydantic import JsonValue

from gateway.harness.tool import ToolFailedError
from gateway.nesting import is_too_deep
from gateway.outside.bounded import BoundedConnector
from gateway.providers.sse import SseSplitter
from gateway.tls import verified_tls

MOST_BYTES = 2 * 1024 * 1024
"""Of an answer, with all that comes before it."""

_REVISIONS = ("2025-11-25", "2025-06-18", "2025-03-26")
_SESSION = re.compile(r"[!-~]{1,1024}")
_UNREADABLE = "The tool's server said something that cannot be read."


class McpRefusedError(Exception):
    """The server's own words to an ask that it refused: for a model to read, never for a log."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__("refused")


class _SessionEndedError(Exception):
    pass


@dataclass(frozen=True, slots=True)
class _Session:
    id: str | None
    revision: str

    @property
    def headers(self) -> dict[str, str]:
        named = {"mcp-session-id": self.id} if self.id is not None else {}
        return {"mcp-protocol-version": self.revision, **named}


class McpConnection:
    """To one server, for any number of asks at once. Open it in the loop that uses it.

    Two that begin a session at once begin two, and the later stays: servers have to bear that, and no ask waits for
    another.
    """

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        """`headers` go along with every message; redirects are not followed, since they would go along."""
        self._url = url
        self._headers = headers
        self._numbers = itertools.count(1)
        self._session: _Session | None = None
        self._http: aiohttp.ClientSession | None = None
        self._is_closed = False

    async def ask(self, method: str, params: Mapping[str, JsonValue], *, timeout_s: float) -> dict[str, JsonValue]:
        """The result. Raises `ToolFailedError`, or `McpRefusedError` for an error that the server answers with."""
        try:
            async with asyncio.timeout(timeout_s):
                try:
                    return await self._asked(method, params)
                except _SessionEndedError:
                    return await self._asked(method, params)
        except TimeoutError:
            raise ToolFailedError("The tool's server took too long.") from None
        except _SessionEndedError:
            raise ToolFailedError("The tool's server ends each session that it begins.") from None
        except (aiohttp.ClientError, OSError):
            raise ToolFailedError("The tool's server could not be reached.") from None
        except orjson.JSONEncodeError:
            raise ToolFailedError("The input holds text or numbers that cannot be sent.") from None
        except ValueError:
            raise ToolFailedError(_UNREADABLE) from None

    async def close(self) -> None:
        """For good. Safe to call twice."""
        self._is_closed = True
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    async def _asked(self, method: str, params: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        session = self._session or await self._begun()
        try:
            result, _ = await self._exchanged(method, params, session)
        except _SessionEndedError:
            if self._session is session:
                self._session = None
            raise
        return result

    async def _begun(self) -> _Session:
        client: JsonValue = {"name": "hasp", "version": version("hasp")}
        params: dict[str, JsonValue] = {"protocolVersion": _REVISIONS[0], "capabilities": {}, "clientInfo": client}
        result, given = await self._exchanged("initialize", params, None)
        revision = result.get("protocolVersion")
        if revision not in _REVISIONS:
            raise ToolFailedError("The tool's server speaks no revision of the protocol that is known here.")
        if given is not None and not _SESSION.fullmatch(given):
            raise ToolFailedError(_UNREADABLE)
        session = _Session(given, str(revision))
        async with self._posted({"jsonrpc": "2.0", "method": "notifications/initialized"}, session) as answer:
            if answer.status >= 300:
                raise ToolFailedError(f"The tool's server answered with status {answer.status}.")
        self._session = session
        return session

    async def _exchanged(
        self, method: str, params: Mapping[str, JsonValue], session: _Session | None
    ) -> tuple[dict[str, JsonValue], str | None]:
        """The result of one ask, and the id of the session that it began."""
        number = next(self._numbers)
        asked: dict[str, JsonValue] = {"jsonrpc": "2.0", "id": number, "method": method, "params": dict(params)}
        async with self._posted(asked, session) as answer:
            if answer.status == 404 and session is not None and session.id is not None:
                raise _SessionEndedError
            if answer.status != 200:
                raise ToolFailedError(f"The tool's server answered with status {answer.status}.")
            async with aclosing(_messages(answer)) as messages:
                async for message in messages:
                    if message.get("id") == number and "method" not in message:
                        return _result_of(message), answer.headers.get("mcp-session-id")
        raise ToolFailedError("The tool's server did not answer what it was asked.")

    @asynccontextmanager
    async def _posted(self, message: JsonValue, session: _Session | None) -> AsyncGenerator[aiohttp.ClientResponse]:
        if self._is_closed:
            raise ToolFailedError("The tool's server is no longer listed.")
        if self._http is None:
            self._http = aiohttp.ClientSession(
                connector=BoundedConnector(most_bytes=2 * MOST_BYTES, ssl=verified_tls()),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
                trust_env=False,
                auto_decompress=False,
            )
        headers = {
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            "accept-encoding": "identity",
            "user-agent": "Hasp-Tool/1.0",
            **self._headers,
            **(session.headers if session else {}),
        }
        body = orjson.dumps(message)
        async with self._http.post(self._url, data=body, headers=headers, allow_redirects=False) as answer:
            yield answer


async def _messages(answer: aiohttp.ClientResponse) -> AsyncGenerator[dict[str, JsonValue]]:
    """What the server says, as it comes. Raises `ToolFailedError` where that is too much, `ValueError` for no JSON."""
    streamed = answer.headers.get("content-type", "").partition(";")[0].strip().lower() == "text/event-stream"
    splitter, whole, size = SseSplitter(), bytearray(), 0
    while piece := await answer.content.readany():
        size += len(piece)
        if size > MOST_BYTES:
            raise ToolFailedError("The tool's server said too much.")
        if not streamed:
            whole += piece
            continue
        for data in splitter.feed(piece):
            for message in _read(data):
                yield message
    if not streamed:
        for message in _read(bytes(whole)):
            yield message


def _read(data: bytes) -> list[dict[str, JsonValue]]:
    """One message, or a batch as older servers send them; nothing for an event that only primes the stream."""
    if not data.strip():
        return []
    value: JsonValue = orjson.loads(data)
    if is_too_deep(value, brackets=data.count(b"[") + data.count(b"{")):
        raise ToolFailedError(_UNREADABLE)
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, dict)]


def _result_of(message: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    error, result = message.get("error"), message.get("result")
    if isinstance(error, dict):
        words = error.get("message")
        raise McpRefusedError(words if isinstance(words, str) else "")
    if not isinstance(result, dict):
        raise ToolFailedError(_UNREADABLE)
    return result

"""The wire to the vendors: one pool of connections, and limits on every wait and every size.

Bodies are never logged. What goes wrong below HTTP becomes an error of ours
that says whether an answer had begun, without a cause: the HTTP library's own
texts may quote what a vendor sent.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO

import aiohttp
import structlog
from structlog.typing import FilteringBoundLogger
from yarl import URL

from gateway.errors import (
    GatewayError,
    UnavailableError,
    UpstreamBrokenOffError,
    UpstreamFailureError,
    UpstreamStalledError,
    UpstreamTimeoutError,
    UpstreamUnreachableError,
)
from gateway.settings import Settings
from gateway.tls import verified_tls

MAX_ANSWER_BYTES = 64 * 1024 * 1024
MAX_ERROR_BYTES = 64 * 1024

# Below the vendors' own idle limits, so that a request is rarely written to a connection they just closed.
_KEEPALIVE_S = 30.0
_DNS_CACHE_S = 60
_DRAIN_S = 0.5
_LARGE_BODY_BYTES = 1024 * 1024
# What looks otherwise is not logged: it could be anything that the vendor wrote.
_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")

_log: FilteringBoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Vendor:
    """How to talk to one vendor. `headers` hold its key."""

    name: str
    request_id_header: str
    error_of_answer: Callable[[int, Mapping[str, str], bytes], GatewayError]
    headers: Mapping[str, str] = field(repr=False)

    @property
    def stream_headers(self) -> Mapping[str, str]:
        # Compressed events would wait for each other in the vendor's buffer.
        return {**self.headers, "accept-encoding": "identity"}


class Response:
    """An answer whose headers have arrived."""

    def __init__(self, response: aiohttp.ClientResponse, first_byte_s: float | None, idle_s: float | None) -> None:
        self._response = response
        self._wait_s = first_byte_s
        self._idle_s = idle_s
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._waiting_since: float | None = None
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers

    async def next_chunk(self) -> bytes:
        """What has arrived of the body; empty at its end."""
        failure: GatewayError
        self._waiting_since = self._loop.time()
        if self._timer is None:
            self._watch(self._wait_s)
        try:
            chunk = await self._response.content.readany()
        except TimeoutError:
            failure = UpstreamStalledError()
        except (aiohttp.ClientError, OSError):
            failure = UpstreamBrokenOffError()
        else:
            if self._wait_s != self._idle_s:
                self._limit(self._idle_s)
            return chunk
        finally:
            self._waiting_since = None
        raise failure

    async def read(self) -> bytes:
        """The whole body. Raises `UpstreamFailureError` above `MAX_ANSWER_BYTES`."""
        body = await self._read_up_to(MAX_ANSWER_BYTES)
        if len(body) > MAX_ANSWER_BYTES:
            raise UpstreamFailureError
        return body

    async def read_error(self) -> bytes:
        """An error's body, cut at `MAX_ERROR_BYTES`."""
        return (await self._read_up_to(MAX_ERROR_BYTES))[:MAX_ERROR_BYTES]

    async def drain(self) -> None:
        """Read the little that follows a stream's last event, so that the connection can serve the next call.

        A vendor that keeps the connection open instead is given up after half a second.
        """
        self._idle_s = _DRAIN_S
        self._limit(_DRAIN_S)
        try:
            await self._read_up_to(MAX_ERROR_BYTES)
        except GatewayError:
            self._response.close()

    def release(self) -> None:
        """Keep the connection when the body was read to its end, close it otherwise."""
        self._limit(None)
        self._response.release()

    def _limit(self, wait_s: float | None) -> None:
        """Bound every wait from the next one on."""
        self._wait_s = wait_s
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _watch(self, after_s: float | None) -> None:
        # One timer looks after a whole stream: a timeout around each chunk costs as much as reading the chunk.
        if after_s is not None:
            self._timer = self._loop.call_later(after_s, self._interrupt_or_go_on)

    def _interrupt_or_go_on(self) -> None:
        if self._wait_s is None:
            return
        waited = 0.0 if self._waiting_since is None else self._loop.time() - self._waiting_since
        if waited >= self._wait_s:
            self._response.content.set_exception(TimeoutError())
        else:
            self._watch(self._wait_s - waited)

    async def _read_up_to(self, limit: int) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while size <= limit and (chunk := await self.next_chunk()):
            pieces.append(chunk)
            size += len(chunk)
        return b"".join(pieces)


class Transport:
    """Every vendor's connections. Open it inside the event loop that will use it, close it when the loop ends."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make the pool. Safe to call twice."""
        if self._session is None:
            # aiohttp sets TCP_NODELAY on every connection itself. No limit on connections: admission is upstream of
            # here, and a queue in the pool would hide behind the connect timeout.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0, keepalive_timeout=_KEEPALIVE_S, ttl_dns_cache=_DNS_CACHE_S, ssl=verified_tls()
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(
                    total=self._settings.upstream_total_timeout_s, connect=self._settings.upstream_connect_timeout_s
                ),
                headers={"user-agent": "hasp", "content-type": "application/json"},
                trust_env=False,
                auto_decompress=True,
            )

    async def close(self) -> None:
        """Close every connection. Safe to call twice."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def fetch(self, vendor: Vendor, url: URL, body: bytes) -> bytes:
        """Send `body` and read the whole answer. Raises as `post`."""
        async with self.post(vendor, url, body) as response:
            return await response.read()

    @asynccontextmanager
    async def post(self, vendor: Vendor, url: URL, body: bytes, *, stream: bool = False) -> AsyncGenerator[Response]:
        """Send `body`; the answer's body is read inside the block, and leaving it early closes the connection.

        A stream has limits on its first byte and between bytes. A plain
        answer's first byte comes when all of it is written, minutes later for
        a long one, so only the total limits it.

        Raises:
            UnavailableError: the transport is not open.
            UpstreamTimeoutError: a limit passed before the answer's headers; `UpstreamStalledError` after them.
            UpstreamUnreachableError: no connection, or one that ended before the answer's headers.
            UpstreamBrokenOffError: a connection that ended amid the answer.
            GatewayError: another status than 200, as the vendor's `error_of_answer` reads it.
        """
        if self._session is None:
            raise UnavailableError
        first_byte_s = self._settings.upstream_first_byte_timeout_s if stream else None
        idle_s = self._settings.upstream_idle_timeout_s if stream else None
        headers = vendor.stream_headers if stream else vendor.headers
        raw = await _send(self._session, url, headers, body, first_byte_s)
        response = Response(raw, first_byte_s, idle_s)
        try:
            if raw.status != 200:
                raise await _refusal(vendor, response)
            yield response
        finally:
            response.release()


async def _send(
    session: aiohttp.ClientSession, url: URL, headers: Mapping[str, str], body: bytes, first_byte_s: float | None
) -> aiohttp.ClientResponse:
    failure: GatewayError
    # aiohttp writes bytes at once, and a stream in pieces between which other calls get their turn.
    data = BytesIO(body) if len(body) > _LARGE_BODY_BYTES else body
    try:
        async with asyncio.timeout(first_byte_s):
            return await session.post(url, data=data, headers=headers, allow_redirects=False)
    except TimeoutError:
        failure = UpstreamTimeoutError()
    except (aiohttp.ClientError, OSError):
        failure = UpstreamUnreachableError()
    _log.warning("upstream_unreachable", host=url.host, error_code=failure.code)
    raise failure


async def _refusal(vendor: Vendor, response: Response) -> GatewayError:
    request_id = response.headers.get(vendor.request_id_header, "")
    _log.warning(
        "upstream_refused",
        vendor=vendor.name,
        status=response.status,
        vendor_request_id=request_id if _ID.fullmatch(request_id) else None,
    )
    return vendor.error_of_answer(response.status, response.headers, await response.read_error())

"""Connections to the public Internet and nowhere else.

What is checked is what is connected to: the addresses that a lookup gave are
filtered, the connection is made to one of those numbers, and the socket is made
by a factory that looks at the number once more. There is no second lookup that
could be answered otherwise.
"""

import asyncio
import socket
import ssl
from types import SimpleNamespace

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from gateway.outside.addresses import is_public, parse
from gateway.outside.bounded import MOST_BYTES, BoundedConnector
from gateway.outside.lookup import Lookup, NotPublicError, find_addresses

# Below the five seconds after which common receivers close an idle connection, so that few are written to too late.
_KEEPALIVE_S = 4.0
_DNS_CACHE_S = 10
_READ_AHEAD_BYTES = 16 * 1024
_LONGEST_HEADER = 8 * 1024
_MOST_HEADERS = 100


class Connections:
    """HTTP connections that are kept and shared. Open it in the loop that uses it.

    None is used for longer than `renew_s`: a name that moved is followed, however busy its old address is kept. One
    that brings more than `most_bytes` for a request is cut.
    """

    def __init__(
        self,
        lookup: Lookup,
        tls: ssl.SSLContext,
        *,
        allow_private: bool,
        renew_s: float,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._lookup = lookup
        self._tls = tls
        self._allow_private = allow_private
        self._renew_s = renew_s
        self._most_bytes = most_bytes
        self._session: aiohttp.ClientSession | None = None
        self._retired: aiohttp.ClientSession | None = None
        self._renewed_at = 0.0

    async def session(self) -> aiohttp.ClientSession:
        """The one to send with now."""
        now = asyncio.get_running_loop().time()
        if self._session is None or now - self._renewed_at >= self._renew_s:
            ended, self._retired, self._session = self._retired, self._session, self._opened()
            self._renewed_at = now
            # Whatever it was sending ended long ago: tries are shorter than sessions.
            if ended is not None:
                await ended.close()
        return self._session

    async def close(self) -> None:
        """Close every connection. Safe to call twice."""
        sessions, self._session, self._retired = (self._session, self._retired), None, None
        for session in sessions:
            if session is not None:
                await session.close()

    def _opened(self) -> aiohttp.ClientSession:
        connector = BoundedConnector(
            most_bytes=self._most_bytes,
            resolver=_Resolver(self._lookup, allow_private=self._allow_private),
            socket_factory=self._socket,
            ssl=self._tls,
            limit=0,  # how many at once is decided by endpoint, before
            keepalive_timeout=_KEEPALIVE_S,
            ttl_dns_cache=_DNS_CACHE_S,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            trust_env=False,  # no proxy, no .netrc
            auto_decompress=False,
            read_bufsize=_READ_AHEAD_BYTES,
            max_line_size=_LONGEST_HEADER,
            max_field_size=_LONGEST_HEADER,
            max_headers=_MOST_HEADERS,
            trace_configs=[_reuse_noted()],
        )

    def _socket(self, found: tuple[int, int, int, str, tuple[object, ...]]) -> socket.socket:
        family, kind, protocol, _, sockaddr = found
        address = parse(str(sockaddr[0]))
        if not self._allow_private and (address is None or not is_public(address)):
            raise NotPublicError
        return socket.socket(family, kind, protocol)


class Trial:
    """Whether a request went over a connection that earlier ones had used."""

    __slots__ = ("is_reused",)

    def __init__(self) -> None:
        self.is_reused = False


def _reuse_noted() -> aiohttp.TraceConfig:
    async def note(
        _session: aiohttp.ClientSession, context: SimpleNamespace, _params: aiohttp.TraceConnectionReuseconnParams
    ) -> None:
        if context.trace_request_ctx is not None:
            context.trace_request_ctx.is_reused = True

    config = aiohttp.TraceConfig()
    config.on_connection_reuseconn.append(note)
    return config


class _Resolver(AbstractResolver):
    """Leaves out what is not public, and fails when that is all there is."""

    def __init__(self, lookup: Lookup, *, allow_private: bool) -> None:
        self._lookup = lookup
        self._allow_private = allow_private

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 - the connector's own, which is any
    ) -> list[ResolveResult]:
        allowed = await find_addresses(host, self._lookup, allow_private=self._allow_private)
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in allowed
        ]

    async def close(self) -> None:
        """Nothing is held."""

"""Pages of the public Internet, read for whoever named them: every hop is judged as the first was."""

import asyncio
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
from yarl import URL

from gateway.outside.connections import Connections
from gateway.outside.lookup import Lookup
from gateway.outside.target import TargetError, read_target
from gateway.tls import verified_tls

MOST_BYTES = 4 * 1024 * 1024
"""Of a page, as it comes and unpacked; the rest is left."""

_USER_AGENT = "Hasp-Fetch/1.0"
_MOST_HOPS = 5
_RENEW_S = 60.0
_MOVED = frozenset({301, 302, 303, 307, 308})
_PACKED: Mapping[str, int] = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


class UnreadError(Exception):
    """Why nothing was read. Its text is ours and quotes nothing."""


@dataclass(frozen=True, slots=True)
class Page:
    """`url` is where it was at last; `media_type` without parameters, in lower case."""

    url: str
    status: int
    media_type: str
    charset: str | None
    body: bytes
    is_cut: bool


class PublicReader:
    """One for a process, in the loop that opened it. Sends no cookie, no credential and no referrer; keeps nothing."""

    def __init__(
        self, lookup: Lookup, *, allow_private: bool = False, tls: ssl.SSLContext | None = None, most: int = MOST_BYTES
    ) -> None:
        """`allow_private` is for local development: any host, also by `http`."""
        self._allow_private = allow_private
        self._most = most
        self._connections = Connections(
            lookup,
            tls or verified_tls(),
            allow_private=allow_private,
            renew_s=_RENEW_S,
            most_bytes=most + 1024 * 1024,
        )

    async def close(self) -> None:
        """Close every connection. Safe to call twice."""
        await self._connections.close()

    async def get(self, url: str, *, timeout_s: float) -> Page:
        """The page at `url`, after five redirects at most, within `timeout_s` in all. Raises `UnreadError`."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._followed(url.partition("#")[0])
        except TargetError as refused:
            raise UnreadError(f"The URL {refused}.") from None
        except TimeoutError:
            raise UnreadError("The server took too long.") from None
        except (aiohttp.ClientError, OSError, ValueError):
            raise UnreadError("The server could not be reached, or did not speak HTTP.") from None

    async def _followed(self, url: str) -> Page:
        for _ in range(_MOST_HOPS + 1):
            target = read_target(url, allow_private=self._allow_private)
            session = await self._connections.session()
            headers = {"accept": "text/html, text/*, application/json;q=0.9", "accept-encoding": "gzip"}
            async with session.get(
                target.url, headers={**headers, "user-agent": _USER_AGENT}, allow_redirects=False
            ) as response:
                where = response.headers.get("location")
                if response.status not in _MOVED or where is None:
                    return await self._read(target.url, response)
                url = str(target.url.join(URL(where))).partition("#")[0]
        raise UnreadError("The server redirects too often.")

    async def _read(self, url: URL, response: aiohttp.ClientResponse) -> Page:
        pieces: list[bytes] = []
        unpacking = _Unpacking(response.headers.get("content-encoding", "identity"), self._most)
        while not unpacking.is_full and (piece := await response.content.readany()):
            pieces.append(unpacking.add(piece))
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        return Page(str(url), response.status, media_type, response.charset, b"".join(pieces), unpacking.is_full)


class _Unpacking:
    """A body as it comes, packed or not, up to `most` bytes of what it unpacks to."""

    def __init__(self, encoding: str, most: int) -> None:
        name = encoding.strip().lower()
        if name not in ("identity", "", *_PACKED):
            raise UnreadError("The server packs what it says in a way that is not read here.")
        self._left = most
        self._unpack = zlib.decompressobj(_PACKED[name]) if name in _PACKED else None

    @property
    def is_full(self) -> bool:
        return self._left <= 0

    def add(self, piece: bytes) -> bytes:
        if self._unpack is not None:
            try:
                piece = self._unpack.decompress(piece, self._left)
            except zlib.error:
                raise UnreadError("What the server packed cannot be unpacked.") from None
        piece = piece[: self._left]
        self._left -= len(piece)
        return piece

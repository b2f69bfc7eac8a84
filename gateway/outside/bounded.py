"""Connections that hang up on a receiver who says more than an answer needs, asked or not.

What flows through a body waits until it is read. Heads do not wait: they are parsed as they come, also those
that nobody asked for on a connection that is kept for later, until there is no memory left.
"""

import asyncio
import functools
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

MOST_BYTES = 1024 * 1024
"""Of everything that comes for one request: a head as large as it may be, and what is read ahead of a body."""
MOST_HEADS = 16
"""Waiting to be looked at: an answer, and such as `103 Early Hints` before it."""
_PIECE_BYTES = 8 * 1024
"""Parsed at once: a quarter of a megabyte of small heads would hold everybody up while it is."""


class BoundedConnector(aiohttp.TCPConnector):
    """Its connections serve one answer for each request, and not much beside it."""

    def __init__(self, *, most_bytes: int = MOST_BYTES, **options: Any) -> None:  # noqa: ANN401 - the base's
        super().__init__(**options)  # pyright: ignore[reportUnknownMemberType]
        self._factory = functools.partial(_Bounded, loop=self._loop, most_bytes=most_bytes)


class _Bounded(ResponseHandler):
    def __init__(self, loop: asyncio.AbstractEventLoop, most_bytes: int) -> None:
        super().__init__(loop)
        self._most_bytes = most_bytes
        self._came = 0

    def set_response_params(self, **parameters: Any) -> None:  # noqa: ANN401 - the base's
        """Of the next request."""
        self._came = 0
        super().set_response_params(**parameters)

    def data_received(self, data: bytes) -> None:
        self._came += len(data)
        if self._came > self._most_bytes:
            self._hang_up()
            return
        for start in range(0, max(1, len(data)), _PIECE_BYTES):  # nothing is something: it resumes what waited
            super().data_received(data[start : start + _PIECE_BYTES])
            if len(self) > MOST_HEADS:
                self._hang_up()
            if self.exception() is not None:
                return

    def _hang_up(self) -> None:
        while len(self) > 1:  # the first may be an answer that was asked for
            self._buffer.pop()
        self.set_exception(aiohttp.ClientPayloadError("more than one answer"))
        if self.transport is not None:
            self.transport.abort()

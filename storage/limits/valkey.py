"""Buckets in Valkey: one script a draw, through the connections of the library `limits`.

The library's own strategies count whole windows of one limit; the script
draws from several buckets, from all or from none, exactly as the function
`hasp_draw` does in PostgreSQL. All keys of a draw are of one organisation,
whose id is their hash tag, so a cluster keeps them in one place.
"""

import asyncio
from contextlib import suppress
from importlib.resources import files
from typing import Any, cast

from limits.errors import ConfigurationError
from limits.storage import storage_from_string

from gateway.clock import Clock
from gateway.errors import UnavailableError
from gateway.limits.buckets import GRAINS, Draw, Drawn
from storage.limits.moment import microseconds

_SCRIPT = files("storage.limits").joinpath("draw.lua").read_text("utf-8")
_PREFIX = "hasp:rate:"
_MOST_AT_ONCE = 64
"""Connections of one process."""
_WAIT_S = 2.0


class ValkeyUrlError(Exception):
    """The URL cannot be used; never says what it is, since it may hold a password."""


class ValkeyBuckets:
    """Implements `gateway.limits.buckets.Buckets`. `clock` is the server's own unless one is given.

    Raises `ValkeyUrlError`. Connects with the first draw, so that a process starts without the server.
    """

    def __init__(self, url: str, *, clock: Clock | None = None) -> None:
        self._clock = clock
        try:
            storage: Any = storage_from_string(f"async+{url}", socket_timeout=_WAIT_S, socket_connect_timeout=_WAIT_S)
        except (ConfigurationError, ValueError):
            raise ValkeyUrlError from None
        self._failures = (*_as_tuple(storage.base_exceptions), OSError, TimeoutError)
        self._client: Any = storage.bridge.get_connection()
        self._script: Any = self._client.register_script(_SCRIPT)
        self._room = asyncio.Semaphore(_MOST_AT_ONCE)

    async def draw(self, draw: Draw) -> Drawn:
        keys = [f"{_PREFIX}{{{bucket.org}}}:{bucket.key}" for bucket in draw.buckets]
        arguments: list[int] = [-1 if self._clock is None else microseconds(self._clock), int(draw.forced)]
        for bucket, cost in zip(draw.buckets, draw.costs, strict=True):
            arguments += [bucket.limit, int(bucket.is_daily), cost * GRAINS]
        try:
            async with asyncio.timeout(_WAIT_S), self._room:
                fits, at, *used = cast("list[int]", await self._script(keys, arguments))
        except self._failures as error:
            raise UnavailableError from error
        return Drawn(bool(int(fits)), int(at), tuple(map(int, used)))

    async def close(self) -> None:
        with suppress(*self._failures):
            await self._client.aclose()


def _as_tuple(kinds: type[Exception] | tuple[type[Exception], ...]) -> tuple[type[Exception], ...]:
    return kinds if isinstance(kinds, tuple) else (kinds,)

"""Buckets in Valkey: one script for all that an organisation's callers draw at once, over the library `limits`.

The library's own strategies count windows of one limit each; the script draws
from several buckets, from all or from none, exactly as the function
`hasp_draw` does in PostgreSQL. All keys of an organisation have its id as
their hash tag, so a cluster keeps them in one place.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from importlib.resources import files
from typing import Any, cast

from limits.errors import ConfigurationError
from limits.storage import storage_from_string

from gateway.clock import Clock
from gateway.errors import UnavailableError
from gateway.ids import OrganizationId
from gateway.limits.buckets import GRAINS, Draw, Drawn
from storage.group_commit import GroupCommit
from storage.limits.grouped import grouped
from storage.limits.moment import microseconds

_SCRIPT = files("storage.limits").joinpath("draw.lua").read_text("utf-8")
_PREFIX = "hasp:rate:"
_WAIT_S = 2.0
_SHUT_S = 1.0
"""For how long a server that did not answer in time is not asked: who queued behind that wait need not wait as well."""


class ValkeyUrlError(Exception):
    """The URL cannot be used; never says what it is, since it may hold a password."""


class ValkeyBuckets:
    """Implements `gateway.limits.buckets.Buckets`. `clock` is the server's own unless one is given.

    Connects with the first draw, so that a process starts without the server. Raises `ValkeyUrlError`.
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
        self._drawing: GroupCommit[Draw, Drawn] | None = None
        self._shut_until = float("-inf")

    async def draw(self, draw: Draw) -> Drawn:
        if self._drawing is None:
            self._drawing = GroupCommit(self._draw_group)
        return await self._drawing.submit(draw)

    async def close(self) -> None:
        if self._drawing is not None:
            await self._drawing.close()
        with suppress(*self._failures):
            await self._client.aclose()

    async def _draw_group(self, draws: Sequence[Draw]) -> Sequence[Drawn | Exception]:
        of_each: defaultdict[OrganizationId, list[int]] = defaultdict(list)
        for number, draw in enumerate(draws):
            of_each[draw.buckets[0].org].append(number)
        answers = await asyncio.gather(
            *(self._run_apart([draws[number] for number in numbers]) for numbers in of_each.values())
        )
        drawn = {
            number: each
            for numbers, answer in zip(of_each.values(), answers, strict=True)
            for number, each in zip(numbers, answer, strict=True)
        }
        return [drawn[number] for number in range(len(draws))]

    async def _run_apart(self, draws: Sequence[Draw]) -> Sequence[Drawn | Exception]:
        """All of one organisation; what fails for it fails for no other that drew at once."""
        asked_at = time.monotonic()
        if asked_at < self._shut_until:
            return [UnavailableError() for _ in draws]
        try:
            return await self._run(draws)
        except UnavailableError:
            failed_at = time.monotonic()
            if failed_at - asked_at >= _WAIT_S / 2:
                self._shut_until = failed_at + _SHUT_S
            return [UnavailableError() for _ in draws]

    async def _run(self, draws: Sequence[Draw]) -> list[Drawn]:
        group = grouped(draws)
        arguments = [-1 if self._clock is None else microseconds(self._clock)]
        for bucket in group.buckets:
            arguments += [bucket.limit, int(bucket.is_daily)]
        for draw in draws:
            arguments += [int(draw.forced), len(draw.buckets)]
            for bucket, cost in zip(draw.buckets, draw.costs, strict=True):
                arguments += [group.places[bucket.key], cost * GRAINS]
        keys = [f"{_PREFIX}{{{bucket.org}}}:{bucket.key}" for bucket in group.buckets]
        try:
            async with asyncio.timeout(_WAIT_S):
                at, *told = map(int, cast("list[int]", await self._script(keys, arguments)))
        except self._failures as error:
            raise UnavailableError from error
        answers = iter(told)
        return [Drawn(bool(next(answers)), at, tuple(next(answers) for _ in draw.buckets)) for draw in draws]


def _as_tuple(kinds: type[Exception] | tuple[type[Exception], ...]) -> tuple[type[Exception], ...]:
    return kinds if isinstance(kinds, tuple) else (kinds,)

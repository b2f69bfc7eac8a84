"""Work that grows with a request, kept from stalling everyone else's."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_FELT_ABOVE = 1_000
"""Findings, or texts, that take about 10 ms: what a stream of another request may wait without anyone noticing."""


async def aside(size: int, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """`work` over `size` things: at once when they are few; when many, on a thread that takes turns with the loop."""
    if size <= _FELT_ABOVE:
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)

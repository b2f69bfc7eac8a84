"""Work on findings that grows with their number, kept from stalling everyone else's requests."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_FELT_ABOVE = 2_000
"""Findings that take about 20 ms: what a stream of another request may wait without anyone noticing."""


async def aside(size: int, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """`work` over `size` findings: at once when they are few; when many, on a thread that takes turns with the loop."""
    if size <= _FELT_ABOVE:
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)

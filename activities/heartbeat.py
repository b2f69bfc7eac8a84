"""Beats for as long as something lasts, so that a worker that died over it is noticed soon."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from temporalio import activity

_BEAT_S = 5.0


@asynccontextmanager
async def beating() -> AsyncGenerator[None]:
    """Beat every few seconds for the length of the block, which must leave the event loop its turns."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(_BEAT_S)
            activity.heartbeat()

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()

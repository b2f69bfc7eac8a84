"""The other end of a connection: whether it is still there, and how to hang up on it."""

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from sandbox.wire import Receive, Send

_LONGEST_SILENCE_S = 120
# On, for no time: closing sends a reset instead of a farewell.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Caller:
    """Made by `watched`."""

    def __init__(self, send: Send, left: asyncio.Future[None]) -> None:
        self.send = send
        self._left = left

    @property
    def has_left(self) -> bool:
        return self._left.done()

    async def leaves_within(self, milliseconds: int) -> bool:
        """Wait that long, or until it leaves."""
        if milliseconds:
            await asyncio.wait({self._left}, timeout=milliseconds / 1000)
        return self.has_left

    async def hear_nothing(self) -> bool:
        """Keep it waiting until it leaves, which is True, or for two minutes."""
        return await self.leaves_within(_LONGEST_SILENCE_S * 1000)

    async def reset(self) -> None:
        """Close its connection at once, so that it reads a reset; nothing when it left already.

        Raises:
            RuntimeError: the server is not one that shows its connection (uvicorn does, as its `send`'s own).
        """
        if self.has_left:
            return
        cycle: Any = getattr(self.send, "__self__", None)
        transport: asyncio.Transport | None = getattr(cycle, "transport", None)
        if transport is None:
            raise RuntimeError("this server does not let the sandbox reset connections")
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
        # The server must see it gone before the application returns, or it would try to answer for it.
        await self._left


@asynccontextmanager
async def watched(receive: Receive, send: Send) -> AsyncGenerator[Caller]:
    """The caller of a request whose body has been read."""
    watch = asyncio.ensure_future(_until_it_leaves(receive))
    try:
        yield Caller(send, watch)
    finally:
        watch.cancel()


async def _until_it_leaves(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

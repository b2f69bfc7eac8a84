"""Names to addresses, in threads of their own: no name server that hangs may hold up anything else."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from gateway.webhooks.addresses import Address, is_public, parse

Lookup = Callable[[str], Awaitable[Sequence[Address]]]
"""All addresses of a name. Raises `OSError` when there is none, or nobody who could tell."""

_THREADS = 64


class NotPublicError(OSError):
    """A name leads nowhere but to addresses that are not public."""


async def find_addresses(name: str, lookup: Lookup, *, allow_private: bool = False) -> list[Address]:
    """Where `name` may be connected to: its public addresses, whatever others there are beside them.

    Raises `NotPublicError` when there are only others, and `OSError` as `lookup` does.
    """
    found = await lookup(name)
    if not found:
        raise OSError("no address")
    allowed = [address for address in found if allow_private or is_public(address)]
    if not allowed:
        raise NotPublicError
    return allowed


class SystemLookup:
    """As this machine resolves names: hosts file, search list and all."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="webhook-lookup")

    async def __call__(self, name: str) -> Sequence[Address]:
        return await asyncio.get_running_loop().run_in_executor(self._threads, _addresses, name)

    def close(self) -> None:
        """Wait for nothing. Safe to call twice."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _addresses(name: str) -> list[Address]:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise OSError("no name") from None
    texts = dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found)
    return [address for text in texts if (address := parse(text)) is not None]

"""Names to addresses, in threads of their own: no name server that hangs may hold up anything else."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from gateway.outside.addresses import Address, is_public, parse

Lookup = Callable[[str], Awaitable[Sequence[Address]]]
"""All addresses of a name. Raises `OSError` when there is none, or nobody who could tell."""

_THREADS = 32
_MOST_REMEMBERED = 10_000


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
    """As this machine resolves names: hosts file, search list and all. `resolve` may take its time.

    Names that were answered when they were last asked for have threads to themselves. Anybody can have names whose
    servers hang; those who have them wait for each other.
    """

    def __init__(self, resolve: Callable[[str], Sequence[Address]] | None = None) -> None:
        self._resolve = resolve or _addresses
        self._known = ThreadPoolExecutor(_THREADS, thread_name_prefix="outside-lookup")
        self._strange = ThreadPoolExecutor(_THREADS, thread_name_prefix="outside-first-lookup")
        self._answered: dict[str, None] = {}

    async def __call__(self, name: str) -> Sequence[Address]:
        threads = self._known if name in self._answered else self._strange
        self._answered.pop(name, None)
        found = await asyncio.get_running_loop().run_in_executor(threads, self._resolve, name)
        if len(self._answered) >= _MOST_REMEMBERED:
            del self._answered[next(iter(self._answered))]
        self._answered[name] = None
        return found

    def close(self) -> None:
        """Wait for nothing. Safe to call twice."""
        for threads in (self._known, self._strange):
            threads.shutdown(wait=False, cancel_futures=True)


def _addresses(name: str) -> list[Address]:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise OSError("no name") from None
    texts = dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found)
    return [address for text in texts if (address := parse(text)) is not None]

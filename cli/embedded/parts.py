"""A part of the stack, as data, and the ways to see that one is ready."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import TypeAlias

Probe: TypeAlias = Callable[[int], Awaitable[bool]]
"""Is the part with this pid ready? Called every few milliseconds; must not raise for "not yet"."""

PROBE_LIMIT_S = 2.0


@dataclass(frozen=True, slots=True)
class Part:
    """A process to run. With `ready` it is a service, kept alive; without, a job that must end with exit code 0.

    `before` runs first at every start, so it must be safe to repeat. `env` is the whole environment.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    ready: Probe | None = None
    needs: tuple[str, ...] = ()
    before: Callable[[], Awaitable[None]] | None = None
    unroot: bool = False
    stop_signal: signal.Signals = signal.SIGTERM
    ready_within_s: float = 60.0
    stops_within_s: float = 40.0


def answers(host: str, port: int, path: str) -> Probe:
    """Ready when `GET path` is answered with status 200."""

    async def probe(_pid: int) -> bool:
        try:
            async with asyncio.timeout(PROBE_LIMIT_S):
                return await _status(host, port, path) == b"200"
        except (OSError, TimeoutError):
            return False

    return probe


async def _status(host: str, port: int, path: str) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    with closing(writer):
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        status_line = await reader.readline()
    return status_line[9:12]

"""The load generator, a process of its own: `python -m bench.load` takes jobs and gives tallies, a JSON line each.

Raw sockets and just enough HTTP/1.1 for servers we know: it has to cost far
less than what it measures. A closed loop: every connection has one request
under way and sends the next when the answer is complete.
"""

import asyncio
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import orjson
import uvloop

from bench.workloads import WORKLOADS

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_STRAGGLERS_S = 15.0


@dataclass(frozen=True, slots=True)
class Job:
    """`seconds` is how long new requests are sent; those under way are waited for."""

    url: str
    headers: dict[str, str]
    workload: str
    stream: bool
    concurrency: int
    seconds: float
    seed: int


@dataclass(slots=True)
class Tally:
    """What one job saw. Times in milliseconds, `wall_s` and `cpu_s` of the generator in seconds."""

    latencies: list[float] = field(default_factory=list[float])
    first_tokens: list[float] = field(default_factory=list[float])
    """From the request to the first text delta, of streams."""
    longest_gap: float = 0.0
    """Between two pieces of one stream."""
    errors: dict[str, int] = field(default_factory=dict[str, int])
    wall_s: float = 0.0
    cpu_s: float = 0.0


class _Run:
    """One job under way, shared by its connections."""

    def __init__(self, job: Job) -> None:
        parts = urlsplit(job.url)
        self.stream = job.stream
        self._loop = asyncio.get_running_loop()
        self._opened = 0
        self._pause_s = WORKLOADS[job.workload].spread_s / job.concurrency
        self.tally = Tally()
        self.errors: Counter[str] = Counter()
        self.host, self.port = parts.hostname or "", parts.port or 80
        headers = {"host": parts.netloc, "content-type": "application/json", **job.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._head = f"POST {parts.path} HTTP/1.1\r\n{lines}content-length: ".encode()
        self._bodies: Iterator[bytes] = WORKLOADS[job.workload].bodies(job.seed, stream=job.stream)
        self._until = time.perf_counter() + job.seconds

    def start(self, send: Callable[[], None]) -> None:
        """Call `send` when it is this connection's turn."""
        self._loop.call_later(self._opened * self._pause_s, send)
        self._opened += 1

    def next_request(self) -> bytes | None:
        """None once the time is over."""
        if time.perf_counter() >= self._until:
            return None
        body = next(self._bodies)
        return b"%b%d\r\n\r\n%b" % (self._head, len(body), body)


class _Connection(asyncio.Protocol):
    """One client. `over` is done when it has sent its last request and has the answer, or has failed."""

    def __init__(self, run: _Run, over: "asyncio.Future[None]") -> None:
        self._run = run
        self._over = over
        self._transport: asyncio.Transport
        self._buffer = bytearray()
        self._sent_at = 0.0
        self._heard_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own does not inherit
        self._run.start(self._send)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        self._buffer += data
        if self._run.stream:
            self._note_piece(now)
        if _is_complete(self._buffer):
            self._settle(now)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if not self._over.done():
            self._run.errors["connection lost"] += 1
            self._over.set_result(None)

    def _send(self) -> None:
        request = self._run.next_request()
        if request is None:
            self._over.set_result(None)
            self._transport.close()
            return
        self._buffer.clear()
        self._heard_at = 0.0
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def _note_piece(self, now: float) -> None:
        if self._heard_at:
            self._run.tally.longest_gap = max(self._run.tally.longest_gap, (now - self._heard_at) * 1000)
            self._heard_at = now
        elif b"content_block_delta" in self._buffer:
            self._run.tally.first_tokens.append((now - self._sent_at) * 1000)
            self._heard_at = now

    def _settle(self, now: float) -> None:
        if failure := _failure(self._buffer, stream=self._run.stream):
            self._run.errors[failure] += 1
        else:
            self._run.tally.latencies.append((now - self._sent_at) * 1000)
        self._send()


def _is_complete(answer: bytearray) -> bool:
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return False
    if length := _LENGTH.search(answer, 0, end):
        return len(answer) >= end + 4 + int(length[1])
    return answer.endswith(b"0\r\n\r\n")


def _failure(answer: bytearray, *, stream: bool) -> str | None:
    """Why an answer does not count; never a word of what it said."""
    if not answer.startswith(b"200", 9):
        return f"status {answer[9:12].decode('ascii', 'replace')}"
    whole = b'"type":"message_stop"' if stream else b'"stop_reason":"end_turn"'
    return None if whole in answer else "incomplete answer"


async def perform(job: Job) -> Tally:
    loop = asyncio.get_running_loop()
    run = _Run(job)
    began, cpu = time.perf_counter(), time.process_time()
    ends = [loop.create_future() for _ in range(job.concurrency)]
    await asyncio.gather(
        *(loop.create_connection(lambda end=end: _Connection(run, end), run.host, run.port) for end in ends)
    )
    _, late = await asyncio.wait(ends, timeout=job.seconds + _STRAGGLERS_S)
    for end in late:
        run.errors["no answer"] += 1
        end.cancel()
    run.tally.errors = dict(run.errors)
    run.tally.wall_s, run.tally.cpu_s = time.perf_counter() - began, time.process_time() - cpu
    return run.tally


def main() -> None:
    for line in sys.stdin.buffer:
        tally = uvloop.run(perform(Job(**orjson.loads(line))))
        sys.stdout.buffer.write(orjson.dumps(tally) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()

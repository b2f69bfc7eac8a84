"""`python -m bench.webhooks`: how fast events reach those who asked for them, and what a delivery costs.

First events are published at a steady rate, and each delivery is timed from the commit's own clock to its receipt.
Then as many as there are are published at once, and drained. Dispatcher and receiver are processes of their own;
Temporal takes no part in a delivery that goes well, and none runs.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson
from temporalio.testing import ActivityEnvironment

from activities.webhook_delivery import Retries
from activities.webhook_dispatch import ShardShift, WebhookDispatchActivities
from activities.webhook_tries import Tries
from bench.database import STATE, Ground, database, settings_of
from bench.measurement import percentile
from bench.processes import cpu_ms, spent_ms, tree
from cli.embedded.ports import LOOPBACK
from gateway.clock import SystemClock
from gateway.ids import OrganizationId, new_ulid
from gateway.webhooks.sender import Sender
from storage import Storage
from storage.migrate import migrate
from storage.onboarding import create_organization
from storage.pool import fetch
from storage.webhooks.acts import tell_created

_TICK_S: Final = 0.01
_PUBLISH: Final = """
insert into outbox (id, org_id, type, data, created_at)
select id, %(org)s, 'ai.request.completed', '{"request_id": "req_01K0B6W4M7RT2V9YQ3X5ZC8D1E",
  "model": "claude-sonnet-4-6", "status": "completed", "input_tokens": 18, "output_tokens": 74, "credits": 92}', %(at)s
from unnest(%(ids)s::text[]) as e(id)
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """Waits in ms from publishing to receipt; processor time in ms for each delivery."""

    steady: list[float]
    drained: list[float]
    drained_s: float
    dispatcher_cpu: float
    postgres_cpu: float
    """Of those at once, publishing them included."""
    received: int
    distinct: int


async def measure(*, events: int, endpoints: int, rate: int, seconds: float) -> Measured:
    STATE.mkdir(mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=STATE) as folder:
        async with database(Path(folder)) as ground:
            settings = settings_of(ground.environment)
            await asyncio.to_thread(migrate, settings)
            storage = await Storage.open(settings)
            try:
                return await _measure(storage, ground, events, endpoints, rate, seconds)
            finally:
                await storage.close()


async def _measure(
    storage: Storage, ground: Ground, events: int, endpoints: int, rate: int, seconds: float
) -> Measured:
    environment = ground.environment
    org = await create_organization(storage, name="Benchmark hospital", credits_allotment=0)
    async with _process(environment, "--receive") as receiver:
        port = int(await _line(receiver))
        await _make_endpoints(storage, org, port, endpoints)
        async with _process(environment, "--dispatch") as dispatcher:
            await _line(dispatcher)
            published = await _publish_steadily(storage, org, rate, seconds)
            await _settled(storage)
            began, spent = time.perf_counter(), cpu_ms(tree(ground.postgres))
            for at in range(0, events, 1000):
                published += await _publish(storage, org, min(1000, events - at))
            await _settled(storage)
            drained_s = time.perf_counter() - began
            postgres_ms = spent_ms(spent, cpu_ms(tree(ground.postgres)))
            cpu_s = float(await _ended(dispatcher))
        waits, distinct = orjson.loads(await _ended(receiver))
    steady = round(rate * seconds) * endpoints
    return Measured(
        waits[:steady],
        waits[steady:],
        drained_s,
        cpu_s * 1000 / len(waits),
        postgres_ms / max(1, len(waits) - steady),
        len(waits),
        distinct,
    )


async def _make_endpoints(storage: Storage, org: OrganizationId, port: int, count: int) -> None:
    async with storage.as_operator(org, command="bench") as tx:
        for _ in range(count):
            endpoint, _ = await tx.webhooks.add(url=f"http://{LOOPBACK}:{port}/hook", events=("ai.request.completed",))
            tell_created(tx, endpoint)


async def _publish_steadily(storage: Storage, org: OrganizationId, rate: int, seconds: float) -> int:
    began, published = time.perf_counter(), 0
    while published < round(rate * seconds):
        due = min(round(rate * (time.perf_counter() - began)), round(rate * seconds))
        # Each event in a transaction of its own, as calls write them.
        for _ in range(published, due):
            await _publish(storage, org, 1)
        published = max(published, due)
        await asyncio.sleep(_TICK_S)
    return published


async def _publish(storage: Storage, org: OrganizationId, count: int) -> int:
    ids = sorted(new_ulid() for _ in range(count))
    await fetch(storage.pool, _PUBLISH, {"org": org, "ids": ids, "at": datetime.now(UTC)})
    return count


async def _settled(storage: Storage) -> None:
    while await fetch(storage.pool, "select 1 from webhook_deliveries where state = 'pending' limit 1"):  # noqa: ASYNC110
        await asyncio.sleep(0.05)  # another process tells no event


async def dispatch() -> None:
    """A process of its own, as a worker is: delivers until it is told to end, and prints its processor seconds."""
    settings = settings_of(os.environ)
    storage, clock, sender = await Storage.open(settings), SystemClock(), Sender(allow_private=True)
    activities = WebhookDispatchActivities(
        storage.pool,
        storage.cipher,
        clock,
        Tries(sender, storage.cipher, clock),
        _NoWorkflows(),
        database_url=str(settings.database_url),
        waits_s=settings.webhook_ladder,
        shards=1,
    )
    environment = ActivityEnvironment()
    working = asyncio.create_task(environment.run(activities.dispatch, ShardShift(0, seconds=3600)))
    began = time.process_time()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    print(time.process_time() - began, flush=True)
    environment.worker_shutdown()
    await working
    await sender.close()
    await storage.close()


class _NoWorkflows:
    async def start(self, retries: Retries) -> None:
        raise RuntimeError(f"a delivery failed, after {retries.tried} tries")


class Receipts(asyncio.Protocol):
    """The least that is HTTP: answers 200 to each request, and notes when it came."""

    def __init__(self, waits: list[float], seen: set[bytes]) -> None:
        self._waits = waits
        self._seen = seen
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            headers = dict(line.lower().split(b": ", 1) for line in self._buffer[:end].split(b"\r\n")[1:])
            until = end + 4 + int(headers[b"content-length"])
            if len(self._buffer) < until:
                return
            told = orjson.loads(self._buffer[end + 4 : until])
            self._buffer = self._buffer[until:]
            waited = datetime.now(UTC) - datetime.fromisoformat(told["timestamp"])
            self._waits.append(waited.total_seconds() * 1000)
            self._seen.add(headers[b"webhook-id"])
            if self._transport is not None:
                self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")


async def receive() -> None:
    waits, seen = list[float](), set[bytes]()
    server = await asyncio.get_running_loop().create_server(lambda: Receipts(waits, seen), LOOPBACK, 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    print(orjson.dumps([waits, len(seen)]).decode(), flush=True)


@asynccontextmanager
async def _process(environment: Mapping[str, str], role: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HASP_")}
    searched = os.pathsep.join(filter(None, [environment["PYTHONPATH"], os.environ.get("PYTHONPATH")]))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.webhooks", role),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 26,
        env={**inherited, **environment, "PYTHONPATH": searched},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _line(process: asyncio.subprocess.Process) -> str:
    line = await process.stdout.readline() if process.stdout else b""
    if not line:
        raise RuntimeError("a process of the benchmark ended")
    return line.decode().strip()


async def _ended(process: asyncio.subprocess.Process) -> str:
    """Its last words, once it was told to end."""
    if process.stdin is not None:
        process.stdin.close()
    return await _line(process)


def report(measured: Measured, *, events: int, endpoints: int, rate: int) -> str:
    def waits(values: list[float]) -> str:
        p50, p99 = (percentile(values, of) for of in (50, 99))
        return f"p50 {p50:.0f}, p99 {p99:.0f}, most {max(values):.0f}"

    rate_at_once = events * endpoints / measured.drained_s
    return "\n".join(
        [
            f"{rate} events/s to {endpoints} endpoint(s), ms from publishing to receipt: {waits(measured.steady)}",
            f"{events} events at once: {rate_at_once:.0f} deliveries/s, published, made and settled",
            f"  in {measured.drained_s:.1f} s; ms from publishing to receipt: {waits(measured.drained)}",
            f"processor time a delivery: dispatcher {measured.dispatcher_cpu:.2f} ms, and of those at once",
            f"  PostgreSQL {measured.postgres_cpu:.2f} ms, publishing included",
            f"{measured.received} received, {measured.distinct} of them distinct",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.webhooks", description=__doc__)
    parser.add_argument("--events", type=int, default=20_000, help="published at once in the end")
    parser.add_argument("--endpoints", type=int, default=1)
    parser.add_argument("--rate", type=int, default=100, help="events a second before that")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--dispatch", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--receive", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.dispatch:
        return asyncio.run(dispatch())
    if options.receive:
        return asyncio.run(receive())
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    asked = measure(events=options.events, endpoints=options.endpoints, rate=options.rate, seconds=options.seconds)
    measured = asyncio.run(asked)
    print(report(measured, events=options.events, endpoints=options.endpoints, rate=options.rate))
    expected = (options.events + round(options.rate * options.seconds)) * options.endpoints
    return sys.exit(0 if measured.distinct == expected else "FAILED: not every delivery arrived")


if __name__ == "__main__":
    main()

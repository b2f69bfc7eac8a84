"""`python -m bench.audit`: how fast audit entries are sealed and signed, and how long one waits for its seal.

First a backlog is drained. Then five hundred writers, each with transactions of its own, write at a
steady rate while two sequencers compete; a seal counts from the end of its transaction. In the end every chain is
walked: a fork, a gap or a bad signature fails the run.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.database import STATE, database, settings_of
from bench.measurement import percentile
from gateway.clock import SystemClock
from gateway.ids import OrganizationId, new_ulid
from storage import Storage
from storage.audit_keys import signing_key
from storage.audit_verification import verify
from storage.migrate import migrate
from storage.onboarding import create_organization
from storage.pool import Pool, fetch, open_pool
from storage.sequencer import Sequencer

_CONNECTIONS: Final = 40
_ORGANIZATIONS: Final = 10
_TOGETHER: Final = 4
"""Entries of one transaction."""

_WRITE: Final = """
with written as (
  insert into audit_entries (id, org_id, action, entity_type, entity_id, actor, metadata, phi_disposition, created_at)
  select id, %(org)s, 'ai.request.completed', 'inference', id, 'key:01K0B6W4M7RT2V9YQ3X5ZC8D1E',
    '{"model": "claude-sonnet-4-6", "charge": 92, "entity_types": ["PERSON"]}', 'redacted_at_delivery',
    clock_timestamp()
  from unnest(%(ids)s::text[]) as w(id) returning id)
insert into audit_pending (entry_id) select id from written
"""

_WAITED: Final = "select e.created_at, s.sealed_at from audit_seals s join audit_entries e on e.id = s.entry_id"


@dataclass(slots=True)
class Measured:
    """`waits` are of each entry from its writing, by the database's clock, to the end of the transaction that sealed
    it, in ms. A writer's own queue for a connection is not in them: no sequencer can shorten it.
    """

    drained_per_s: float = 0.0
    written: int = 0
    wall_s: float = 0.0
    waits: list[float] = field(default_factory=list[float])
    unsealed: int = 0


async def measure(*, backlog: int, writers: int, rate: int, seconds: float) -> Measured:
    """Raises `RuntimeError` for a chain that does not hold."""
    STATE.mkdir(mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=STATE) as folder:
        async with database(Path(folder)) as ground:
            settings = settings_of(ground.environment)
            await asyncio.to_thread(migrate, settings)
            storage = await Storage.open(settings)
            try:
                return await _measure(storage, ground.environment, backlog, writers, rate, seconds)
            finally:
                await storage.close()


async def _measure(
    storage: Storage, environment: Mapping[str, str], backlog: int, writers: int, rate: int, seconds: float
) -> Measured:
    orgs = [
        await create_organization(storage, name="Benchmark hospital", credits_allotment=0)
        for _ in range(_ORGANIZATIONS)
    ]
    measured = Measured()
    pool = await open_pool(environment["HASP_DATABASE_URL"], size=_CONNECTIONS)
    try:
        await _drain(storage, pool, orgs, backlog, measured)
        await _steady(environment, pool, orgs, writers, rate, seconds, measured)
    finally:
        await pool.close()
    for org in orgs:
        verdict = await verify(storage.pool, org)
        if verdict.flaw is not None:
            raise RuntimeError(f"the chain does not hold: {verdict.flaw}")
    return measured


async def _drain(
    storage: Storage, pool: Pool, orgs: Sequence[OrganizationId], backlog: int, measured: Measured
) -> None:
    for at in range(0, backlog, 1000):
        await _write(pool, orgs[at // 1000 % len(orgs)], 1000)
    sequencer = _sequencer(storage)
    began = time.perf_counter()
    sealed = 0
    while batch := await sequencer.seal():
        sealed += batch
    measured.drained_per_s = sealed / (time.perf_counter() - began)


async def _steady(
    environment: Mapping[str, str],
    pool: Pool,
    orgs: Sequence[OrganizationId],
    writers: int,
    rate: int,
    seconds: float,
    measured: Measured,
) -> None:
    sealers = [await _sealer(environment) for _ in range(2)]
    begun = datetime.now(UTC)
    pause = writers * _TOGETHER / rate
    counts = await asyncio.gather(
        *(_writer(pool, orgs[at % len(orgs)], at / writers * pause, pause, seconds) for at in range(writers))
    )
    measured.wall_s = (datetime.now(UTC) - begun).total_seconds()
    measured.written = sum(counts)
    await asyncio.sleep(1)
    ends = [end for sealer in sealers for end in await _stop(sealer)]
    rows = await fetch(pool, _WAITED + " where e.created_at >= %s", [begun])
    ends.sort()
    measured.waits = [_until_end(ends, sealed) - created.timestamp() * 1000 for created, sealed in rows]
    measured.unsealed = measured.written - len(rows)


def _until_end(ends: Sequence[datetime], sealed_at: datetime) -> float:
    """When the transaction that took `sealed_at` at its beginning had ended, in ms."""
    return ends[min(bisect_left(ends, sealed_at), len(ends) - 1)].timestamp() * 1000


async def seal() -> None:
    """A process of its own, as a worker is: seals as `Sequencer.run` does, and prints when each batch was durable."""
    storage = await Storage.open(settings_of(os.environ))
    sequencer = _sequencer(storage)
    await sequencer.seal()
    print("ready", flush=True)
    while True:
        if await sequencer.seal():
            print(datetime.now(UTC).isoformat(), flush=True)
        else:
            await asyncio.sleep(0.1)


async def _sealer(environment: Mapping[str, str]) -> asyncio.subprocess.Process:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HASP_")}
    searched = os.pathsep.join(filter(None, [environment["PYTHONPATH"], os.environ.get("PYTHONPATH")]))
    sealer = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.audit", "--seal"),
        stdout=asyncio.subprocess.PIPE,
        env={**inherited, **environment, "PYTHONPATH": searched},
    )
    if sealer.stdout is None or await sealer.stdout.readline() != b"ready\n":
        raise RuntimeError("the sealer ended")
    return sealer


async def _stop(sealer: asyncio.subprocess.Process) -> list[datetime]:
    """When its batches were durable."""
    sealer.terminate()
    told, _ = await sealer.communicate()
    return [datetime.fromisoformat(line) for line in told.decode().splitlines()]


async def _writer(pool: Pool, org: OrganizationId, offset: float, pause: float, seconds: float) -> int:
    began = time.perf_counter()
    written = 0
    due = offset
    while due < seconds:
        await asyncio.sleep(max(0.0, began + due - time.perf_counter()))
        await _write(pool, org, _TOGETHER)
        written += _TOGETHER
        due += pause
    return written


async def _write(pool: Pool, org: OrganizationId, count: int) -> None:
    await fetch(pool, _WRITE, {"org": org, "ids": [new_ulid() for _ in range(count)]})


def _sequencer(storage: Storage) -> Sequencer:
    return Sequencer(storage.pool, SystemClock(), signing_key(storage.keyring.audit))


def report(measured: Measured) -> str:
    p50, p99 = (percentile(measured.waits, of) for of in (50, 99))
    return "\n".join(
        [
            f"backlog: {measured.drained_per_s:.0f} entries/s sealed and signed",
            f"steady: {measured.written / measured.wall_s:.0f} entries/s written, {measured.unsealed} left unsealed",
            f"wait for the seal, ms: p50 {p50:.0f}, p99 {p99:.0f}, most {max(measured.waits):.0f}",
            "every chain holds: no fork, no gap, every signature good",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.audit", description=__doc__)
    parser.add_argument("--backlog", type=int, default=50_000, help="entries to drain first")
    parser.add_argument("--writers", type=int, default=500)
    parser.add_argument("--rate", type=int, default=2_000, help="entries a second of all writers together")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--seal", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.seal:
        asyncio.run(seal())
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    asked = measure(backlog=options.backlog, writers=options.writers, rate=options.rate, seconds=options.seconds)
    print(report(asyncio.run(asked)))


if __name__ == "__main__":
    main()

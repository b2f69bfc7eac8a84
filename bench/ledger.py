"""`python -m bench.ledger`: what the books cost a call, and what it costs one organisation to be all of the load.

Four processes of fifty callers each reserve and settle straight on the
journal, over a PostgreSQL with durable commits. The layouts take turns, so
that all of them meet the same machine; "spread" is the last one, whose
callers share no account.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import orjson
import psycopg

from bench import processes
from bench.database import STATE, database, settings_of
from bench.ledger_callers import Job, Tally
from bench.measurement import percentile
from gateway.tenancy import KeyMode, Scope
from storage import Storage
from storage.migrate import migrate
from storage.onboarding import create_key, create_organization

PROCESSES: Final = 4
CALLERS: Final = 50
_SECONDS: Final = 4.0
_ROUNDS: Final = 3
_CREDITS: Final = 10**15
_LONGEST_LINE: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Layout:
    name: str
    organizations: int
    keys: int
    """Of each organisation."""


HOT: Final = Layout("1 organisation, 1 key", 1, 1)
KEYED: Final = Layout("1 organisation, 50 keys", 1, 50)
SPREAD: Final = Layout("64 organisations", 64, 1)
LAYOUTS: Final = (HOT, KEYED, SPREAD)


@dataclass(slots=True)
class Measured:
    """All rounds of one layout. Latencies in ms, processor time of PostgreSQL in ms."""

    reserved: list[float] = field(default_factory=list[float])
    settled: list[float] = field(default_factory=list[float])
    wall_s: float = 0.0
    postgres_ms: float = 0.0

    @property
    def calls(self) -> int:
        return len(self.settled)

    @property
    def per_second(self) -> float:
        return self.calls / self.wall_s


class _Callers:
    """One process of callers, which takes one job at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def perform(self, job: Job) -> Tally:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the callers have no pipes")
        stdin.write(orjson.dumps(job) + b"\n")
        line = await stdout.readline()
        if not line:
            raise RuntimeError("the callers ended")
        return Tally(**orjson.loads(line))


async def measure(seconds: float, rounds: int) -> Mapping[Layout, Measured]:
    """Raises `RuntimeError` when the books do not add up to what the callers did."""
    STATE.mkdir(mode=0o700, exist_ok=True)
    results = {layout: Measured() for layout in LAYOUTS}
    # On the disk of the checkout: a folder in memory would make durable commits look free.
    with tempfile.TemporaryDirectory(prefix="bench-", dir=STATE) as folder:
        async with database(Path(folder)) as ground, AsyncExitStack() as stack:
            tokens = await _furnish(ground.environment)
            callers = [await stack.enter_async_context(_callers(ground.environment)) for _ in range(PROCESSES)]
            for layout in LAYOUTS:
                await _round(callers, tokens[layout], seconds / 4, ground.postgres, Measured())
            before = _settled(ground.owner_url)
            for _ in range(rounds):
                for layout in LAYOUTS:
                    await _round(callers, tokens[layout], seconds, ground.postgres, results[layout])
            if _settled(ground.owner_url) - before != sum(each.calls for each in results.values()):
                raise RuntimeError("what is on the books is not what was settled")
    return results


async def _round(
    callers: Sequence[_Callers], tokens: Sequence[str], seconds: float, postgres: int, into: Measured
) -> None:
    before = processes.cpu_ms(processes.tree(postgres))
    jobs = (each.perform(Job(share, CALLERS, seconds)) for each, share in zip(callers, _shares(tokens), strict=True))
    tallies = await asyncio.gather(*jobs)
    into.postgres_ms += processes.spent_ms(before, processes.cpu_ms(processes.tree(postgres)))
    into.wall_s += max(tally.wall_s for tally in tallies)
    for tally in tallies:
        into.reserved += tally.reserved
        into.settled += tally.settled


def _shares(tokens: Sequence[str]) -> list[list[str]]:
    """Every process serves every organisation; its callers begin elsewhere than its neighbours'."""
    step = len(tokens) // PROCESSES
    return [[*tokens[at * step :], *tokens[: at * step]] for at in range(PROCESSES)]


async def _furnish(environment: Mapping[str, str]) -> Mapping[Layout, list[str]]:
    """Migrate, and make the organisations; returns the keys of each layout."""
    settings = settings_of(environment)
    await asyncio.to_thread(migrate, settings)
    storage = await Storage.open(settings)
    try:
        return {layout: await _keys(storage, layout) for layout in LAYOUTS}
    finally:
        await storage.close()


async def _keys(storage: Storage, layout: Layout) -> list[str]:
    tokens: list[str] = []
    for _ in range(layout.organizations):
        org = await create_organization(storage, name="Benchmark hospital", credits_allotment=_CREDITS)
        for _ in range(layout.keys):
            _, token = await create_key(storage, org, name="bench", scopes=[Scope.AI_CHAT], mode=KeyMode.LIVE)
            tokens.append(token)
    return tokens


@asynccontextmanager
async def _callers(environment: Mapping[str, str]) -> AsyncGenerator[_Callers]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HASP_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.ledger_callers",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**inherited, **environment},
        limit=_LONGEST_LINE,
    )
    try:
        yield _Callers(process)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _settled(owner_url: str) -> int:
    with psycopg.connect(owner_url) as connection:
        row = connection.execute("select count(*) from usage_records").fetchone()
    return row[0] if row else 0


_COLUMNS: Final = (
    f"{'':24} {'calls':>7} {'1/s':>7} {'of spread':>9} {'reserve p50':>12} {'p99':>7}"
    f" {'settle p50':>11} {'p99':>7} {'pg':>6}"
)


def report(results: Mapping[Layout, Measured]) -> str:
    lines = ["Latencies and PostgreSQL's processor time of a call (pg) in ms.", _COLUMNS]
    for layout, each in results.items():
        lines.append(
            f"{layout.name:24} {each.calls:>7} {each.per_second:>7.0f}"
            f" {each.per_second / results[SPREAD].per_second:>9.2f}"
            f" {percentile(each.reserved, 50):>12.2f} {percentile(each.reserved, 99):>7.2f}"
            f" {percentile(each.settled, 50):>11.2f} {percentile(each.settled, 99):>7.2f}"
            f" {each.postgres_ms / each.calls:>6.2f}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.ledger", description=__doc__)
    parser.add_argument("--seconds", type=float, default=_SECONDS, help="of each layout in each round")
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {PROCESSES} processes of {CALLERS} callers")
    print(report(asyncio.run(measure(options.seconds, options.rounds))))


if __name__ == "__main__":
    main()

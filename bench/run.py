"""Takes a running stack through the cells, each target in turn, so that all three meet the same machine."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any, Final

import orjson

from bench import processes
from bench.load import Job, Tally
from bench.measurement import Cell, Results, Sample, Spent, sample
from bench.stack import DIRECT, TARGETS, Stack
from bench.workloads import LIVE, NOTE, SMALL

_LONGEST_LINE: Final = 256 * 1024 * 1024


class LoadProcess:
    """The load generator, as a process that takes one job at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def perform(self, job: Job) -> Tally:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the load generator has no pipes")
        stdin.write(orjson.dumps(job) + b"\n")
        line = await stdout.readline()
        if not line:
            raise RuntimeError("the load generator ended")
        return Tally(**orjson.loads(line))


@asynccontextmanager
async def load_process() -> AsyncGenerator[LoadProcess]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.load",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LONGEST_LINE,
    )
    try:
        yield LoadProcess(process)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


class Bench:
    """Measures cells on `stack`. Seeds are a function of the cell's place, so two runs ask the same."""

    def __init__(self, stack: Stack, load: LoadProcess) -> None:
        self._stack = stack
        self._load = load
        self._scanners = {name: processes.tree(stack.pids[name]) - {stack.pids[name]} for name in TARGETS}
        self._postgres = processes.tree(stack.postgres)
        self.results = Results(ready_s=stack.ready_s)
        self.sent = 0
        """Requests answered through a gateway, which must all be on record."""

    async def warm_up(self, seconds: float) -> None:
        """Fill pools, prepared statements and caches of everything that a first request finds cold."""
        for seed, workload in enumerate((SMALL, NOTE, LIVE)):
            for stream in (False, True):
                cell = Cell(workload.name, stream, 64)
                for target in TARGETS:
                    await self._perform(cell, target, seconds=seconds, seed=seed)

    async def measure(self, cells: Sequence[Cell], seconds: float, progress: Callable[[str], None]) -> None:
        for place, cell in enumerate(cells, start=10):
            for target in TARGETS:
                self.results.samples[cell, target] = await self._measure(cell, target, seconds=seconds, seed=place)
            progress(f"  {cell}")

    async def _measure(self, cell: Cell, target: str, *, seconds: float, seed: int) -> Sample:
        # Connections that PostgreSQL was asked for since are processes of their own.
        self._postgres = processes.tree(self._stack.postgres)
        before = self._clock(target)
        tally = await self._perform(cell, target, seconds=seconds, seed=seed)
        after = self._clock(target)
        spent = [processes.spent_ms(was, now) for was, now in zip(before, after, strict=True)]
        return sample(
            tally,
            Spent(*spent),
            api_memory=processes.memory([self._stack.pids[target]]),
            scanner_memory=processes.memory(self._scanners[target]),
        )

    async def _perform(self, cell: Cell, target: str, *, seconds: float, seed: int) -> Tally:
        job = Job(
            url=self._stack.urls[target],
            headers=dict(self._stack.headers),
            workload=cell.workload,
            stream=cell.stream,
            concurrency=cell.concurrency,
            seconds=seconds,
            seed=seed,
        )
        tally = await self._load.perform(job)
        if target != DIRECT:
            self.sent += len(tally.latencies)
        return tally

    def _clock(self, target: str) -> list[dict[int, float]]:
        """Processor time so far, in the order of `Spent`'s fields."""
        api = () if target == DIRECT else (self._stack.pids[target],)
        groups = (api, self._scanners[target], processes.tree(self._stack.postgres), (self._stack.pids[DIRECT],))
        return [processes.cpu_ms(group) for group in groups]


def as_data(results: Results) -> list[dict[str, Any]]:
    """Every sample as JSON-able data."""
    return [
        {"workload": cell.workload, "stream": cell.stream, "concurrency": cell.concurrency, "target": target}
        | asdict(each)
        for (cell, target), each in results.samples.items()
    ]

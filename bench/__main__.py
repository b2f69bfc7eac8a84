"""`python -m bench`: what Hasp costs a request, and how well and how fast its guard finds PHI."""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

import orjson

from bench import report
from bench.measurement import GRID, SLOW_STREAMS
from bench.phi import program as guard
from bench.run import Bench, as_data, load_process
from bench.stack import running

_SECONDS, _QUICK_SECONDS = 3.5, 0.5
_STATE = Path(".hasp").absolute()
_FLUSHES = 50


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under a minute; for a first look")
    parser.add_argument("--slow-streams", action="store_true", help="also hold 500 slow streams open at once")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the gateway's numbers there")
    guard.add_options(parser)
    options = parser.parse_args()
    _STATE.mkdir(mode=0o700, exist_ok=True)
    status = asyncio.run(_main(options, _QUICK_SECONDS if options.quick else _SECONDS))
    guard.measure(options)
    sys.exit(status)


async def _main(options: argparse.Namespace, seconds: float) -> int:
    began = time.monotonic()
    # On the disk of the checkout: a folder in memory would make durable commits look free.
    with tempfile.TemporaryDirectory(prefix="bench-", dir=_STATE) as folder:
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, a flush to this disk {_flush_ms(folder):.2f} ms")
        async with running(Path(folder)) as stack, load_process() as load:
            bench = Bench(stack, load)
            await bench.warm_up(seconds / 4)
            await bench.measure(GRID, seconds, _say)
            if options.slow_streams:
                await bench.measure([SLOW_STREAMS], seconds, _say)
            recorded, masked = stack.recorded()
    print(report.text(bench.results))
    print(f"{bench.sent} calls through the gateways, {recorded} on record, {masked} of them masked.")
    print(f"{time.monotonic() - began:.0f} s. Audit rows stayed unsealed: no worker ran.")
    if options.json:
        _write(options.json, bench)
    failures = bench.results.failures
    if recorded != bench.sent or not masked:
        failures.append("what is on record is not what was answered")
    for line in failures:
        _say(f"FAILED  {line}")
    return 1 if failures else 0


def _flush_ms(folder: str) -> float:
    """The median time to make 8 KB durable here: the least that a commit can take."""
    times: list[float] = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(_FLUSHES):
            began = time.perf_counter()
            os.pwrite(file.fileno(), bytes(8192), 0)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return sorted(times)[_FLUSHES // 2] * 1000


def _write(path: Path, bench: Bench) -> None:
    goals = [
        {
            "what": each.goal.what,
            "unit": each.goal.unit,
            "goal": each.goal.limit,
            "measured": each.measured,
            "met": each.met,
        }
        for each in report.distances(bench.results)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    data = {"ready_s": bench.results.ready_s, "goals": goals, "samples": as_data(bench.results)}
    path.write_bytes(orjson.dumps(data, option=orjson.OPT_INDENT_2))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

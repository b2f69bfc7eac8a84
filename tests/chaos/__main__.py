"""`python -m tests.chaos --seconds 120 --seed N`: kill what Hasp is made of, under load; then prove the books."""

import argparse
import asyncio
import shutil
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from random import SystemRandom

import orjson

from tests.chaos.nemesis import FREEZE
from tests.chaos.proof import summary
from tests.chaos.run import Plan, Result, chaos

_STATE = Path(".hasp").absolute()
_SHOWN = 20


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="of load and kills; quiet and proof come after")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(1_000_000), help="default: any, printed")
    parser.add_argument("--callers", type=int, default=200)
    parser.add_argument("--apis", type=int, default=4, help="API processes")
    parser.add_argument("--every", type=float, default=8, help="seconds between two faults, or so")
    parser.add_argument(
        "--freeze",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="also stop API processes beyond their leases; they go on",
    )
    options = parser.parse_args()
    plan = Plan(options.seed, options.seconds, options.callers, options.apis, options.every, options.freeze)
    print(f"seed {plan.seed}: {plan.callers} callers, {plan.apis} API processes, {plan.seconds:g} s", flush=True)
    # On the disk of the checkout, where a commit is durable.
    folder = _STATE / f"chaos-{plan.seed}"
    shutil.rmtree(folder, ignore_errors=True)
    result = asyncio.run(chaos(plan, folder))
    print(report(result))
    if result.violations:
        _keep(result, folder)
    else:
        shutil.rmtree(folder)
    sys.exit(1 if result.violations else 0)


def report(result: Result) -> str:
    faults = Counter(f"{'froze' if fault.kind == FREEZE else 'killed'} {fault.part}" for fault in result.faults)
    done = ", ".join(f"{what} {count}x" for what, count in sorted(faults.items()))
    lines = [
        f"{len(result.history.calls)} calls: {summary(result.history.calls)}",
        done or "harmed nobody",
        f"{result.billed} answers billed; {result.lost} calls on record as lost",
        f"{result.samples} looks at every cap; at most {100 * result.fullest:.1f} % of one was settled or held",
        *(f"VIOLATED  {each}" for each in result.violations[:_SHOWN]),
        f"{len(result.violations)} violations",
    ]
    return "\n".join(lines)


def _keep(result: Result, folder: Path) -> None:
    """What callers saw, beside the logs and the database, for whoever looks for the cause."""
    history = folder / "history.jsonl"
    history.write_bytes(b"".join(orjson.dumps(asdict(call)) + b"\n" for call in result.history.calls))
    (folder / "violations.txt").write_text("\n".join(result.violations))
    print(f"kept in {folder}")


if __name__ == "__main__":
    main()

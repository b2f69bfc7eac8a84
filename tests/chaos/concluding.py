"""The end of a program that delivers under faults: what it came to, and its exit code."""

import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from tests.chaos.nemesis import Fault


def conclude(folder: Path, *, faults: Sequence[Fault], duplicates: int, violations: Sequence[str]) -> NoReturn:
    """Say it. The state in `folder` is kept for whoever looks for the cause of a violation."""
    killed = Counter(fault.part for fault in faults)
    print("killed " + ", ".join(f"{part} {count}x" for part, count in sorted(killed.items())))
    print(f"{duplicates} duplicates, each under its one id")
    for violation in violations:
        print(f"VIOLATED  {violation}")
    print(f"{len(violations)} violations")
    if not violations:
        shutil.rmtree(folder)
    sys.exit(1 if violations else 0)

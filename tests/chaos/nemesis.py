"""Who is killed or frozen when: drawn from a seed, so that a run that broke something can be asked for again."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from tests.chaos.installation import API, LEASE_S, Installation

FREEZE = "freeze"
KILLS: Final = {API: 5, "worker": 2, "postgres": 2}
FREEZES: Final = {FREEZE: 2}
"""Kinds of faults, and how much likelier than others they are."""

FROZEN_S = LEASE_S + 11
"""Longer than a lease, its grace and a sweep: whoever wakes up has lost what it held, and does not know."""


@dataclass(frozen=True, slots=True)
class Fault:
    after_s: float
    """Since the fault before it, or the beginning."""
    kind: str
    part: str


@dataclass(slots=True)
class Nemesis:
    """Follows a plan, and notes what it did to parts that it met alive."""

    installation: Installation
    done: list[Fault] = field(default_factory=list[Fault])

    async def follow(self, plan: Sequence[Fault]) -> None:
        """Returns when all that was frozen goes on."""
        async with asyncio.TaskGroup() as freezing:
            for fault in plan:
                await asyncio.sleep(fault.after_s)
                if fault.kind == FREEZE:
                    freezing.create_task(self._freeze(fault))
                elif self.installation.kill(fault.part):
                    self.done.append(fault)

    async def _freeze(self, fault: Fault) -> None:
        with self.installation.frozen(fault.part) as was_alive:
            if was_alive:
                self.done.append(fault)
                await asyncio.sleep(FROZEN_S)


def planned(seed: int, *, seconds: float, apis: int, every_s: float, freezes: bool = False) -> list[Fault]:
    """Faults for `seconds`, one `every_s` or so; the first are one of each kind."""
    random = Random(f"faults of {seed}")
    weights = KILLS | FREEZES if freezes else KILLS
    first = random.sample([*weights], len(weights))
    plan: list[Fault] = []
    at = 0.0
    while True:
        after = random.uniform(0.6, 1.4) * every_s
        at += after
        if at >= seconds:
            return plan
        kind = first.pop() if first else random.choices([*weights], [*weights.values()])[0]
        part = f"{API}-{random.randint(1, apis)}" if kind in (API, FREEZE) else kind
        plan.append(Fault(after, kind, part))

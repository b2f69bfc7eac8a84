"""Who is killed when: drawn from a seed, so that a run that broke something can be asked for again."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from tests.chaos.installation import API, Installation

KINDS = (API, "worker", "postgres")
_WEIGHTS = (5, 2, 2)


@dataclass(frozen=True, slots=True)
class Kill:
    after_s: float
    """Since the kill before it, or the beginning."""
    part: str


@dataclass(slots=True)
class Killer:
    """Follows a plan, and notes whom it met alive."""

    installation: Installation
    killed: list[str] = field(default_factory=list[str])

    async def follow(self, plan: Sequence[Kill]) -> None:
        for kill in plan:
            await asyncio.sleep(kill.after_s)
            if self.installation.kill(kill.part):
                self.killed.append(kill.part)


def planned(seed: int, *, seconds: float, apis: int, every_s: float) -> list[Kill]:
    """Kills for `seconds`, one `every_s` or so; the first three are one of each kind."""
    random = Random(f"kills of {seed}")
    first = random.sample(KINDS, len(KINDS))
    plan: list[Kill] = []
    at = 0.0
    while True:
        after = random.uniform(0.6, 1.4) * every_s
        at += after
        if at >= seconds:
            return plan
        kind = first.pop() if first else random.choices(KINDS, _WEIGHTS)[0]
        plan.append(Kill(after, f"{API}-{random.randint(1, apis)}" if kind == API else kind))

"""Takes every system through the sets and the message sizes, one after the other."""

import asyncio
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from bench.phi import presidio, systems
from bench.phi.conversation import turns
from bench.phi.cost import LONGEST_OF_PRESIDIO, Cost, costs
from bench.phi.figures import PRESIDIO, RULES, Figures
from bench.phi.samples import sets, spread
from bench.phi.scoring import Find, Score, measure
from gateway.phi.ner.backends import Backend

_MOST_FOR_PRESIDIO: Final = 150_000
"""Characters of one set: they take it about fifteen seconds."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured."""

    most: int = 10_000_000
    """Characters of one set."""
    costs: float = 1.0
    """Share of the usual number of messages of each size."""
    conversations: int = 12
    with_presidio: bool = True


QUICK: Final = Extent(most=15_000, costs=0.1, conversations=2, with_presidio=False)


@dataclass(frozen=True, slots=True)
class _System:
    name: str
    find: Find
    most: int
    costs: float = 1.0
    longest: str = "200 KB"


def run(extent: Extent, models: Sequence[Backend], progress: Callable[[str], None]) -> Figures:
    """Scores our rules, our rules with each of `models`, and Presidio."""
    samples = sets()
    everything = [each for of_set in samples.values() for each in of_set]
    scores: dict[str, dict[str, Score]] = {}
    spent: dict[str, dict[str, Cost]] = {}
    with _systems(extent, models) as under_test:
        for system in under_test:
            progress(f"  {system.name}")
            scores[system.name] = {
                name: measure(spread(of_set, system.most), system.find) for name, of_set in samples.items()
            }
            share = extent.costs * system.costs
            spent[system.name] = dict(costs(everything, system.find, share=share, longest=system.longest))
    progress("  conversations")
    return Figures(
        scores=scores,
        costs=spent,
        turns=asyncio.run(turns(everything, extent.conversations)),
        texts={name: len(of_set) for name, of_set in samples.items()},
    )


@contextmanager
def _systems(extent: Extent, models: Sequence[Backend]) -> Generator[list[_System]]:
    with ExitStack() as opened:
        under_test = [_System(RULES, systems.guard(), extent.most)]
        under_test += (_System(f"{RULES} + {each}", systems.guard(each), extent.most, costs=0.5) for each in models)
        if extent.with_presidio:
            find = opened.enter_context(presidio.running())
            most = min(extent.most, _MOST_FOR_PRESIDIO)
            under_test.append(_System(PRESIDIO, find, most, costs=0.25, longest=LONGEST_OF_PRESIDIO))
        yield under_test

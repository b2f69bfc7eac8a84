"""What one run measured, and how far each figure is from where it has to be. Distances are printed, never asserted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from bench.phi.conversation import Turns
from bench.phi.cost import Cost
from bench.phi.scoring import Score

RULES: Final = "rules"
PRESIDIO: Final = "Presidio"

STRUCTURED: Final = (
    "ACCOUNT",
    "AGE_OVER_89",
    "BIOMETRIC_ID",
    "DATE",
    "DEVICE_ID",
    "EMAIL",
    "FAX",
    "HEALTH_PLAN_ID",
    "IP",
    "LICENSE",
    "MRN",
    "OTHER_ID",
    "PHONE",
    "SSN",
    "URL",
    "VEHICLE_ID",
    "ZIP",
)
"""Labels that a pattern can know."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of every system by its name, ours first: scores by set, costs by size of message."""

    scores: Mapping[str, Mapping[str, Score]]
    costs: Mapping[str, Mapping[str, Cost]]
    turns: Turns
    texts: Mapping[str, int]
    """How many each set has."""

    @property
    def systems(self) -> list[str]:
        return list(self.costs)

    @property
    def product(self) -> str:
        """The fullest of our systems, which the goals are for."""
        return [name for name in self.systems if name != PRESIDIO][-1]


@dataclass(frozen=True, slots=True)
class Goal:
    """`measured` is a share for goals in per cent; None where the run has no such figure."""

    what: str
    unit: str
    limit: float
    measured: Callable[[Figures, str], float | None]
    at_least: bool = False

    def on(self, figures: Figures, name: str) -> float | None:
        """Its figure on the set of that name, in its unit."""
        value = self.measured(figures, name)
        return value * 100 if value is not None and self.unit == "%" else value

    def is_met(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit


def _score(figures: Figures, name: str) -> Score:
    return figures.scores[figures.product][name]


def _worst_structured(figures: Figures, name: str) -> float | None:
    tally = _score(figures, name).whole
    return min((cover for kind in STRUCTURED if (cover := tally.cover_of(kind)) is not None), default=None)


def _per_kb(figures: Figures, system: str) -> float | None:
    return figures.costs[system]["2 KB"].p50 / 2 if system in figures.costs else None


def _with_model(figures: Figures) -> float | None:
    return None if figures.product == RULES else _per_kb(figures, figures.product)


GOALS: Final = (
    Goal("labels wholly masked", "%", 99, lambda f, s: _score(f, s).whole.cover, at_least=True),
    Goal("labels masked at least in part", "%", 99.5, lambda f, s: _score(f, s).whole.touch, at_least=True),
    Goal("masks that are right", "%", 99, lambda f, s: _score(f, s).whole.precision, at_least=True),
    Goal("PHI-free texts with a mask", "%", 3, lambda f, s: _score(f, s).whole.over),
    Goal("names wholly masked", "%", 98, lambda f, s: _score(f, s).whole.cover_of("NAME"), at_least=True),
    Goal("worst structured type, wholly masked", "%", 99.5, _worst_structured, at_least=True),
    Goal("texts with nothing leaked", "%", 95, lambda f, s: _score(f, s).whole.unleaked, at_least=True),
    Goal("short queries: labels masked in part", "%", 99, lambda f, s: _score(f, s).queries.touch, at_least=True),
    Goal("short queries, PHI-free, with a mask", "%", 5, lambda f, s: _score(f, s).queries.over),
)
"""By set."""

COST_GOALS: Final = (
    Goal("CPU of a kilobyte, rules", "ms", 1, lambda f, _: _per_kb(f, RULES)),
    Goal("CPU of a kilobyte, rules and model", "ms", 8, lambda f, _: _with_model(f)),
    Goal("look-up of a turn that was scanned before", "ms", 0.1, lambda f, _: f.turns.looked_up),
    Goal("CPU of turn 20 over the same text as turn 1", "times", 1.2, lambda f, _: f.turns.ratio),
)
"""By machine."""

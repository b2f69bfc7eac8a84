"""What conversations are told apart by."""

from dataclasses import dataclass
from enum import StrEnum


class Complexity(StrEnum):
    SIMPLE = "simple"
    MODERATE = "moderate"
    COMPLEX = "complex"


class Task(StrEnum):
    GENERAL = "general"
    CODING = "coding"
    ANALYSIS = "analysis"
    CREATIVE = "creative"
    VISION = "vision"


class Size(StrEnum):
    """Tiers of models, the cheapest first."""

    SMALL = "small"
    LARGE = "large"
    EXTRA = "extra"


@dataclass(frozen=True, slots=True)
class Class:
    complexity: Complexity
    task: Task

"""The seam between the guard and whatever finds PHI in text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.phi.findings import Entity

CERTAIN = 500
"""From this score on a span counts by itself."""

LIKELY = 400
"""From this score on a span counts once anything certain was found; below, only where a certain value is repeated."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one text, as Python string offsets. `score_milli` is 0 to 1000, see `CERTAIN` and `LIKELY`."""

    start: int
    end: int
    entity: Entity
    score_milli: int


class DetectorError(Exception):
    """A text could not be scanned. It never quotes the text."""

    retry_after_s: int | None = 2
    """When another try is worth while: a scanner that died is back by then. None when it never is."""


class Detector(Protocol):
    async def detect(self, texts: Sequence[str]) -> Sequence[Sequence[Span]]:
        """One sequence of spans for each text; certain spans neither overlap each other nor weaker ones.

        Raises `DetectorError` when any text could not be scanned to its end.
        """
        ...

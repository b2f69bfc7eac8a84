"""Processor time for messages of four sizes, one thread."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

from bench.measurement import percentile
from bench.phi.samples import Sample
from bench.phi.scoring import Find

_SIZES: Final = {"200 B": 200, "2 KB": 2_000, "20 KB": 20_000, "200 KB": 200_000}
_MESSAGES: Final = {"200 B": 200, "2 KB": 60, "20 KB": 12, "200 KB": 3}
LONGEST_OF_PRESIDIO: Final = "20 KB"


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds a message; with fewer than a hundred `messages`, `p99` is the slowest."""

    p50: float
    p99: float
    messages: int


def costs(samples: list[Sample], find: Find, *, share: float = 1.0, longest: str = "200 KB") -> Mapping[str, Cost]:
    """By size, up to `longest`. `share` of the usual number of messages is scanned, at least one of each size."""
    names = list(_SIZES)
    return {
        name: _cost(samples, find, _SIZES[name], max(1, round(_MESSAGES[name] * share)))
        for name in names[: names.index(longest) + 1]
    }


def _cost(samples: list[Sample], find: Find, size: int, messages: int) -> Cost:
    times = [find(text).cpu_s * 1000 for text in itertools.islice(texts(samples, size), messages)]
    return Cost(percentile(times, 50), percentile(times, 99), messages)


def texts(samples: list[Sample], size: int) -> Iterator[str]:
    """Different texts of exactly `size` characters without end, samples one after another; the same in every run."""
    random = Random(size)
    while True:
        parts: list[str] = []
        length = 0
        while length < size:
            parts.append(random.choice(samples).text)
            length += len(parts[-1]) + 2
        yield "\n\n".join(parts)[:size]

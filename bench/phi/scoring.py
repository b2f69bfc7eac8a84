"""Counts what was masked against what had to be."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from bench.phi.samples import Label, Sample


@dataclass(frozen=True, slots=True)
class Masked:
    """A stretch that a system hides, and what it takes it for."""

    start: int
    end: int
    kind: str


@dataclass(frozen=True, slots=True)
class Found:
    """What a system said about one text, and the processor time it took."""

    regions: Sequence[Masked]
    cpu_s: float


Find = Callable[[str], Found]


@dataclass(slots=True)
class Tally:
    """Counts over a set; shares are 0 to 1, None of nothing. `leaks` and `alarms` quote: for invented texts only."""

    labels: Counter[str] = field(default_factory=Counter[str])
    covered: Counter[str] = field(default_factory=Counter[str])
    touched: Counter[str] = field(default_factory=Counter[str])
    masked: int = 0
    masked_right: int = 0
    clean: int = 0
    clean_touched: int = 0
    with_phi: int = 0
    without_leak: int = 0
    texts: int = 0
    chars: int = 0
    cpu_s: float = 0.0
    leaks: list[str] = field(default_factory=list[str])
    alarms: list[str] = field(default_factory=list[str])

    @property
    def cover(self) -> float | None:
        """Labels of which every letter and digit is masked."""
        return share(self.covered.total(), self.labels.total())

    @property
    def touch(self) -> float | None:
        """Labels of which any letter or digit is masked."""
        return share(self.touched.total(), self.labels.total())

    @property
    def precision(self) -> float | None:
        """Masked stretches that meet a label."""
        return share(self.masked_right, self.masked)

    @property
    def over(self) -> float | None:
        """PHI-free texts in which anything is masked."""
        return share(self.clean_touched, self.clean)

    @property
    def unleaked(self) -> float | None:
        """Texts with PHI of which none shows."""
        return share(self.without_leak, self.with_phi)

    @property
    def ms_per_kb(self) -> float:
        return self.cpu_s * 1000 / (self.chars / 1000)

    def cover_of(self, *kinds: str) -> float | None:
        return share(sum(self.covered[kind] for kind in kinds), sum(self.labels[kind] for kind in kinds))

    def add(self, sample: Sample, found: Found) -> None:
        self.texts += 1
        self.chars += len(sample.text)
        self.cpu_s += found.cpu_s
        hidden = {index for region in found.regions for index in range(region.start, region.end)}
        leaked = [label for label in sample.wanted if not self._add_label(sample.text, label, hidden)]
        self._add_regions(sample, found.regions)
        self.leaks += (f"{sample.id} {label.type}: {sample.text[label.start : label.end]!r}" for label in leaked)
        if sample.wanted:
            self.with_phi += 1
            self.without_leak += not leaked
        if sample.kind == "neg":
            self.clean += 1
            self.clean_touched += bool(found.regions)

    def _add_label(self, text: str, label: Label, hidden: set[int]) -> bool:
        marks = [index for index in range(label.start, label.end) if text[index].isalnum()]
        covered = all(index in hidden for index in marks)
        self.labels[label.type] += 1
        self.covered[label.type] += covered
        self.touched[label.type] += any(index in hidden for index in marks)
        return covered

    def _add_regions(self, sample: Sample, regions: Sequence[Masked]) -> None:
        for region in regions:
            right = any(label.start < region.end and region.start < label.end for label in sample.spans)
            self.masked += 1
            self.masked_right += right
            if not right:
                self.alarms.append(f"{sample.id} {region.kind}: {sample.text[region.start : region.end]!r}")


@dataclass(frozen=True, slots=True)
class Score:
    """One system on one set: all of it, and its short texts alone."""

    whole: Tally
    queries: Tally


def measure(samples: Iterable[Sample], find: Find) -> Score:
    score = Score(Tally(), Tally())
    for sample in samples:
        found = find(sample.text)
        score.whole.add(sample, found)
        if sample.is_query:
            score.queries.add(sample, found)
    return score


def share(part: int, whole: int) -> float | None:
    return part / whole if whole else None

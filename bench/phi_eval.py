"""Measures PHI detection on labelled texts: `python -m bench.phi_eval FILE.jsonl [--misses N]`.

One JSON object a line: `id`, `kind` ("phi" or "neg"), `text`, and `spans`, a
list of `{start, end, type}` with Python string offsets. A span of type IGNORE
may be masked or kept; in a "neg" document anything masked is a false alarm.
"""

import argparse
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, TypeAdapter

from gateway.phi.detector import CERTAIN, Span
from gateway.phi.rules.scan import scan


class Label(BaseModel):
    start: int
    end: int
    type: str


class Sample(BaseModel):
    id: str
    kind: str
    text: str
    spans: list[Label]


@dataclass
class Tally:
    """Counts over a set. `leaks` and `alarms` are for reading, never for sets with real data."""

    labels: Counter[str] = field(default_factory=Counter)
    covered: Counter[str] = field(default_factory=Counter)
    touched: Counter[str] = field(default_factory=Counter)
    masked: int = 0
    masked_right: int = 0
    clean: int = 0
    clean_touched: int = 0
    with_phi: int = 0
    without_leak: int = 0
    chars: int = 0
    seconds: float = 0.0
    leaks: list[str] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)

    def add(self, sample: Sample, spans: Sequence[Span], seconds: float) -> None:
        self.chars += len(sample.text)
        self.seconds += seconds
        hidden = {index for span in spans for index in range(span.start, span.end)}
        wanted = [label for label in sample.spans if label.type != "IGNORE"]
        leaked = [label for label in wanted if not self._add_label(sample.text, label, hidden)]
        self._add_spans(sample, spans)
        self.leaks += (f"{sample.id} {label.type}: {sample.text[label.start : label.end]!r}" for label in leaked)
        if wanted:
            self.with_phi += 1
            self.without_leak += not leaked
        if sample.kind == "neg":
            self.clean += 1
            self.clean_touched += bool(spans)

    def _add_label(self, text: str, label: Label, hidden: set[int]) -> bool:
        marks = [index for index in range(label.start, label.end) if text[index].isalnum()]
        covered = all(index in hidden for index in marks)
        self.labels[label.type] += 1
        self.covered[label.type] += covered
        self.touched[label.type] += any(index in hidden for index in marks)
        return covered

    def _add_spans(self, sample: Sample, spans: Sequence[Span]) -> None:
        for span in spans:
            right = any(label.start < span.end and span.start < label.end for label in sample.spans)
            self.masked += 1
            self.masked_right += right
            if not right:
                self.alarms.append(f"{sample.id} {span.entity}: {sample.text[span.start : span.end]!r}")


def read(path: Path) -> list[Sample]:
    adapter = TypeAdapter(Sample)
    return [adapter.validate_json(line) for line in path.read_text("utf-8").splitlines() if line.strip()]


def measure(samples: Iterable[Sample]) -> Tally:
    tally = Tally()
    for sample in samples:
        began = time.process_time()
        spans = [span for span in scan(sample.text) if span.score_milli >= CERTAIN]
        tally.add(sample, spans, time.process_time() - began)
    return tally


def show(tally: Tally) -> None:
    labels, covered, touched = (sum(each.values()) for each in (tally.labels, tally.covered, tally.touched))
    print(f"cover              {_percent(covered, labels)}")
    print(f"touch              {_percent(touched, labels)}")
    print(f"precision          {_percent(tally.masked_right, tally.masked)}")
    print(f"over               {_percent(tally.clean_touched, tally.clean)}  PHI-free documents touched")
    print(f"without leak       {_percent(tally.without_leak, tally.with_phi)}  documents with PHI")
    print(f"chars/s            {tally.chars / tally.seconds:,.0f}  (one thread, processor time)")
    for name in sorted(tally.labels):
        print(f"  {name:16} {_percent(tally.covered[name], tally.labels[name])}  of {tally.labels[name]}")


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:6.1f} %" if whole else "   n/a  "


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure PHI detection on labelled texts.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--misses", type=int, default=0, help="also print this many leaks and false alarms")
    arguments = parser.parse_args()
    scan("Warm up: Jane Doe, 01/02/1980.")
    tally = measure(read(arguments.file))
    show(tally)
    for line in (*tally.leaks[: arguments.misses], "--", *tally.alarms[: arguments.misses]):
        print(line)


if __name__ == "__main__":
    main()

"""Labelled texts: one JSON object a line, every `*.jsonl` beside this file a set. `README.md` says what they are."""

import re
from functools import cached_property
from pathlib import Path
from typing import Final

from pydantic import BaseModel, TypeAdapter

FOLDER: Final = Path(__file__).parent
_LONGEST_QUERY: Final = 250
_QUERY: Final = re.compile(r"\b(?:asq|quer(?:y|ies)|q)\d*\b")


class Label(BaseModel):
    """What has to be masked, as Python string offsets; `IGNORE` may be masked or kept."""

    start: int
    end: int
    type: str


class Sample(BaseModel):
    """One text. In one of kind `neg` anything masked is a false alarm."""

    id: str
    kind: str
    template: str = ""
    text: str
    spans: list[Label]

    @cached_property
    def wanted(self) -> list[Label]:
        return [label for label in self.spans if label.type != "IGNORE"]

    @property
    def is_query(self) -> bool:
        """What a clinician asks a model: so named by its template, or PHI-free and up to 250 characters long."""
        if self.kind == "neg":
            return len(self.text) <= _LONGEST_QUERY
        return _QUERY.search(self.template) is not None


def read(path: Path) -> list[Sample]:
    adapter = TypeAdapter(Sample)
    return [adapter.validate_json(line) for line in path.read_text("utf-8").splitlines() if line.strip()]


def sets() -> dict[str, list[Sample]]:
    """Every set by its name, those for tuning first."""
    paths = sorted(FOLDER.glob("*.jsonl"), key=lambda path: (path.stem == "heldout", path.stem))
    return {path.stem: read(path) for path in paths}


def spread(samples: list[Sample], characters: int) -> list[Sample]:
    """About so many characters of them, evenly from the whole; all of them when they have no more."""
    total = sum(len(each.text) for each in samples)
    return samples[:: -(-total // characters)]

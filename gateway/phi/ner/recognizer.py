"""The seam between the rules and a model that knows names and places by how they are used."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

MentionKind = Literal["person", "place", "street"]


@dataclass(frozen=True, slots=True)
class Mention:
    """A stretch of one sentence, as string offsets, that a model takes for a name or a place; `score` is 0 to 1."""

    start: int
    end: int
    kind: MentionKind
    score: float


class ModelError(Exception):
    """A model cannot be loaded; the text says why, for whoever started the process."""


class Recognizer(Protocol):
    def recognize(self, sentences: Sequence[str]) -> Sequence[Sequence[Mention]]:
        """One sequence of mentions, in order and without overlaps, for each sentence, which is read to its end.

        The same sentences in the same order give the same answer in every process.
        """
        ...

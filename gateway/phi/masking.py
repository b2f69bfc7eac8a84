"""Placeholders put into texts: the replacing itself, once it is decided what stands where."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from presidio_anonymizer import AnonymizerEngine

_SPLICE_ABOVE = 1000
_SPLICE_ABOVE_COPIED = 20_000_000
"""Spans in one text, and characters it would copy, above which the engine takes too long: it copies all for each."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """`placeholder` for what stands at `start` to `end` of a text."""

    start: int
    end: int
    placeholder: str


@dataclass(frozen=True, slots=True)
class Marked:
    """A text and its replacements, which are in order and do not overlap."""

    text: str
    replacements: tuple[Replacement, ...]


class Masker(Protocol):
    async def mask(self, texts: Sequence[Marked]) -> Sequence[str]:
        """Each text with its replacements made. Raises `DetectorError` when that could not be done."""
        ...


class InlineMasker:
    """On the caller's thread, 20 microseconds a replacement: for tests and the command line."""

    async def mask(self, texts: Sequence[Marked]) -> Sequence[str]:
        return [anonymize(marked) for marked in texts]


def anonymize(marked: Marked) -> str:
    """The masked text, by presidio-anonymizer. Loads its engine at first use, about 80 ms."""
    count = len(marked.replacements)
    if count > _SPLICE_ABOVE or count * len(marked.text) > _SPLICE_ABOVE_COPIED:
        return splice(marked)
    from presidio_anonymizer import OperatorConfig, RecognizerResult

    # The engine knows operators by entity type alone, so each placeholder is a type of its own here.
    results = [RecognizerResult(each.placeholder, each.start, each.end, 1.0) for each in marked.replacements]
    operators = {
        each.placeholder: OperatorConfig("custom", {"lambda": partial(_stand_in, each.placeholder)})
        for each in marked.replacements
    }
    return _engine().anonymize(marked.text, results, operators, merge_entities_with_spaces=False).text


def splice(marked: Marked) -> str:
    """The same by hand, without the engine's checks: for replacements that were made before."""
    pieces: list[str] = []
    at = 0
    for each in marked.replacements:
        pieces += (marked.text[at : each.start], each.placeholder)
        at = each.end
    return "".join((*pieces, marked.text[at:]))


def _stand_in(placeholder: str, _value: str) -> str:
    return placeholder


@cache
def _engine() -> "AnonymizerEngine":
    from presidio_anonymizer import AnonymizerEngine

    return AnonymizerEngine()

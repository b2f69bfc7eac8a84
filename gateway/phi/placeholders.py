"""What stands in for a value: `[NAME_1]`, numbered per kind and value over one request.

Numbers follow the order of first appearance, so a conversation that grows
keeps the numbers it had and the provider's prompt cache keeps its prefix.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from gateway.phi.findings import Entity

if TYPE_CHECKING:
    from presidio_anonymizer import AnonymizerEngine

_SPLICE_ABOVE = 200
"""Spans in one text above which the engine, 20 microseconds a span and a copy of the text, would stall the loop."""

_OPENED = re.compile(r"\\?\[([A-Za-z0-9_\\ \-]{3,48})\]")
_SEPARATORS = re.compile(r"[ _\-]+")
_SHAPE = re.compile(r"[A-Z]+_[0-9]+")
_LETTERS_AND_DIGITS = re.compile(r"[^\W_]+")
_BY_DIGITS = frozenset({Entity.US_SSN, Entity.PHONE_NUMBER, Entity.FAX_NUMBER, Entity.CREDIT_CARD})


@dataclass(frozen=True, slots=True)
class Replacement:
    """`placeholder` for what stands at `start` to `end` of a text."""

    start: int
    end: int
    placeholder: str


def canonical(body: str) -> str:
    """What is between the brackets, as we would have written it: models add case, spaces and Markdown escapes."""
    return canonical_start(body.replace("\\", "").rstrip())


def canonical_start(body: str) -> str:
    """The same for a body that is still growing, so that it may yet end in a separator."""
    return _SEPARATORS.sub("_", body.replace("\\", "").lstrip()).upper()


def literals(text: str) -> Iterable[str]:
    """Canonical bodies of what already looks like one of our placeholders."""
    if "[" not in text:
        return ()
    bodies = (canonical(match[1]) for match in _OPENED.finditer(text))
    return (body for body in bodies if _SHAPE.fullmatch(body))


class Placeholders:
    """The numbers of one request. Never shared: it maps placeholders back to a person's data."""

    __slots__ = ("_by_value", "_last", "_reserved", "_values")

    def __init__(self) -> None:
        self._reserved: set[str] = set()
        self._last: dict[str, int] = {}
        self._by_value: dict[tuple[str, str], str] = {}
        self._values: dict[str, str] = {}

    @property
    def values(self) -> Mapping[str, str]:
        """Original values by canonical body (`NAME_1`)."""
        return self._values

    def reserve(self, text: str) -> None:
        """Keeps the numbers that `text` itself spells out from being given to a value."""
        self._reserved.update(literals(text))

    def of(self, entity: Entity, value: str, *, exact: bool = False) -> str:
        """The placeholder of `value`; `exact` tells spellings apart, for object keys, which must stay distinct."""
        normal = (entity.label, _normal(entity, value))
        body = self._by_value.get(normal)
        if body is not None and (not exact or self._values[body] == value):
            return f"[{body}]"
        key = (entity.label, f"={value}") if body is not None else normal
        if key not in self._by_value:
            self._by_value[key] = self._next(entity.label)
            self._values[self._by_value[key]] = value
        return f"[{self._by_value[key]}]"

    def _next(self, label: str) -> str:
        number = self._last.get(label, 0) + 1
        while f"{label}_{number}" in self._reserved:
            number += 1
        self._last[label] = number
        return f"{label}_{number}"


def mask(text: str, replacements: Sequence[Replacement]) -> str:
    """`text` with each replacement made; they are in order and do not overlap."""
    if len(replacements) > _SPLICE_ABOVE:
        return _splice(text, replacements)
    return _anonymize(text, replacements)


def _anonymize(text: str, replacements: Sequence[Replacement]) -> str:
    from presidio_anonymizer import OperatorConfig, RecognizerResult

    # The engine knows operators by entity type alone, so each placeholder is a type of its own here.
    results = [RecognizerResult(each.placeholder, each.start, each.end, 1.0) for each in replacements]
    operators = {
        each.placeholder: OperatorConfig("custom", {"lambda": partial(_stand_in, each.placeholder)})
        for each in replacements
    }
    return _engine().anonymize(text, results, operators, merge_entities_with_spaces=False).text


def _stand_in(placeholder: str, _value: str) -> str:
    return placeholder


def _splice(text: str, replacements: Sequence[Replacement]) -> str:
    pieces: list[str] = []
    at = 0
    for each in replacements:
        pieces += (text[at : each.start], each.placeholder)
        at = each.end
    return "".join((*pieces, text[at:]))


def prepare() -> None:
    """Loads the engine now, about 80 ms, rather than under the first request that needs it."""
    _engine()


@cache
def _engine() -> "AnonymizerEngine":
    from presidio_anonymizer import AnonymizerEngine

    return AnonymizerEngine()


def _normal(entity: Entity, value: str) -> str:
    if entity in _BY_DIGITS:
        return "".join(filter(str.isdigit, value))
    return " ".join(_LETTERS_AND_DIGITS.findall(value.casefold())) or value

"""What stands in for a value: `[NAME_1]`, numbered per kind and value over one conversation."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.phi.findings import Entity

_OPENED = re.compile(r"\\?\[([A-Za-z0-9_\\ \-]{3,48})\]")
_SEPARATORS = re.compile(r"[ _\-]+")
_SHAPE = re.compile(r"([A-Z]+)_([0-9]+)")
_BY_DIGITS = frozenset(
    entity.label for entity in (Entity.US_SSN, Entity.PHONE_NUMBER, Entity.FAX_NUMBER, Entity.CREDIT_CARD)
)
_BY_WORDS = frozenset(
    entity.label
    for entity in (
        Entity.PERSON,
        Entity.LOCATION,
        Entity.STREET_ADDRESS,
        Entity.FACILITY,
        Entity.EMPLOYER,
        Entity.DATE_TIME,
    )
)


@dataclass(frozen=True, slots=True)
class Lookalike:
    """A stretch of someone's own text that a restorer would take for the placeholder `body`."""

    start: int
    end: int
    body: str


def canonical(body: str) -> str:
    """What is between the brackets, as we would have written it: models add case, spaces and Markdown escapes."""
    return canonical_start(body.replace("\\", "").rstrip())


def canonical_start(body: str) -> str:
    """The same for a body that is still growing, so that it may yet end in a separator."""
    return _SEPARATORS.sub("_", body.replace("\\", "").lstrip()).upper()


def lookalikes(text: str) -> Sequence[Lookalike]:
    """What already looks like one of our placeholders, in order."""
    if "[" not in text:
        return ()
    found = (Lookalike(*match.span(), canonical(match[1])) for match in _OPENED.finditer(text))
    return [each for each in found if _SHAPE.fullmatch(each.body)]


class Placeholders:
    """The numbers of one request. Never shared: it maps placeholders back to a person's data."""

    __slots__ = ("_by_value", "_known", "_last", "_reserved", "_values")

    def __init__(self, known: Mapping[str, str]) -> None:
        """`known` are originals by canonical body (`NAME_1`) from the conversation so far; they keep their numbers."""
        self._known = known.keys()
        self._reserved: set[str] = set()
        self._last: dict[str, int] = {}
        self._by_value: dict[tuple[str, str], str] = {}
        self._values: dict[str, str] = {}
        for body, value in known.items():
            self._remember(body, value)

    @property
    def values(self) -> Mapping[str, str]:
        """Original values by canonical body."""
        return self._values

    def stands_for_a_value(self, body: str) -> bool:
        return body in self._values

    def was_answered(self, body: str, text: str) -> bool:
        """Whether `text` in an earlier answer is our own, kept there because answers were not restored then."""
        typed = (Entity.PLACEHOLDER_TEXT.label, text)
        return body in self._known and typed not in self._by_value

    def reserve(self, body: str) -> None:
        """Keeps a number that someone's own text spells out from being given to a value."""
        self._reserved.add(body)

    def of(self, entity: Entity, value: str, *, exact: bool = False) -> str:
        """The placeholder of `value`; `exact` tells spellings apart, for object keys, which must stay distinct."""
        label = entity.label
        body = self._by_value.get((label, _normal(label, value)))
        if body is not None and exact and self._values[body] != value:
            body = self._by_value.get((label, f"={value}"))
        if body is None:
            body = self._next(label)
            self._remember(body, value)
        return f"[{body}]"

    def _remember(self, body: str, value: str) -> None:
        label = body.rpartition("_")[0]
        self._values[body] = value
        first = self._by_value.setdefault((label, _normal(label, value)), body)
        if first != body:
            self._by_value[label, f"={value}"] = body

    def _next(self, label: str) -> str:
        number = self._last.get(label, 0) + 1
        while (body := f"{label}_{number}") in self._reserved or body in self._values:
            number += 1
        self._last[label] = number
        return body


def _normal(label: str, value: str) -> str:
    """What makes two spellings one value. No more: it is the first of them that comes back."""
    if label in _BY_DIGITS and not any(map(str.isalpha, value)):
        return "".join(filter(str.isdigit, value)) or value
    return " ".join(value.lower().split()) if label in _BY_WORDS else value

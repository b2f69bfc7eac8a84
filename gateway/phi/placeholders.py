"""What stands in for a value: `[NAME_1]`, numbered per kind and value over one request.

Numbers follow the order of first appearance, so a conversation that grows
keeps the numbers it had and the provider's prompt cache keeps its prefix.
"""

import re
from collections.abc import Iterable, Mapping

from gateway.phi.findings import Entity

_OPENED = re.compile(r"\\?\[([A-Za-z0-9_\\ \-]{3,48})\]")
_SEPARATORS = re.compile(r"[ _\-]+")
_SHAPE = re.compile(r"[A-Z]+_[0-9]+")
_LETTERS_AND_DIGITS = re.compile(r"[^\W_]+")
_BY_DIGITS = frozenset({Entity.US_SSN, Entity.PHONE_NUMBER, Entity.FAX_NUMBER, Entity.CREDIT_CARD})


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


def _normal(entity: Entity, value: str) -> str:
    if entity in _BY_DIGITS:
        return "".join(filter(str.isdigit, value))
    return " ".join(_LETTERS_AND_DIGITS.findall(value.casefold())) or value

"""JSON as the detector reads it: keys beside their values, and every leaf's place remembered.

Keys type their values (`"mrn": "00153497"`), so an object is scanned as one
text, not string by string. Strings stand in that text as they are, without
escapes, so that offsets in a leaf are offsets in its value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from gateway.errors import ValidationFailedError
from gateway.phi.budget import Budget

_MAX_DEPTH = 100
_LARGEST_PLACE = 10**7


@dataclass(frozen=True, slots=True)
class Leaf:
    """One key or scalar at `start` of its passage. Paths name array and object positions, never keys.

    However short a number is, it may be a record number or an age over 89: what is masked is the spans' to say.
    """

    path: str
    start: int
    text: str
    is_key: bool


def render(path: str, value: JsonValue, budget: Budget, *, places: bool = False) -> tuple[str, tuple[Leaf, ...]]:
    """The text of `value` and its leaves in order. With `places`, its numbers of up to seven digits are offsets.

    Raises `ValidationFailedError` when nested beyond 100 levels, `TooLargeError` when `budget` is spent.
    """
    rendering = _Rendering(budget, places=places)
    rendering.value(path, value, depth=0)
    return "".join(rendering.pieces), tuple(rendering.leaves)


def rewrite(path: str, value: Mapping[str, JsonValue], texts: Mapping[str, str]) -> dict[str, JsonValue]:
    """`value` with the leaves that `texts` names replaced.

    Raises `ValidationFailedError` where two keys of one object would become the same: nothing is dropped silently.
    """
    rewritten = {
        texts.get(f"{path}[{index}].key", key): _rewritten(f"{path}[{index}]", item, texts)
        for index, (key, item) in enumerate(value.items())
    }
    if len(rewritten) < len(value):
        raise ValidationFailedError("Two keys of this object would read the same once masked.", param=path)
    return rewritten


def _rewritten(path: str, value: JsonValue, texts: Mapping[str, str]) -> JsonValue:
    if isinstance(value, dict):
        return rewrite(path, value, texts)
    if isinstance(value, list):
        return [_rewritten(f"{path}[{index}]", item, texts) for index, item in enumerate(value)]
    return texts.get(path, value)


class _Rendering:
    """A text as it grows, with its leaves so far."""

    def __init__(self, budget: Budget, *, places: bool) -> None:
        self.pieces: list[str] = []
        self.leaves: list[Leaf] = []
        self._length = 0
        self._budget = budget
        self._places = places

    def value(self, path: str, value: JsonValue, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise ValidationFailedError("JSON is nested too deeply.", param=path.split("[", 1)[0])
        match value:
            case dict():
                self._object(path, value, depth)
            case list():
                self._array(path, value, depth)
            case str():
                self._append('"' if depth else "")
                self._leaf(path, value)
                self._append('"' if depth else "")
            case bool():
                self._leaf(path, str(value).lower())
            case None:
                self._leaf(path, "null")
            case int() if self._places and abs(value) < _LARGEST_PLACE:
                self._append("0")
            case int() | float():
                self._leaf(path, str(value))

    def _object(self, path: str, value: Mapping[str, JsonValue], depth: int) -> None:
        self._budget.spend()
        self._append("{")
        for index, (key, item) in enumerate(value.items()):
            self._append(', "' if index else '"')
            self._leaf(f"{path}[{index}].key", key, is_key=True)
            self._append('": ')
            self.value(f"{path}[{index}]", item, depth + 1)
        self._append("}")

    def _array(self, path: str, value: Sequence[JsonValue], depth: int) -> None:
        self._budget.spend()
        self._append("[")
        for index, item in enumerate(value):
            self._append(", " if index else "")
            self.value(f"{path}[{index}]", item, depth + 1)
        self._append("]")

    def _leaf(self, path: str, text: str, *, is_key: bool = False) -> None:
        self._budget.spend(len(text))
        self.leaves.append(Leaf(path, self._length, text, is_key))
        self._append(text)

    def _append(self, piece: str) -> None:
        self.pieces.append(piece)
        self._length += len(piece)

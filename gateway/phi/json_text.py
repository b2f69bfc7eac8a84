"""JSON as the detector reads it: keys beside their values, and every leaf's place remembered.

Keys type their values (`"mrn": "00153497"`), so an object is scanned as one
text, not string by string. Strings stand in that text as they are, without
escapes, so that offsets in a leaf are offsets in its value.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from gateway.errors import ValidationFailedError

_MAX_DEPTH = 100


@dataclass(frozen=True, slots=True)
class Leaf:
    """One key or scalar at `start` of its passage. Paths name array and object positions, never keys.

    However short a number is, it may be a record number or an age over 89: what is masked is the spans' to say.
    """

    path: str
    start: int
    text: str
    is_key: bool


def render(path: str, value: JsonValue) -> tuple[str, tuple[Leaf, ...]]:
    """The text of `value` and its leaves in order. Raises `ValidationFailedError` when nested beyond 100 levels."""
    pieces: list[str] = []
    leaves: list[Leaf] = []
    length = 0
    for piece, leaf_path, is_key in _pieces(path, value, depth=0):
        if leaf_path is not None:
            leaves.append(Leaf(leaf_path, length, piece, is_key))
        pieces.append(piece)
        length += len(piece)
    return "".join(pieces), tuple(leaves)


def rewrite(path: str, value: Mapping[str, JsonValue], texts: Mapping[str, str]) -> Mapping[str, JsonValue]:
    """`value` with the leaves that `texts` names replaced; the same object when it names none."""
    if not any(name.startswith(f"{path}[") for name in texts):
        return value
    return _rewritten_object(path, value, texts)


def _rewritten_object(path: str, value: Mapping[str, JsonValue], texts: Mapping[str, str]) -> dict[str, JsonValue]:
    return {
        texts.get(f"{path}[{index}].key", key): _rewritten(f"{path}[{index}]", item, texts)
        for index, (key, item) in enumerate(value.items())
    }


def _rewritten(path: str, value: JsonValue, texts: Mapping[str, str]) -> JsonValue:
    if isinstance(value, dict):
        return _rewritten_object(path, value, texts)
    if isinstance(value, list):
        return [_rewritten(f"{path}[{index}]", item, texts) for index, item in enumerate(value)]
    return texts.get(path, value)


def _pieces(  # noqa: C901 - one arm for each kind of value
    path: str, value: JsonValue, depth: int
) -> Iterator[tuple[str, str | None, bool]]:
    """Pieces of text, each with the path of the leaf it is, if it is one."""
    if depth > _MAX_DEPTH:
        raise ValidationFailedError("JSON is nested too deeply.", param=path.split("[", 1)[0])
    match value:
        case dict():
            yield "{", None, False
            for index, (key, item) in enumerate(value.items()):
                yield '"' if index == 0 else ', "', None, False
                yield key, f"{path}[{index}].key", True
                yield '": ', None, False
                yield from _pieces(f"{path}[{index}]", item, depth + 1)
            yield "}", None, False
        case list():
            yield "[", None, False
            for index, item in enumerate(value):
                if index:
                    yield ", ", None, False
                yield from _pieces(f"{path}[{index}]", item, depth + 1)
            yield "]", None, False
        case str():
            if depth:
                yield '"', None, False
            yield value, path, False
            if depth:
                yield '"', None, False
        case bool() | None:
            yield "null" if value is None else str(value).lower(), path, False
        case int() | float():
            yield str(value), path, False

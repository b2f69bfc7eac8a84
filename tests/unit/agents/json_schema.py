"""What a JSON Schema says of a value: as much of draft 2020-12 as the schema of grants uses, and not a word more."""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

Schema = Mapping[str, Any]

ANNOTATIONS = {"$schema", "$defs", "title", "description", "default", "discriminator"}
KINDS: Mapping[str, type] = {"object": dict, "array": list, "string": str, "integer": int, "null": type(None)}


def is_a(value: Any, kind: str) -> bool:
    return isinstance(value, KINDS[kind]) and not isinstance(value, bool)


def _matches(value: str, pattern: str) -> bool:
    # At its end, JSON Schema's `$` lets no line break pass.
    return re.search(pattern.replace("$", r"\Z"), value) is not None


def _is_as_long(value: Any, least: int) -> bool:
    return len(value) >= least


def _is_no_longer(value: Any, most: int) -> bool:
    return len(value) <= most


def _has(value: dict[str, Any], names: list[str]) -> bool:
    return value.keys() >= {*names}


BOUNDS: Mapping[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "minimum": ("integer", operator.ge),
    "maximum": ("integer", operator.le),
    "minLength": ("string", _is_as_long),
    "maxLength": ("string", _is_no_longer),
    "pattern": ("string", _matches),
    "minItems": ("array", _is_as_long),
    "maxItems": ("array", _is_no_longer),
    "minProperties": ("object", _is_as_long),
    "maxProperties": ("object", _is_no_longer),
    "required": ("object", _has),
}
"""Words that bind values of one kind, and say nothing of others."""


class Judge:
    def __init__(self, root: Schema) -> None:
        self._root = root

    def takes(self, value: Any) -> bool:
        return self._of(self._root, value)

    def referred(self, place: str) -> Schema:
        return self._root["$defs"][place.removeprefix("#/$defs/")]

    def _of(self, schema: Schema, value: Any) -> bool:
        """Raises `KeyError` for a word that it does not know."""
        return all(self._holds(word, schema, value) for word in schema if word not in ANNOTATIONS)

    def _holds(self, word: str, schema: Schema, value: Any) -> bool:
        said = schema[word]
        match word:
            case "$ref":
                return self._of(self.referred(said), value)
            case "anyOf" | "oneOf":
                taken = [self._of(each, value) for each in said].count(True)
                return taken == 1 or (taken > 1 and word == "anyOf")
            case "type":
                return is_a(value, said)
            case "const":
                return value == said
            case "items" | "properties" | "additionalProperties":
                return self._holds_within(word, schema, value)
            case _:
                kind, holds = BOUNDS[word]
                return not is_a(value, kind) or holds(value, said)

    def _holds_within(self, word: str, schema: Schema, value: Any) -> bool:
        said = schema[word]
        if word == "items":
            return not is_a(value, "array") or all(self._of(said, each) for each in value)
        if not is_a(value, "object"):
            return True
        if word == "properties":
            return all(self._of(said[name], each) for name, each in value.items() if name in said)
        return said or value.keys() <= schema["properties"].keys()

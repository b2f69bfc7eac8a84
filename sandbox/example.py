"""Values that a JSON schema allows."""

from collections.abc import Mapping
from typing import Any

_DEEPEST = 8


def example(schema: Mapping[str, Any], words: str) -> object:
    """A value that `schema` allows; its first free string says `words`, where there are any.

    Of an object that requires some fields it has these, of another all.
    """
    unsaid = [words] if words else []
    return _example(schema, unsaid, 0)


def _example(schema: Mapping[str, Any], unsaid: list[str], depth: int) -> object:
    if "enum" in schema:
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    kinds: str | list[str] = schema.get("type", "object" if "properties" in schema else "string")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    if kind == "object":
        properties: Mapping[str, Any] = schema.get("properties", {}) if depth < _DEEPEST else {}
        wanted = frozenset(map(str, schema.get("required") or properties))
        return {name: _example(each, unsaid, depth + 1) for name, each in properties.items() if name in wanted}
    if kind == "array":
        items: Mapping[str, Any] | None = schema.get("items")
        return [_example(items, unsaid, depth + 1)] if items and depth < _DEEPEST else []
    if kind == "string":
        return unsaid.pop() if unsaid else schema.get("default", "text")
    return {"integer": 1, "number": 1.5, "boolean": True}.get(kind)

"""How deep JSON from outside may be nested: what walks it recursively, and what writes it out, is safe far beyond."""

from pydantic import JsonValue

MAX_DEPTH = 100
"""Levels of objects and lists."""


def is_too_deep(value: JsonValue, *, brackets: int) -> bool:
    """Whether `value` has more than `MAX_DEPTH` levels. `brackets`: how many its text opens, a quick bound."""
    level = [value] if brackets > MAX_DEPTH else []
    for _ in range(MAX_DEPTH):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent if isinstance(parent, list) else ())
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True

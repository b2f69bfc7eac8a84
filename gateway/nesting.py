"""How deep and how much JSON from outside may be nested: what walks it and writes it out is safe far beyond."""

from pydantic import JsonValue

MAX_DEPTH = 100
"""Levels of objects and lists."""
MOST_CONTAINERS = 200_000
"""Objects and lists in all. No request has as many that the guard would read to its end."""


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


def has_too_many(value: JsonValue, *, brackets: int) -> bool:
    """Whether there are more than `MOST_CONTAINERS` in `value`. `brackets` as above: texts may have them too."""
    if brackets <= MOST_CONTAINERS:
        return False
    count, left = 0, [value]
    while left and count <= MOST_CONTAINERS:
        each = left.pop()
        children = each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
        found = [child for child in children if isinstance(child, dict | list)]
        count += len(found)
        left += found
    return count > MOST_CONTAINERS

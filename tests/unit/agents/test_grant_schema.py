"""The published schema of grants: what it takes is taken, what it refuses is refused (RFC 9396)."""

from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from api.manage.grant_schemas import grants_schema
from gateway.errors import ValidationFailedError
from tests.unit.agents.json_schema import Judge, Schema, is_a
from tests.unit.agents.test_grants import read

SCHEMA = grants_schema()
judge = Judge(SCHEMA)

# What no schema says is left out: substitutions, sizes in bytes, depths, numbers beyond 2^53.
words = st.text("abz._/ -é\n", max_size=5)
scalars = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from([-0.5, 0.5]) | words


def objects(values: st.SearchStrategy[Any], *, least: int = 0, most: int = 3) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(words, values, min_size=least, max_size=most)


anything = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | objects(inner), max_leaves=4)


def fitting(schema: Schema) -> st.SearchStrategy[Any]:
    """Whatever `schema` takes."""
    match schema:
        case {"$ref": place}:
            return fitting(judge.referred(place))
        case {"anyOf": ways} | {"oneOf": ways}:
            return st.one_of([fitting(each) for each in ways])
        case {"const": value}:
            return st.just(value)
        case {"type": "object", "properties": fields}:
            needed, made = {*schema["required"]}, {name: fitting(of) for name, of in fields.items()}
            return st.fixed_dictionaries(
                {name: made[name] for name in fields if name in needed},
                optional={name: made[name] for name in fields if name not in needed},
            )
        case {"type": "object"}:
            return objects(scalars, least=schema["minProperties"], most=schema["maxProperties"])
        case {"type": "array"}:
            sizes = {"min_size": schema["minItems"], "max_size": min(schema["maxItems"], 5)}
            return st.lists(fitting(schema["items"]), **sizes)
        case {"type": "string"}:
            pattern, most = str(schema["pattern"]).strip("^$"), int(schema.get("maxLength", 100))
            return st.from_regex(pattern, fullmatch=True).filter(lambda text: len(text) <= most)
        case {"type": "integer"}:
            return st.integers(schema["minimum"], schema["maximum"])
        case _:
            return st.none()


@st.composite
def changed(draw: st.DrawFn) -> list[Any]:
    """A fitting list of grants in which something is other, missing or too much."""
    grants = draw(fitting(SCHEMA))
    place = draw(st.sampled_from([*_places(grants)]))
    names = [*place] if is_a(place, "object") else [*range(len(place))]
    name = draw(st.sampled_from(names)) if names else None
    if name is None or draw(st.booleans()):
        _add(place, draw(words), draw(anything))
    elif draw(st.booleans()):
        del place[name]
    else:
        place[name] = draw(anything)
    return grants


def _places(value: Any) -> Iterator[Any]:
    """Every list and object in `value`."""
    if is_a(value, "array") or is_a(value, "object"):
        yield value
        for each in value.values() if is_a(value, "object") else value:
            yield from _places(each)


def _add(place: Any, name: str, value: Any) -> None:
    if is_a(place, "object"):
        place[name] = value
    else:
        place.append(value)


def is_taken(grants: Any) -> bool:
    try:
        read(*grants)
    except ValidationFailedError:
        return False
    return True


@given(fitting(SCHEMA))
def test_what_the_schema_takes_can_be_granted(grants: list[Any]) -> None:
    assert judge.takes(grants)
    read(*grants)


@given(changed())
def test_what_is_a_little_other_is_taken_or_refused_by_both(grants: list[Any]) -> None:
    assert is_taken(grants) == judge.takes(grants)


@given(st.lists(anything, max_size=2))
def test_what_is_something_else_is_refused_by_both(grants: list[Any]) -> None:
    assert is_taken(grants) is judge.takes(grants) is False

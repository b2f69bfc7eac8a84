"""Bodies to schemas, and what is wrong with them in words that cannot quote one.

pydantic's own errors carry the offending value, and their `loc` may hold a
key that the client chose, which may be a patient's name. Of them only the
rule and the path survive, the path cut at the last name that is declared or
well known.
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, JsonValue, ValidationError

from api.content.known_fields import KNOWN_FIELDS
from api.content.refused import INELIGIBLE, PUBLISHED
from api.content.tools import TOOL_KINDS
from gateway.errors import (
    FeatureNotEligibleError,
    GatewayError,
    TooLargeError,
    ValidationFailedError,
)
from gateway.exact_json import is_exact, may_be_rounded
from gateway.nesting import MAX_DEPTH, MOST_CONTAINERS, has_too_many, is_too_deep

SchemaT = TypeVar("SchemaT", bound=BaseModel)
Loc = Sequence[int | str]

_MOST_FAULTS = 10_000
"""Each takes some microseconds to make words of, and one is told."""

# Texts of these rules name types and limits of ours only.
_SAFE_RULES = frozenset(
    {
        "bool_type",
        "dict_type",
        "finite_number",
        "float_type",
        "greater_than",
        "greater_than_equal",
        "int_type",
        "less_than",
        "less_than_equal",
        "list_type",
        "literal_error",
        "model_type",
        "none_required",
        "string_too_long",
        "string_too_short",
        "string_type",
        "too_long",
        "too_short",
    }
)


def read_object(body: bytes) -> dict[str, JsonValue]:
    """The JSON object in `body`. Raises `ValidationFailedError` for anything else, or one beyond `MAX_DEPTH`.

    And `TooLargeError` for one of more than `MOST_CONTAINERS`: to say what is wrong with each would take seconds.
    """
    try:
        value: JsonValue = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise ValidationFailedError("The request body must be a JSON object.")
    brackets = body.count(b"{") + body.count(b"[")
    if has_too_many(value, brackets=brackets):
        raise TooLargeError(f"The request has more than {MOST_CONTAINERS:,} JSON objects and lists.")
    if is_too_deep(value, brackets=brackets):
        raise ValidationFailedError(f"The request body must not be nested more than {MAX_DEPTH} levels deep.")
    if may_be_rounded(body):
        json.loads(body, parse_int=_require_exact)
    return value


def _require_exact(digits: str) -> None:
    if not is_exact(digits):
        raise ValidationFailedError("The request body has an integer of more than 64 bits. Send it as a string.")


def validated(schema: type[SchemaT], value: dict[str, JsonValue], *, unknown: type[GatewayError]) -> SchemaT:
    """`value` as `schema`. Raises `unknown` for undeclared fields, `ValidationFailedError` for the rest."""
    try:
        return schema.model_validate(value)
    except ValidationError as failure:
        if failure.error_count() > _MOST_FAULTS:
            raise ValidationFailedError(f"The request has more than {_MOST_FAULTS:,} faults.") from None
        rules = failure.errors(include_url=False, include_context=False, include_input=False)
    # Outside the `except`: an error chained to pydantic's would carry the body along.
    raise explained([(rule["type"], rule["loc"], rule["msg"]) for rule in rules], value, unknown=unknown)


def explained(rules: Iterable[tuple[str, Loc, str]], value: JsonValue, *, unknown: type[GatewayError]) -> GatewayError:
    """The one fact to tell about `rules` broken by `value`: of the first broken field, the deepest reason."""
    found = [(declared_path(rule, loc, value), rule, loc, message) for rule, loc, message in rules]
    first = _top(found[0][0])
    path, rule, loc, message = max(
        (each for each in found if _top(each[0]) == first), key=lambda each: each[0].count(".") + each[0].count("[")
    )
    if rule == "extra_forbidden":
        return unknown_field(path, loc[-1], unknown)
    if rule == "missing":
        return ValidationFailedError(f"`{path}` is required.", param=path)
    if rule == "union_tag_invalid":
        return _refused_kind(path, value_at(path, value), unknown)
    text = f"`{path}`: {message}." if rule in _SAFE_RULES else f"`{path}` is not valid."
    return ValidationFailedError(text, param=path or None)


def declared_path(rule: str, loc: Loc, value: JsonValue) -> str:
    """`loc` as `messages[0].content[1].text`: without pydantic's union branches, without a client's own keys."""
    steps = loc[:-1] if rule == "extra_forbidden" else loc
    path, tagged = "", False
    for position, step in enumerate(steps):
        last = position == len(loc) - 1
        if isinstance(step, int):
            if isinstance(value, list) and step < len(value):
                path, value, tagged = f"{path}[{step}]", value[step], False
        elif isinstance(value, dict):
            if step == value.get("type") and not (tagged or last) and isinstance(loc[position + 1], str):
                tagged = True  # the tag of a discriminated union, not a field; a field may be called as it
            elif step in value or (last and rule == "missing"):
                path, value, tagged = f"{path}.{step}" if path else step, value.get(step), False
    return path


def value_at(path: str, value: JsonValue) -> JsonValue:
    """What stands at a `declared_path`."""
    for step in re.findall(r"[^.\[\]]+", path):
        if isinstance(value, list):
            value = value[int(step)]
        elif isinstance(value, dict):
            value = value.get(step)
    return value


def unknown_field(place: str, name: int | str, unknown: type[GatewayError]) -> GatewayError:
    """The refusal of the undeclared field `name` of the object at `place` (empty: the body)."""
    if name in KNOWN_FIELDS:
        path = f"{place}.{name}" if place else str(name)
        return unknown(f"The field `{path}` is not supported here. Remove it from your request.", param=path)
    where = f"`{place}`" if place else "The request"
    return unknown(f"{where} has an unknown field. Remove it from your request.", param=place or None)


def refused_tool(value: dict[str, JsonValue], *, unknown: type[GatewayError]) -> GatewayError | None:
    """Why a tool in `value` cannot be taken because of its kind, if one cannot."""
    tools = value.get("tools")
    if not isinstance(tools, list):
        return None
    for index, tool in enumerate(tools):
        kind = tool.get("type") if isinstance(tool, dict) else None
        if kind is not None and not (isinstance(kind, str) and kind in TOOL_KINDS):
            return _refused_kind(f"tools[{index}]", tool, unknown)
    return None


def _refused_kind(path: str, value: JsonValue, unknown: type[GatewayError]) -> GatewayError:
    """The refusal of a `type` we do not take: not covered, not carried yet, or not known at all."""
    kind: Any = value.get("type") if isinstance(value, dict) else None
    param = f"{path}.type"
    if isinstance(kind, str):
        # Told by our own name for it: the rest of what was sent may be anything.
        if feature := _named(kind, INELIGIBLE):
            return ineligible(feature, param)
        if feature := _named(kind, PUBLISHED):
            return unknown(f"This kind of `{feature}` is not supported.", param=param)
    return ValidationFailedError(f"`{param}` is not one of the supported kinds.", param=param)


def ineligible(feature: str, param: str) -> FeatureNotEligibleError:
    """The refusal of `feature`, a name of ours, which the vendor would run or keep."""
    return FeatureNotEligibleError(
        f"No agreement covers `{feature}`: its content would leave the gateway unread. Remove it from your request.",
        param=param,
        details={"feature": feature},
    )


def _named(kind: str, features: Iterable[str]) -> str | None:
    """The feature that `kind` is, with its date or without."""
    return next((each for each in features if kind == each or kind.startswith(f"{each}_2")), None)


def _top(path: str) -> str:
    return re.split(r"[.\[]", path, maxsplit=1)[0]

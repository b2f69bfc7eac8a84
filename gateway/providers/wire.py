"""Reading JSON that a vendor sent: what is not of the promised form is that vendor's failure, never a crash of ours."""

from collections.abc import Mapping
from typing import Any, cast

import orjson
from pydantic import JsonValue

from gateway import exact_json
from gateway.errors import UpstreamFailureError
from gateway.nesting import is_too_deep

WireObject = dict[str, Any]
"""A JSON object whose fields have not been checked yet."""


def parse_object(body: bytes) -> WireObject:
    """`body` as a JSON object, not too deep. Raises `UpstreamFailureError`, which never carries the body."""
    parsed = object_or_none(body)
    # Raised here and not where parsing failed: that exception holds the whole body.
    if parsed is None:
        raise UpstreamFailureError
    return parsed


def object_or_none(body: bytes) -> WireObject | None:
    try:
        parsed = exact_json.loads(body)
    except orjson.JSONDecodeError:
        return None
    if is_too_deep(parsed, brackets=body.count(b"{") + body.count(b"[")):
        return None
    return as_object(parsed)


def as_object(value: object) -> WireObject | None:
    # Parsed JSON has text keys only.
    return cast("WireObject", value) if isinstance(value, dict) else None


def text(source: Mapping[str, Any], key: str) -> str:
    value = source.get(key)
    if type(value) is not str:
        raise UpstreamFailureError
    return value


def optional_text(source: Mapping[str, Any], key: str) -> str | None:
    return None if source.get(key) is None else text(source, key)


def index(source: Mapping[str, Any], key: str) -> int:
    value = source.get(key)
    if type(value) is not int or value < 0:
        raise UpstreamFailureError
    return value


def count(source: Mapping[str, Any], key: str) -> int:
    """A number of tokens; absent and null are zero."""
    return 0 if source.get(key) is None else index(source, key)


def child(source: Mapping[str, Any], key: str) -> WireObject:
    value = as_object(source.get(key))
    if value is None:
        raise UpstreamFailureError
    return value


def optional_child(source: Mapping[str, Any], key: str) -> WireObject:
    """An object; absent and null are an empty one."""
    return {} if source.get(key) is None else child(source, key)


def children(source: Mapping[str, Any], key: str) -> list[WireObject]:
    """A list of objects; absent and null are an empty one."""
    value: object = source.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise UpstreamFailureError
    found = [item for entry in cast("list[object]", value) if (item := as_object(entry)) is not None]
    if len(found) != len(cast("list[object]", value)):
        raise UpstreamFailureError
    return found


def without_none(**fields: JsonValue) -> dict[str, JsonValue]:
    """The fields that are set, in the order given."""
    return {name: value for name, value in fields.items() if value is not None}

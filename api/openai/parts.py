"""Pieces that requests of both kinds are made of."""

from collections.abc import Mapping

import orjson
from pydantic import JsonValue

from gateway.completion import parse_tool_input
from gateway.errors import ValidationFailedError


def arguments(text: str, path: str) -> Mapping[str, JsonValue]:
    """A call's arguments. Raises `ValidationFailedError` that names `path` for what is no JSON object."""
    if not text.strip():
        return {}
    try:
        read: JsonValue = orjson.loads(text)
    except orjson.JSONDecodeError:
        read = None
    if not isinstance(read, dict):
        raise ValidationFailedError(f"`{path}` is not a JSON object.", param=path)
    return parse_tool_input(text)


def data_of(url: str) -> tuple[str | None, str | None]:
    """The media type and the base64 text of a data URL; nothing of any other."""
    if not url.startswith("data:"):
        return None, None
    head, _, data = url.partition(",")
    return head.removeprefix("data:").partition(";")[0], data

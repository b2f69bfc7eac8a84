"""Bodies to the schemas of the Messages API: strictly on `/v1/messages`, leniently on `/v1/anthropic/*`."""

from collections.abc import Mapping
from typing import Protocol, TypeVar

from pydantic import JsonValue

from api.anthropic.schemas import FIELDS, CountTokensRequest, CreateMessageRequest, Handling
from api.content.known_fields import KNOWN_FIELDS
from api.lenience import validated_leniently
from api.validation import ineligible, read_object, refused_tool, unknown_field, validated
from gateway.errors import UnsupportedParameterError, ValidationFailedError

RequestT = TypeVar("RequestT", CreateMessageRequest, CountTokensRequest)

_THREADLESS: Mapping[str, JsonValue] = {"error_code": "thread_unsupported_request", "unsupported": ["hipaa"]}
"""How Anthropic says that a covered organisation's conversations do not rest with it; SDKs then send them whole."""


class Reader(Protocol):
    def __call__(self, body: bytes, schema: type[RequestT], /) -> tuple[RequestT, tuple[str, ...]]:
        """The request, and the names of fields that were taken and are sent to nobody. Raises `GatewayError`."""
        ...


def strict(body: bytes, schema: type[RequestT]) -> tuple[RequestT, tuple[str, ...]]:
    """Whatever the vendor does not publish is refused."""
    value = read_object(body)
    for name in value:
        if name not in FIELDS:
            raise _unsupported(name) if name in KNOWN_FIELDS else unknown_field("", name, UnsupportedParameterError)
    given = _given(value)
    for name in given:
        if FIELDS[name] is Handling.UNSUPPORTED:
            raise _unsupported(name)
    if refusal := refused_tool(given, unknown=UnsupportedParameterError):
        raise refusal
    request = validated(schema, given, unknown=UnsupportedParameterError)
    return request, tuple(name for name in given if FIELDS[name] is Handling.NOT_FORWARDED)


def lenient(body: bytes, schema: type[RequestT]) -> tuple[RequestT, tuple[str, ...]]:
    """What is not known here is ignored, whichever version or beta of the API it is of (spec U29).

    Still refused is what would run or keep content at the vendor, and what cannot be left out without answering
    another question.
    """
    value = read_object(body)
    if value.get("thread") is not None:
        raise _unsupported("thread")
    given = _given(value)
    if refusal := refused_tool(given, unknown=ValidationFailedError):
        raise refusal
    declared = {name: sent for name, sent in given.items() if name in schema.model_fields}
    request = validated_leniently(schema, declared)
    return request, tuple(name for name in given if _is_ignored(name))


def _given(value: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """What is set: official SDKs send null for a field that is not. Raises `FeatureNotEligibleError`."""
    given: dict[str, JsonValue] = {name: sent for name, sent in value.items() if sent is not None}
    for name in given:
        if FIELDS.get(name) is Handling.INELIGIBLE:
            raise ineligible(name, name)
    return given


def _is_ignored(name: str) -> bool:
    """Whether a field is sent to nobody and may be named: one that nobody declared may be a patient's name."""
    return FIELDS[name] is not Handling.CARRIED if name in FIELDS else name in KNOWN_FIELDS


def _unsupported(name: str) -> UnsupportedParameterError:
    return UnsupportedParameterError(
        f"The `{name}` parameter is not supported on the Hasp compat surface. Remove it from your request.",
        param=name,
        details=_THREADLESS if name == "thread" else None,
    )

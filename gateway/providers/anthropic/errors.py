"""Anthropic's errors as ours (spec D35)."""

from collections.abc import Mapping

from gateway.errors import GatewayError
from gateway.providers.refusals import Refusal, retry_after_s
from gateway.providers.wire import WireObject, as_object, object_or_none

# A stream that has begun answers 200, so its errors have a type only; this is the status each would have had.
_STATUS_OF_TYPE = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}


def error_of_answer(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """What an answer with another status than 200 means."""
    _, message = _type_and_message(object_or_none(body) or {})
    return Refusal(status, message, retry_after_s(headers)).as_error()


def error_of_event(frame: WireObject) -> GatewayError:
    """What an `error` event in a stream means; of a type that is not known, a failure."""
    kind, message = _type_and_message(frame)
    return Refusal(_STATUS_OF_TYPE.get(kind, 500), message).as_error()


def _type_and_message(envelope: WireObject) -> tuple[str, str]:
    error = as_object(envelope.get("error")) or {}
    kind, message = error.get("type"), error.get("message")
    return kind if isinstance(kind, str) else "", message if isinstance(message, str) else ""

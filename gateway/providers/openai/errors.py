"""OpenAI's errors as ours (spec D35)."""

from collections.abc import Mapping

from gateway.errors import GatewayError
from gateway.providers.refusals import Refusal, retry_after_s
from gateway.providers.wire import WireObject, as_object, object_or_none

# A response that has begun answers 200, so its errors have a code only; this is the status each would have had.
_STATUS_OF_CODE = {
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "vector_store_timeout": 504,
    "model_not_found": 404,
    "context_length_exceeded": 400,
    "bio_policy": 400,
    "misalignment_policy_violation": 400,
    "image_content_policy_violation": 400,
    "unsupported_image_media_type": 400,
    "failed_to_download_image": 400,
    "empty_image_file": 400,
}
_ABOUT_THE_REQUEST = ("invalid_", "image_")


def error_of_answer(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """What an answer with another status than 200 means."""
    envelope = object_or_none(body) or {}
    code, message = _code_and_message(as_object(envelope.get("error")) or {})
    if code == "model_not_found":
        # Sent as 400 by some of the vendor's routes; the model is our catalog's, never the caller's mistake.
        status = 404
    return Refusal(status, message, retry_after_s(headers)).as_error()


def error_of_response(response: WireObject) -> GatewayError:
    """What a response with status `failed` means."""
    return _error_of(as_object(response.get("error")) or {})


def error_of_event(frame: WireObject) -> GatewayError:
    """What an `error` event means, in its documented flat form or in the nested one that is also met."""
    return _error_of(as_object(frame.get("error")) or frame)


def _error_of(error: WireObject) -> GatewayError:
    code, message = _code_and_message(error)
    status = 400 if code.startswith(_ABOUT_THE_REQUEST) else 500
    return Refusal(_STATUS_OF_CODE.get(code, status), message).as_error()


def _code_and_message(error: WireObject) -> tuple[str, str]:
    code, message = error.get("code"), error.get("message")
    return code if isinstance(code, str) else "", message if isinstance(message, str) else ""

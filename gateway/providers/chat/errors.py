"""Errors of Chat Completions servers as ours (spec D35), in every form that these servers give them.

OpenAI's envelope, vLLM's older flat one (`object: error`), FastAPI's `detail`,
Ollama's bare text under `error`, and plain text.
"""

from collections.abc import Mapping
from typing import cast

from gateway.errors import GatewayError
from gateway.providers.refusals import Refusal, retry_after_s
from gateway.providers.wire import WireObject, as_object, object_or_none

# An answer that has begun is status 200, so its error has a code or a type only; this is the status of each.
_STATUS_OF_CODE = {
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "insufficient_quota": 429,
    "overloaded_error": 503,
    "unavailable_error": 503,
    "model_not_found": 404,
    "not_found_error": 404,
    "NotFoundError": 404,
    "authentication_error": 401,
    "permission_error": 403,
    "context_length_exceeded": 400,
    "exceed_context_size_error": 400,
    "invalid_request_error": 400,
    "BadRequestError": 400,
}


def error_of_answer(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """What an answer with another status than 200 means."""
    envelope = object_or_none(body)
    if envelope is None:
        return Refusal(status, _plain(body), retry_after_s(headers)).as_error()
    if _details(envelope).get("code") == "model_not_found":
        # Sent as 400 by some servers; the model is our catalog's, never the caller's mistake.
        status = 404
    return Refusal(status, _message(envelope), retry_after_s(headers)).as_error()


def error_of_frame(frame: WireObject) -> GatewayError | None:
    """The error that stands in place of an answer, or of what remains of one; None when there is none."""
    if not frame.get("error") and frame.get("object") != "error":
        return None
    details = _details(frame)
    known = (_status_of(details.get(field)) for field in ("code", "type"))
    return Refusal(next(filter(None, known), 500), _message(frame)).as_error()


def _details(envelope: WireObject) -> WireObject:
    return as_object(envelope.get("error")) or envelope


def _status_of(code: object) -> int | None:
    if isinstance(code, str) and code.isascii() and code.isdecimal():
        code = int(code[:4])
    if isinstance(code, int):
        return code if 400 <= code < 600 else None
    return _STATUS_OF_CODE.get(code) if isinstance(code, str) else None


def _message(envelope: WireObject) -> str:
    given = (envelope.get("error"), _details(envelope).get("message"), envelope.get("detail"))
    said = next((value for value in given if isinstance(value, str)), None)
    return _faults(envelope.get("detail")) if said is None else said


def _faults(detail: object) -> str:
    """FastAPI's list of what is wrong, without the values it repeats."""
    faults = [as_object(fault) or {} for fault in cast("list[object]", detail)] if isinstance(detail, list) else []
    return "; ".join(said for fault in faults if isinstance(said := fault.get("msg"), str))


def _plain(body: bytes) -> str:
    text = body.decode(errors="replace").strip()
    # A page of markup comes from something in between, and says nothing about the request.
    return "" if text.startswith("<") else text

"""What OpenAI's two APIs share: keys, errors, models."""

from collections.abc import Mapping
from uuid import uuid4

import orjson

from sandbox.wire import Json, RefusedError, as_object

_MODELS = ("gpt-5.5", "gpt-5.5-pro", "gpt-5.4", "gpt-5.4-mini", "gpt-5.3-codex")
_TYPES = {401: "invalid_request_error", 429: "rate_limit_error"}
_BUSY = frozenset({429, 529})
_TIERS = {"flex": "flex", "scale": "scale", "priority": "priority", "fast": "priority"}
_ASKABLE_TIERS = frozenset({"auto", "default", *_TIERS})
_CODES = {401: "invalid_api_key", 429: "rate_limit_exceeded", 500: "server_error", 503: "server_error"}


def refusal(
    status: int, message: str, *, param: str | None = None, code: str | None = None, retry_after: int | None = None
) -> RefusedError:
    """An error as the vendor words it. `retry_after` is in seconds; a busy vendor names some unless told otherwise."""
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    error = {"message": message, "type": kind, "param": param, "code": code or _CODES.get(status)}
    return RefusedError(status, {"error": error}, answer_headers() | _waiting(status, retry_after))


def failed(said: str, status: int, *, retry_after: int | None = None) -> RefusedError:
    """An error that was asked for."""
    return refusal(status, f"sandbox: asked to fail: {said}", retry_after=retry_after)


def _waiting(status: int, retry_after: int | None) -> dict[str, str]:
    if retry_after is not None:
        return {"retry-after": str(retry_after), "retry-after-ms": str(retry_after * 1000)}
    return {"retry-after": "7", "retry-after-ms": "6500"} if status in _BUSY else {}


def service_tier(request: Json) -> str:
    """The tier that served, by the one asked for."""
    return _TIERS.get(request.get("service_tier") or "auto", "default")


def answer_headers() -> dict[str, str]:
    return {"x-request-id": f"req_{uuid4().hex}", "openai-version": "2020-10-01", "openai-processing-ms": "1"}


def parse(headers: Mapping[str, str], body: bytes, fields: frozenset[str], required: tuple[str, ...]) -> Json:
    """The body of an authenticated request that has every required field and no unknown one."""
    authenticate(headers)
    request = _parsed(body)
    for name in required:
        if request.get(name) is None:
            message = f"Missing required parameter: '{name}'."
            raise refusal(400, message, param=name, code="missing_required_parameter")
    for name in request:
        if name not in fields:
            raise refusal(400, f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
    if not isinstance(request.get("model", ""), str | None):
        message = "Invalid type for 'model': expected a string."
        raise refusal(400, message, param="model", code="invalid_type")
    tier = request.get("service_tier")
    if tier is not None and tier not in _ASKABLE_TIERS:
        message = f"Invalid value: '{tier}'. Supported values are: {', '.join(sorted(_ASKABLE_TIERS))}."
        raise refusal(400, message, param="service_tier", code="invalid_value")
    return request


def authenticate(headers: Mapping[str, str]) -> None:
    if not headers.get("authorization", "").startswith("Bearer "):
        raise refusal(401, "You didn't provide an API key.")


def _parsed(body: bytes) -> Json:
    try:
        request = as_object(orjson.loads(body))
    except orjson.JSONDecodeError:
        request = None
    if request is None:
        raise refusal(400, "We could not parse the JSON body of your request.")
    return request


def models(headers: Mapping[str, str]) -> Json:
    """`GET /v1/models`."""
    authenticate(headers)
    listed = [{"id": model, "object": "model", "created": 1_767_225_600, "owned_by": "system"} for model in _MODELS]
    return {"object": "list", "data": listed}

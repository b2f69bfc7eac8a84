"""The error body of `/v1/openai/*`: OpenAI's, with our request id beside it (spec U5, U27, U31)."""

from collections.abc import Mapping

from api.dialect import Dialect, JsonObject, KeyHeaders, error_details
from gateway.errors import GatewayError, Kind

_TABLE: Mapping[Kind, tuple[int, str]] = {
    Kind.INVALID: (400, "invalid_request_error"),
    Kind.UNSUPPORTED: (400, "invalid_request_error"),
    Kind.UNAUTHENTICATED: (401, "authentication_error"),
    Kind.NO_AGREEMENT: (402, "permission_error"),
    # As clients know it, with `x-should-retry: false`: they would not read a 402.
    Kind.OVER_BUDGET: (429, "insufficient_quota"),
    Kind.FORBIDDEN: (403, "permission_error"),
    Kind.BLOCKED: (403, "permission_error"),
    Kind.NOT_FOUND: (404, "invalid_request_error"),
    Kind.METHOD_NOT_ALLOWED: (405, "invalid_request_error"),
    Kind.CONFLICT: (409, "invalid_request_error"),
    Kind.STALE: (412, "invalid_request_error"),
    Kind.GONE: (410, "invalid_request_error"),
    Kind.TOO_LARGE: (413, "invalid_request_error"),
    Kind.THROTTLED: (429, "rate_limit_error"),
    Kind.UPSTREAM: (502, "server_error"),
    Kind.UPSTREAM_BUSY: (503, "server_error"),
    Kind.UPSTREAM_TIMEOUT: (504, "server_error"),
    Kind.UNAVAILABLE: (503, "server_error"),
    Kind.INTERNAL: (500, "server_error"),
}

_CODES: Mapping[Kind, str] = {
    Kind.UNAUTHENTICATED: "invalid_api_key",
    Kind.OVER_BUDGET: "insufficient_quota",
    Kind.THROTTLED: "rate_limit_exceeded",
}
"""What clients of this vendor act upon; every other error is told by our own code."""


def code_of(error: GatewayError) -> str:
    """The word by which clients tell `error` from others."""
    if error.kind is Kind.NOT_FOUND and error.param == "model":
        return "model_not_found"
    return _CODES.get(error.kind, error.code)


def _envelope(error: GatewayError, error_type: str, request_id: str) -> JsonObject:
    told: JsonObject = {
        "message": error.text,
        "type": error_type,
        "param": error.param,
        "code": code_of(error),
        "hasp_code": error.code,
        "request_id": request_id,
    }
    if details := error_details(error):
        told["hasp_details"] = details
    return {"error": told}


OPENAI = Dialect("openai", _TABLE, _envelope, keys=KeyHeaders.API_KEY_FIRST)

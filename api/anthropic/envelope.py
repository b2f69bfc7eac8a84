"""Error bodies: of `/v1/messages`, Anthropic's with ours inside it (D7); of `/v1/anthropic/*`, Anthropic's own (O2)."""

from collections.abc import Mapping

from api.dialect import Dialect, JsonObject, KeyHeaders, error_details, error_fields
from gateway.errors import GatewayError, Kind

_TABLE: Mapping[Kind, tuple[int, str]] = {
    Kind.INVALID: (400, "invalid_request_error"),
    Kind.UNSUPPORTED: (400, "invalid_request_error"),
    Kind.UNAUTHENTICATED: (401, "authentication_error"),
    Kind.NO_AGREEMENT: (402, "permission_error"),
    Kind.OVER_BUDGET: (402, "permission_error"),
    Kind.FORBIDDEN: (403, "permission_error"),
    Kind.BLOCKED: (403, "permission_error"),
    Kind.NOT_FOUND: (404, "not_found_error"),
    Kind.METHOD_NOT_ALLOWED: (405, "invalid_request_error"),
    Kind.CONFLICT: (409, "invalid_request_error"),
    Kind.STALE: (412, "invalid_request_error"),
    Kind.GONE: (410, "not_found_error"),
    Kind.TOO_LARGE: (413, "request_too_large"),
    Kind.THROTTLED: (429, "rate_limit_error"),
    Kind.UPSTREAM: (502, "api_error"),
    Kind.UPSTREAM_BUSY: (503, "overloaded_error"),
    Kind.UPSTREAM_TIMEOUT: (502, "api_error"),
    Kind.UNAVAILABLE: (503, "overloaded_error"),
    Kind.INTERNAL: (500, "api_error"),
}


def _envelope(error: GatewayError, error_type: str, request_id: str) -> JsonObject:
    details = error_details(error)
    if error.param is not None:
        details["param"] = error.param
    return {
        "type": "error",
        "error": {
            **error_fields(error, error_type, request_id),
            "hasp_code": error.code,
            "hasp_details": details,
        },
        "success": False,
        "request_id": request_id,
        "meta": {"request_id": request_id},
    }


ANTHROPIC = Dialect("anthropic", _TABLE, _envelope)


def _plain(error: GatewayError, error_type: str, request_id: str) -> JsonObject:
    told: JsonObject = {"type": error_type, "message": error.text}
    if "error_code" in error.details:
        # Anthropic's own, by which its SDKs tell what to do instead.
        told["details"] = dict(error.details)
    return {"type": "error", "error": told, "request_id": request_id}


ANTHROPIC_PLAIN = Dialect(
    "anthropic_plain",
    {
        **_TABLE,
        # As clients know it, with `x-should-retry: false`.
        Kind.OVER_BUDGET: (429, "rate_limit_error"),
        # Of a model that is not shown any more they make out that it does not exist.
        Kind.GONE: (404, "not_found_error"),
        Kind.UPSTREAM_TIMEOUT: (504, "timeout_error"),
        Kind.UPSTREAM_BUSY: (529, "overloaded_error"),
    },
    _plain,
    keys=KeyHeaders.API_KEY_FIRST,
)

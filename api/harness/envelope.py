"""The error body of `/v1/chat/*`, `/v1/app/*`, `/v1/files/*` and `/v1/workflows/*` (spec U4).

`detail` is what the vendor's own SDK reads, `error` what OpenAI's clients do.
"""

from collections.abc import Mapping

from pydantic import JsonValue

from api.dialect import Dialect, JsonObject, KeyHeaders, error_details
from gateway.errors import GatewayError, Kind

_TABLE: Mapping[Kind, tuple[int, str]] = {
    Kind.INVALID: (422, "invalid_request_error"),
    Kind.UNSUPPORTED: (400, "invalid_request_error"),
    Kind.UNAUTHENTICATED: (401, "authentication_error"),
    Kind.NO_AGREEMENT: (402, "permission_error"),
    Kind.OVER_BUDGET: (429, "insufficient_quota"),
    Kind.FORBIDDEN: (403, "permission_error"),
    Kind.BLOCKED: (403, "permission_error"),
    Kind.NOT_FOUND: (404, "not_found_error"),
    Kind.METHOD_NOT_ALLOWED: (405, "invalid_request_error"),
    Kind.CONFLICT: (409, "conflict_error"),
    Kind.STALE: (412, "conflict_error"),
    Kind.GONE: (410, "not_found_error"),
    Kind.TOO_LARGE: (413, "invalid_request_error"),
    Kind.THROTTLED: (429, "rate_limit_error"),
    Kind.UPSTREAM: (502, "server_error"),
    Kind.UPSTREAM_BUSY: (503, "server_error"),
    Kind.UPSTREAM_TIMEOUT: (504, "server_error"),
    Kind.UNAVAILABLE: (503, "server_error"),
    Kind.INTERNAL: (500, "server_error"),
}


def _envelope(error: GatewayError, error_type: str, request_id: str) -> JsonObject:
    told: JsonObject = {"message": error.text, "type": error_type, "code": error.code, "param": error.param}
    if details := error_details(error):
        told["details"] = details
    return {"detail": _detail(error), "error": told, "request_id": request_id}


def _detail(error: GatewayError) -> JsonValue:
    if error.kind is not Kind.INVALID:
        return error.text
    place: list[JsonValue] = ["body", *error.param.split(".")] if error.param else ["body"]
    return [{"loc": place, "msg": error.text, "type": error.code.lower()}]


HARNESS = Dialect("harness", _TABLE, _envelope, 'ApiKey realm="hasp", header="X-API-Key"', keys=KeyHeaders.API_KEY_ONLY)

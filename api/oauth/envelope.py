"""OAuth's way of saying no (RFC 6749 section 5.2, RFC 6750 section 3.1)."""

from collections.abc import Mapping

from api.dialect import BEARER, Dialect, JsonObject
from gateway.errors import GatewayError, Kind

_INVALID = (400, "invalid_request")
_BUSY = (503, "temporarily_unavailable")
_TABLE: Mapping[Kind, tuple[int, str]] = {
    Kind.INVALID: _INVALID,
    Kind.UNSUPPORTED: _INVALID,
    Kind.UNAUTHENTICATED: (401, "invalid_client"),
    Kind.NO_AGREEMENT: (402, "access_denied"),
    Kind.OVER_BUDGET: (402, "access_denied"),
    Kind.FORBIDDEN: (403, "insufficient_scope"),
    Kind.BLOCKED: (403, "access_denied"),
    Kind.NOT_FOUND: _INVALID,
    Kind.METHOD_NOT_ALLOWED: (405, "invalid_request"),
    Kind.CONFLICT: (409, "invalid_request"),
    Kind.STALE: (412, "invalid_request"),
    Kind.GONE: (410, "invalid_request"),
    Kind.TOO_LARGE: (413, "invalid_request"),
    Kind.THROTTLED: (429, "temporarily_unavailable"),
    Kind.UPSTREAM: _BUSY,
    Kind.UPSTREAM_BUSY: _BUSY,
    Kind.UPSTREAM_TIMEOUT: _BUSY,
    Kind.UNAVAILABLE: _BUSY,
    Kind.INTERNAL: (500, "server_error"),
}


def _envelope(error: GatewayError, error_type: str, request_id: str) -> JsonObject:
    # Further members are allowed, and ignored by clients that do not know them.
    return {"error": error_type, "error_description": error.text, "code": error.code, "request_id": request_id}


# Whoever came with Basic has to be answered with it (RFC 6749 section 5.2).
OAUTH = Dialect("oauth", _TABLE, _envelope, f'Basic realm="hasp", {BEARER}')

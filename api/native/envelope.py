"""Envelopes of the native and control-plane surfaces (spec A5, D6)."""

from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import Response

from api.dialect import Dialect, JsonObject, error_fields
from gateway.errors import GatewayError, Kind

_TABLE: Mapping[Kind, tuple[int, str]] = {
    Kind.INVALID: (400, "invalid_request"),
    Kind.UNSUPPORTED: (400, "invalid_request"),
    Kind.UNAUTHENTICATED: (401, "unauthorized"),
    Kind.NO_AGREEMENT: (402, "payment_required"),
    Kind.OVER_BUDGET: (402, "payment_required"),
    Kind.FORBIDDEN: (403, "forbidden"),
    Kind.BLOCKED: (403, "forbidden"),
    Kind.NOT_FOUND: (404, "not_found"),
    Kind.METHOD_NOT_ALLOWED: (405, "method_not_allowed"),
    Kind.CONFLICT: (409, "conflict"),
    Kind.STALE: (412, "precondition_failed"),
    Kind.GONE: (410, "gone"),
    Kind.TOO_LARGE: (413, "request_too_large"),
    Kind.THROTTLED: (429, "rate_limited"),
    Kind.UPSTREAM: (502, "upstream_error"),
    Kind.UPSTREAM_BUSY: (503, "unavailable"),
    Kind.UPSTREAM_TIMEOUT: (502, "upstream_error"),
    Kind.UNAVAILABLE: (503, "unavailable"),
    Kind.INTERNAL: (500, "internal_error"),
}


def _envelope(error: GatewayError, error_type: str, request_id: str) -> JsonObject:
    return {
        "success": False,
        "error": error_fields(error, error_type, request_id),
        "meta": {"request_id": request_id},
    }


NATIVE = Dialect("native", _TABLE, _envelope)
CONTROL = Dialect("control", {**_TABLE, Kind.INVALID: (422, "unprocessable_entity")}, _envelope)
"""The control plane says 422 where inference says 400 (spec A6)."""


def success(
    data: Any,  # noqa: ANN401 - any JSON value
    *,
    request_id: str,
    status: int = 200,
    meta: Mapping[str, Any] | None = None,
) -> Response:
    """`data` in the native envelope. `data` and `meta` must be JSON already."""
    body = {"success": True, "data": data, "meta": {"request_id": request_id, **(meta or {})}}
    return Response(orjson.dumps(body), status_code=status, media_type="application/json")


def listed(items: list[dict[str, Any]], *, next_cursor: str | None, request_id: str) -> Response:
    """One page in the native envelope (spec O6)."""
    return success(items, request_id=request_id, meta={"next_cursor": next_cursor, "has_more": next_cursor is not None})

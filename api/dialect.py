"""A surface's way of saying no: one table from kinds of error to statuses, one envelope.

Routers take `dialect_route(...)` as their route class; it tags the request,
and the handlers in `api.refusals` render in the tag's dialect. What matches
no route is answered natively.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, cast

import orjson
from fastapi.routing import APIRoute
from pydantic import JsonValue
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from gateway.errors import GatewayError, Kind

JsonObject = dict[str, JsonValue]

BEARER = 'Bearer realm="hasp"'


class KeyHeaders(Enum):
    """Where a surface takes an API key from."""

    AGREEING = "agreeing"
    """`Authorization: Bearer` or `X-API-Key`; two that differ are nobody's (spec D3)."""
    API_KEY_FIRST = "api_key_first"
    """Either; where both are sent `X-API-Key` decides, valid or not (spec U2)."""
    API_KEY_ONLY = "api_key_only"
    """`X-API-Key`: the other header is for sessions of people (spec U1)."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """`table` gives status and error type for every kind; `envelope(error, type, request_id)` the body.

    `challenge` tells whoever is not authenticated how to be.
    """

    name: str
    table: Mapping[Kind, tuple[int, str]]
    envelope: Callable[[GatewayError, str, str], JsonObject]
    challenge: str = BEARER
    keys: KeyHeaders = KeyHeaders.AGREEING

    def status(self, error: GatewayError) -> int:
        return self.table[error.kind][0]

    def body(self, error: GatewayError, request_id: str) -> JsonObject:
        return self.envelope(error, self.table[error.kind][1], request_id)

    def render(self, error: GatewayError, request_id: str) -> bytes:
        return orjson.dumps(self.body(error, request_id))


def error_fields(error: GatewayError, error_type: str, request_id: str) -> JsonObject:
    """The error object of the native surfaces, which the Anthropic one carries inside its own (spec A5, D7)."""
    fields: JsonObject = {"type": error_type, "message": error.text, "code": error.code}
    if error.param is not None:
        fields["param"] = error.param
    if details := error_details(error):
        fields["details"] = details
    fields["retryable"] = error.retryable
    fields["request_id"] = request_id
    return fields


def error_details(error: GatewayError) -> JsonObject:
    details = dict(error.details)
    if error.retry_after_s is not None:
        details["retry_after_seconds"] = error.retry_after_s
    return details


# Clients retry by status: Claude Code even a 401, official SDKs a 409. Asking again changes none of these answers
# unless the error says so.
_FINAL = frozenset({Kind.UNAUTHENTICATED, Kind.NO_AGREEMENT, Kind.OVER_BUDGET, Kind.CONFLICT})


def error_headers(error: GatewayError, *, challenge: str = BEARER) -> dict[str, str]:
    headers: dict[str, str] = {}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(error.retry_after_s)
    if error.kind in _FINAL:
        headers["x-should-retry"] = "true" if error.retryable else "false"
    if error.kind is Kind.UNAUTHENTICATED:
        headers["www-authenticate"] = challenge
    return headers


class DialectRoute(APIRoute):
    """A route that answers in `dialect`, errors included."""

    dialect: ClassVar[Dialect]

    async def handle(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        scope["hasp.dialect"] = self.dialect
        await super().handle(scope, receive, send)


def dialect_route(spoken: Dialect) -> type[DialectRoute]:
    """The route class of a router that speaks `spoken`."""

    class Route(DialectRoute):
        dialect = spoken

    return Route


def dialect_of(scope: AsgiScope) -> Dialect | None:
    # Only `DialectRoute` writes it; ASGI scopes are untyped mappings.
    return cast("Dialect | None", scope.get("hasp.dialect"))

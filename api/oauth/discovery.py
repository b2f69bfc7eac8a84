"""What of OAuth there is here, for everybody: server metadata (RFC 8414) and the schema of grants (RFC 9396)."""

from hashlib import sha256
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from api.dialect import dialect_route
from api.manage.grant_schemas import grants_schema
from api.native.envelope import CONTROL
from api.oauth import examples
from api.state import gateway_of
from gateway.agents.grants import GrantType

router = APIRouter(route_class=dialect_route(CONTROL), tags=["OAuth"])

_KEPT_S = 300
_AUTH_METHODS = ["client_secret_basic", "Bearer"]
_NO_KEY: dict[str, Any] = {"security": []}
_UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "As `If-None-Match` has it."}}


@router.get(
    "/.well-known/oauth-authorization-server",
    summary="OAuth server metadata",
    response_class=Response,
    responses={200: examples.METADATA, **_UNCHANGED},
    openapi_extra=_NO_KEY,
)
async def describe_server(request: Request) -> Response:
    """Where tokens are introspected and revoked. No tokens are given out by OAuth: there is no endpoint for it.

    Needs no key.
    """
    base_url = gateway_of(request).settings.base_url
    return _public(
        request,
        {
            "issuer": base_url,
            "introspection_endpoint": f"{base_url}/v1/oauth/introspect",
            "introspection_endpoint_auth_methods_supported": _AUTH_METHODS,
            "revocation_endpoint": f"{base_url}/v1/oauth/revoke",
            "revocation_endpoint_auth_methods_supported": _AUTH_METHODS,
            "response_types_supported": [],
            # Left out, two kinds would be taken for granted (section 2).
            "grant_types_supported": [],
            "authorization_details_types_supported": [kind.value for kind in GrantType],
            "service_documentation": f"{base_url}/docs",
        },
    )


@router.get(
    "/v1/schemas/authorization_details",
    summary="Schema of grants",
    response_class=Response,
    responses={200: examples.SCHEMA, **_UNCHANGED},
    openapi_extra=_NO_KEY,
)
async def describe_grants(request: Request) -> Response:
    """A JSON Schema of `granted_scopes`: what it takes can be granted. Needs no key."""
    return _public(request, grants_schema())


def _public(request: Request, body: dict[str, Any]) -> Response:
    content = orjson.dumps(body)
    tag = f'"{sha256(content).hexdigest()[:32]}"'
    headers = {"cache-control": f"public, max-age={_KEPT_S}", "etag": tag}
    known = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    if tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type="application/json")

"""Introspection and revocation of agents' credentials, for services that honour them (RFC 7662, RFC 7009)."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from api.authentication import require_scope
from api.dialect import dialect_route
from api.exchange import exchange_of
from api.oauth import examples
from api.oauth.clients import authenticate_client
from api.oauth.envelope import OAUTH
from api.oauth.forms import read_token_form
from api.openapi import ACCESS_ERRORS, errors
from api.state import gateway_of
from gateway import errors as facts
from gateway.agents.grants import dump_for
from gateway.ids import AgentId
from gateway.tenancy import Access, Scope
from storage.agents.introspection import Introspected
from storage.agents.revocation import revoke

router = APIRouter(route_class=dialect_route(OAUTH), tags=["OAuth"])

_INACTIVE: Mapping[str, Any] = {"active": False}
_ERRORS = errors(OAUTH, *ACCESS_ERRORS, facts.ValidationFailedError, facts.TooLargeError)


@router.post(
    "/v1/oauth/introspect",
    summary="Introspect an agent's token",
    response_class=Response,
    responses={200: examples.INTROSPECTED, **_ERRORS},
    openapi_extra=examples.TOKEN_FORM,
)
async def introspect(request: Request) -> Response:
    """What a token is good for at this moment. Whatever is not usable now, or not yours, is only `active: false`.

    Needs an API key with the scope `control:read`; an agent may ask about its own credential and those below it.
    """
    access = await authenticate_client(request)
    _require(access, Scope.CONTROL_READ, Scope.CONTROL_WRITE)
    form = await read_token_form(request)
    found = await gateway_of(request).storage.introspection.find(access.principal.org, form.token)
    if found is None or not found.is_usable or not _may_know(access, found):
        return _told(_INACTIVE)
    return _told(_introspected(found, issuer=gateway_of(request).settings.base_url))


@router.post(
    "/v1/oauth/revoke",
    summary="Revoke an agent's token",
    response_class=Response,
    responses={200: examples.REVOKED, **_ERRORS},
    openapi_extra=examples.TOKEN_FORM,
)
async def revoke_token(request: Request) -> Response:
    """Revokes the credential and all below it at once. A token that is unknown, or not yours, is answered alike.

    Needs an API key with the scope `control:write`; an agent may give back its own credential and those below it.
    """
    access = await authenticate_client(request)
    _require(access, Scope.CONTROL_WRITE)
    form = await read_token_form(request)
    storage, exchange = gateway_of(request).storage, exchange_of(request)
    found = await storage.introspection.find(access.principal.org, form.token)
    if found is not None and _may_know(access, found) and _may_end(access, found):
        async with storage.begin(access.principal, ip_address=exchange.ip_address) as tx:
            await revoke(tx, found.id, reason="token_revoked")
    return _told({})


def _require(access: Access, *accepted: Scope) -> None:
    """A key needs the scope; an agent needs none for what is its own."""
    if access.principal.delegation is None:
        require_scope(access, *accepted)


def _may_know(access: Access, found: Introspected) -> bool:
    own = access.principal.delegation
    return own is None or own.credential in (found.id, *found.path)


def _may_end(access: Access, found: Introspected) -> bool:
    """A test key has no say over live credentials."""
    return access.principal.mode in (found.mode, "live")


def _introspected(found: Introspected, *, issuer: str) -> dict[str, Any]:
    types = dict.fromkeys(grant.type for grant in found.grants)
    return {
        "active": True,
        "iss": issuer,
        "sub": found.delegating_user,
        "client_id": found.agent_id,
        "jti": found.id,
        "token_type": "Bearer",
        "iat": int(found.issued_at.timestamp()),
        "exp": int(found.ends_at.timestamp()),
        "scope": " ".join(types),
        "authorization_details": [dump_for(grant, user=found.delegating_user) for grant in found.grants],
        "act": _acting(found.agent_id, found.agents),
        "hasp_mode": found.mode.value,
        "hasp_delegation_path": [*found.path],
    }


def _acting(agent: AgentId, above: Sequence[AgentId]) -> dict[str, Any]:
    """Who acts, and within it by whom that was let act, and so on (RFC 8693 section 4.1)."""
    acting: dict[str, Any] = {}
    for each in (*above, agent):
        acting = {"sub": each, "act": acting} if acting else {"sub": each}
    return acting


def _told(body: Mapping[str, Any]) -> Response:
    headers = {"cache-control": "no-store", "pragma": "no-cache"}
    return Response(orjson.dumps(body), headers=headers, media_type="application/json")

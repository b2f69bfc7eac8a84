"""Errors to answers: refusals are audited before they are told, in the dialect of the route."""

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import Scope as AsgiScope

from api.anthropic.envelope import ANTHROPIC_PLAIN
from api.dialect import Dialect, dialect_of, error_headers
from api.exchange import Exchange, exchange_of
from api.harness.envelope import HARNESS
from api.native.envelope import NATIVE
from api.openai.envelope import OPENAI
from api.rate_limits import counted
from api.state import gateway_of
from gateway.agents.credential import UnusableCredentialError
from gateway.agents.delegation import Delegation
from gateway.errors import (
    GatewayError,
    InternalError,
    Kind,
    MethodNotAllowedError,
    NotFoundError,
    RateLimitedError,
    TooLargeError,
    ValidationFailedError,
)
from gateway.ids import PLATFORM, OrganizationId
from gateway.inference.ports import Refusal
from gateway.inference.shielding import uninterrupted
from gateway.keys.api_key import OutsideNetworksError, RevokedApiKeyError

_ACCESS = frozenset({Kind.UNAUTHENTICATED, Kind.NO_AGREEMENT, Kind.FORBIDDEN})
_AREAS = {
    "openai": OPENAI,
    "anthropic": ANTHROPIC_PLAIN,
    **dict.fromkeys(("chat", "app", "files", "workflows"), HARNESS),
}
"""What other vendors' clients read below `/v1/`."""

_OURS = frozenset({Kind.UNAVAILABLE, Kind.INTERNAL})


async def refuse(scope: AsgiScope, error: GatewayError) -> Response:
    """`error` as an answer. A refusal that could not be audited becomes the 503 that says so."""
    exchange = exchange_of(scope)
    error = await counted(exchange, error)
    if _is_ours_to_audit(exchange, error):
        try:
            await uninterrupted(gateway_of(scope).storage.journal.refuse(_refusal(scope, exchange, error)))
        except GatewayError as unrecorded:
            error = unrecorded
    dialect = dialect_of(scope) or compatible_dialect(scope["path"]) or NATIVE
    exchange.error_code = error.code
    return Response(
        dialect.render(error, exchange.told_id),
        status_code=dialect.status(error),
        headers=error_headers(error, challenge=dialect.challenge),
        media_type="application/json",
    )


def compatible_dialect(path: str) -> Dialect | None:
    """What other vendors' clients read at `path`, whether or not anybody serves it; None for a path of ours."""
    version, _, rest = path[1:].partition("/")
    return _AREAS.get(rest.partition("/")[0]) if version == "v1" else None


def _is_ours_to_audit(exchange: Exchange, error: GatewayError) -> bool:
    """Whatever a known caller is refused, and a stranger's every attempt at access.

    Not audited are our own failures, which are in the logs, and paths and methods that nobody serves.
    """
    if exchange.handed_over or error.kind in _OURS:
        return False
    if isinstance(error, RateLimitedError) and error.repeated:
        return False
    return exchange.access is not None or exchange.surface is not None or error.kind in _ACCESS


def _refusal(scope: AsgiScope, exchange: Exchange, error: GatewayError) -> Refusal:
    org, who, delegation = _known(exchange, error)
    route = scope.get("route")
    return Refusal(
        org=org,
        id=exchange.id,
        error=error,
        at=gateway_of(scope).clock.now(),
        surface=exchange.surface,
        actor=who,
        delegation=delegation,
        ip_address=exchange.ip_address,
        path=route.path if route else None,
        model=exchange.model.id if exchange.model else None,
    )


def _known(exchange: Exchange, error: GatewayError) -> tuple[OrganizationId, str | None, Delegation | None]:
    """Whose token it was, as far as anybody can say: of which organisation, and who acted under what."""
    principal = exchange.access.principal if exchange.access is not None else None
    if isinstance(error, UnusableCredentialError):
        principal = principal or error.principal
    if principal is not None:
        return principal.org, principal.actor, principal.delegation
    if isinstance(error, RevokedApiKeyError | OutsideNetworksError):
        return error.org, f"key:{error.key}", None
    return PLATFORM, None, None


async def on_gateway_error(request: Request, error: Exception) -> Response:
    return await refuse(request.scope, error if isinstance(error, GatewayError) else InternalError())


async def on_invalid_request(request: Request, error: Exception) -> Response:
    """FastAPI's own validation, of query strings and paths: the declared name survives and nothing else."""
    if not isinstance(error, RequestValidationError):
        return await refuse(request.scope, InternalError())
    rule = error.errors()[0]
    # ("query", name): the name is the client's own when it is undeclared.
    loc: tuple[object, ...] = rule["loc"]
    if rule["type"] == "extra_forbidden":
        return await refuse(request.scope, ValidationFailedError("An unknown query parameter was sent."))
    param = str(loc[1]) if len(loc) > 1 else None
    text = f"`{param}` is required." if rule["type"] == "missing" else f"`{param}` is not valid."
    return await refuse(request.scope, ValidationFailedError(text, param=param))


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Starlette's own refusals: no such path, no such method."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    if isinstance(error.__cause__, GatewayError):
        return await refuse(request.scope, error.__cause__)
    facts: dict[int, GatewayError] = {
        400: ValidationFailedError(),
        404: NotFoundError("There is no such endpoint."),
        405: MethodNotAllowedError(),
        413: TooLargeError(),
    }
    response = await refuse(request.scope, facts.get(status) or InternalError())
    if isinstance(error, HTTPException) and error.headers:
        response.headers.update(error.headers)
    return response

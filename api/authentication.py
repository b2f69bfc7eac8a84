"""Who is asking, and may they: the first gates of every route (spec D3, D4, D5)."""

from collections.abc import Awaitable, Callable
from typing import assert_never

from fastapi import Request

from api.dialect import KeyHeaders, dialect_of
from api.exchange import exchange_of
from api.state import gateway_of
from gateway.errors import InvalidApiKeyError, MissingScopeError
from gateway.inference.call import Surface
from gateway.limits.limiter import Quota
from gateway.tenancy import Access, Scope
from storage.access_rows import is_well_formed

_SEND_API_KEY = (
    "Send the API key in `X-API-Key` here. As a bearer token it is taken by `/v1/openai/responses`,"
    " `/v1/anthropic/messages` and `/v1/anthropic/messages/count_tokens`."
)


async def authenticate(request: Request, *accepted: Scope) -> Access:
    """The caller's access, if its key holds any of `accepted` (none given: any valid key).

    Raises `InvalidApiKeyError`, `IpNotAllowedError`, `MissingScopeError`, or `UnavailableError` when keys cannot be
    looked up.
    """
    access = await identified(request, presented(request))
    require_scope(access, *accepted)
    return access


async def authenticate_ai(
    request: Request, *accepted: Scope, reads_only: bool = False, offers_tools: bool = False
) -> tuple[Access, Quota]:
    """`authenticate` for an AI endpoint: an agreement must be in force too, and its rate not be known to be used up.

    The request counts once the route says so, to the quota. What only reads records is let in for a while after an
    agreement has ended. Of an agent that `offers_tools` the agreement is asked for when its body is read.
    """
    access, gateway = await identified(request, presented(request)), gateway_of(request)
    exchange_of(request).quota = quota = gateway.limiter.quota(access)
    require_scope(access, *accepted)
    if reads_only:
        gateway.pipeline.require_readable(access.policy)
    elif not (offers_tools and access.principal.delegation):
        # An agent's tools come first, and those are in the body: `InferencePipeline.require_scope`.
        gateway.pipeline.require_agreement(access.policy)
    quota.require_open()
    return access, quota


async def admit_call(request: Request, surface: Surface, *accepted: Scope) -> Access:
    """`authenticate_ai` for an inference, which the pipeline counts; every refusal is audited."""
    exchange_of(request).surface = surface
    access, _ = await authenticate_ai(request, *accepted, offers_tools=True)
    return access


async def admit(request: Request, surface: Surface, *accepted: Scope) -> Access:
    """`authenticate_ai` for what needs no inference, counted; every refusal is audited."""
    exchange_of(request).surface = surface
    access, quota = await authenticate_ai(request, *accepted, offers_tools=True)
    await quota.admit()
    return access


def caller(*accepted: Scope) -> Callable[[Request], Awaitable[Access]]:
    """`authenticate` as a dependency: it refuses before FastAPI looks at any parameter."""

    async def dependency(request: Request) -> Access:
        return await authenticate(request, *accepted)

    return dependency


def admitted_reader(surface: Surface, *accepted: Scope) -> Callable[[Request], Awaitable[Access]]:
    """`admit`, as a dependency, for what only reads records."""

    async def dependency(request: Request) -> Access:
        exchange_of(request).surface = surface
        access, quota = await authenticate_ai(request, *accepted, reads_only=True)
        await quota.admit()
        return access

    return dependency


async def identified(request: Request, token: str) -> Access:
    """Who bears `token`, from now on the request's caller. Raises as `authenticate` does."""
    exchange = exchange_of(request)
    exchange.access = access = await gateway_of(request).storage.access.resolve(token, address=exchange.ip_address)
    return access


def require_scope(access: Access, *accepted: Scope) -> None:
    """Raises `MissingScopeError` unless the caller has any of `accepted`, or none is asked for."""
    if accepted and access.principal.scopes.isdisjoint(accepted):
        raise MissingScopeError(details={"required_scope": accepted[0].value})


def presented(request: Request) -> str:
    """The one token that the route's dialect takes. Raises `InvalidApiKeyError`."""
    dialect = dialect_of(request.scope)
    accepted = dialect.keys if dialect else KeyHeaders.AGREEING
    keys, bearers = _sent(request)
    match accepted:
        case KeyHeaders.AGREEING:
            found = keys | bearers
        case KeyHeaders.API_KEY_FIRST:
            found = keys or bearers
        case KeyHeaders.API_KEY_ONLY:
            takes_bearer = gateway_of(request).settings.harness_takes_bearer
            found = keys or bearers if takes_bearer else keys
            if bearers and not found:
                raise InvalidApiKeyError(_SEND_API_KEY)
        case _:
            assert_never(accepted)
    if len(found) != 1:
        raise InvalidApiKeyError
    token = found.pop().decode("latin-1")
    if not is_well_formed(token):
        raise InvalidApiKeyError
    return token


def _sent(request: Request) -> tuple[set[bytes], set[bytes]]:
    """What stands in `X-API-Key`, and in `Authorization`; nothing for a scheme other than Bearer."""
    keys: set[bytes] = set()
    bearers: set[bytes] = set()
    headers: list[tuple[bytes, bytes]] = request.scope["headers"]
    for name, value in headers:
        if name == b"x-api-key":
            keys.add(value.strip())
        elif name == b"authorization":
            scheme, _, credentials = value.partition(b" ")
            bearers.add(credentials.strip() if scheme.lower() == b"bearer" else b"")
    return keys, bearers

"""API keys: list, create, revoke (spec B4, D4, D24)."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api import examples
from api.authentication import caller
from api.dialect import dialect_route
from api.exchange import exchange_of
from api.manage.schemas import CreateKeyRequest
from api.native.envelope import CONTROL, listed, success
from api.openapi import ACCESS_ERRORS, errors, json_body
from api.state import gateway_of
from api.validation import read_object, validated
from gateway import errors as facts
from gateway.errors import MissingScopeError, NotFoundError, ValidationFailedError
from gateway.ids import ApiKeyId, find_ulid
from gateway.keys.api_key import ApiKey
from gateway.paging import DEFAULT_LIMIT, MAX_LIMIT
from gateway.tenancy import Access, KeyMode, Scope
from storage import key_issue

router = APIRouter(route_class=dialect_route(CONTROL), tags=["API keys"])

# Reading scope that also writes: published behaviour, kept (spec D4).
Caller = Annotated[Access, Depends(caller(Scope.CONTROL_READ, Scope.CONTROL_WRITE))]


class KeysQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT


@router.get(
    "/v1/api_keys",
    summary="List API keys",
    response_class=Response,
    responses={200: examples.KEYS, **errors(CONTROL, *ACCESS_ERRORS, facts.ValidationFailedError)},
)
async def list_keys(request: Request, access: Caller, query: Annotated[KeysQuery, Query()]) -> Response:
    """Keys that are not revoked, newest first. Needs the scope `control:read`."""
    async with gateway_of(request).storage.read(access.principal) as tx:
        page = await tx.keys.page(cursor=query.cursor, limit=query.limit)
    return listed(
        [_key(key) for key in page.items],
        next_cursor=page.next_cursor,
        request_id=exchange_of(request).request_id,
    )


@router.post(
    "/v1/api_keys",
    summary="Create an API key",
    status_code=201,
    response_class=Response,
    responses={
        201: examples.NEW_KEY,
        **errors(CONTROL, *ACCESS_ERRORS, facts.ValidationFailedError, facts.TooLargeError),
    },
    openapi_extra=json_body(CreateKeyRequest, examples.NEW_KEY_REQUEST),
)
async def create_key(request: Request, access: Caller) -> Response:
    """A key with its plaintext, which is never shown again. Needs the scope `control:read`.

    A test key can create test keys only, and only a key that has the scope `control:write` can give it.
    """
    wanted = validated(CreateKeyRequest, read_object(await request.body()), unknown=ValidationFailedError)
    mode = wanted.mode or access.principal.mode
    if access.principal.mode is KeyMode.TEST and mode is KeyMode.LIVE:
        raise ValidationFailedError("A test key can create test keys only.", param="mode")
    if Scope.CONTROL_WRITE in set(wanted.scopes) - access.principal.scopes:
        # Not one of the published scopes: nobody relies on getting it from a key that only reads.
        raise MissingScopeError(param="scopes", details={"required_scope": Scope.CONTROL_WRITE.value})
    exchange = exchange_of(request)
    async with gateway_of(request).storage.begin(access.principal, ip_address=exchange.ip_address) as tx:
        key, plaintext = await key_issue.issue_key(
            tx, name=wanted.name, scopes=tuple(dict.fromkeys(wanted.scopes)), mode=mode
        )
    data = _key(key)
    created = {"id": data.pop("id"), "name": data.pop("name"), "plaintext": plaintext, **data}
    return success(created, request_id=exchange.request_id, status=201)


@router.delete(
    "/v1/api_keys/{key_id}",
    summary="Revoke an API key",
    response_class=Response,
    responses={200: examples.REVOKED_KEY, **errors(CONTROL, *ACCESS_ERRORS, facts.NotFoundError)},
)
async def revoke_key(request: Request, access: Caller, key_id: str) -> Response:
    """Takes effect at once: a request in flight fails at its next check. A second revocation is 404."""
    ulid = find_ulid(key_id, "key_")
    if ulid is None:
        raise NotFoundError("The API key does not exist.", param="key_id")
    exchange = exchange_of(request)
    async with gateway_of(request).storage.begin(access.principal, ip_address=exchange.ip_address) as tx:
        key = await key_issue.revoke_key(tx, ApiKeyId(ulid))
    revoked_at = key.revoked_at.isoformat() if key.revoked_at else None
    return success({"id": key.id, "deleted": True, "revoked_at": revoked_at}, request_id=exchange.request_id)


def _key(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "last_four": key.last_four,
        "scopes": [scope.value for scope in key.scopes],
        "mode": key.mode.value,
        "last_used_at": key.last_used_at.isoformat() if key.last_used_at else None,
        "created_at": key.created_at.isoformat(),
        "revoked_at": key.revoked_at.isoformat() if key.revoked_at else None,
    }

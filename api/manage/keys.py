"""API keys: list, create, change, rotate, revoke (spec B4, D4, D24, D30)."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api import examples
from api.authentication import authenticate, caller
from api.dialect import dialect_route
from api.exchange import exchange_of
from api.idempotency import once
from api.manage.key_changes import changes_of, model_changes
from api.manage.schemas import ChangeKeyRequest, CreateKeyRequest, RotateKeyRequest
from api.native.envelope import CONTROL, listed, success
from api.openapi import ACCESS_ERRORS, IDEMPOTENCY_ERRORS, errors, json_body, once_a_key
from api.state import gateway_of
from api.validation import read_object, validated
from gateway import errors as facts
from gateway.errors import InvalidApiKeyError, NotFoundError, ValidationFailedError
from gateway.ids import ApiKeyId, find_ulid
from gateway.inference.naming import SHORTHANDS
from gateway.keys.api_key import ApiKey, KeyChanges, RevokedApiKeyError
from gateway.keys.minting import Reach, lendable, reach_of, require_mode, require_within
from gateway.paging import DEFAULT_LIMIT, MAX_LIMIT
from gateway.tenancy import Access, Scope
from storage import key_issue
from storage.transaction import Transaction

router = APIRouter(route_class=dialect_route(CONTROL), tags=["API keys"])

_READING = (Scope.CONTROL_READ, Scope.CONTROL_WRITE)


async def _writer(request: Request) -> Access:
    # Reading scope that also writes: published behaviour, kept unless the operator is strict (spec D4).
    strict = gateway_of(request).settings.strict_key_scopes
    return await authenticate(request, *((Scope.CONTROL_WRITE,) if strict else _READING))


Reader = Annotated[Access, Depends(caller(*_READING))]
Writer = Annotated[Access, Depends(_writer)]


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
async def list_keys(request: Request, access: Reader, query: Annotated[KeysQuery, Query()]) -> Response:
    """Keys that are not revoked, those too that have ended or are replaced; newest first. Needs `control:read`."""
    gateway = gateway_of(request)
    async with gateway.storage.read(access.principal) as tx:
        page = await tx.keys.page(cursor=query.cursor, limit=query.limit, now=gateway.clock.now())
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
        **errors(CONTROL, *ACCESS_ERRORS, *IDEMPOTENCY_ERRORS, facts.ValidationFailedError, facts.TooLargeError),
    },
    openapi_extra=once_a_key(json_body(CreateKeyRequest, examples.NEW_KEY_REQUEST)),
)
async def create_key(request: Request, access: Writer) -> Response:
    """A key with its plaintext, which is never shown again. Needs the scope `control:read`.

    A test key can create test keys only, and only a key that has the scope `control:write` can give it.
    """
    wanted = validated(CreateKeyRequest, read_object(await request.body()), unknown=ValidationFailedError)
    mode = wanted.mode or access.principal.mode

    async def issue(tx: Transaction) -> Response:
        giver = await _giver(request, tx, access)
        bounds = KeyChanges(owner=giver.owner) | changes_of(wanted, now=gateway_of(request).clock.now())
        _require_may_give(request, giver, Reach(frozenset(wanted.scopes), mode).changed(bounds))
        key, plaintext = await key_issue.issue_key(
            tx,
            name=wanted.name,
            scopes=tuple(dict.fromkeys(wanted.scopes)),
            mode=mode,
            expires_at=bounds.get("expires_at"),
            networks=bounds.get("networks", ()),
            credit_cap=wanted.credit_cap,
            owner=bounds.get("owner"),
        )
        return success(_new_key(key, plaintext), request_id=exchange_of(request).request_id, status=201)

    return await once(request, access, issue, shows="api_key")


@router.patch(
    "/v1/api_keys/{key_id}",
    summary="Change an API key",
    response_class=Response,
    responses={
        200: examples.KEY,
        **errors(CONTROL, *ACCESS_ERRORS, facts.NotFoundError, facts.ValidationFailedError, facts.TooLargeError),
    },
    openapi_extra=json_body(ChangeKeyRequest, examples.CHANGE_KEY_REQUEST),
)
async def change_key(request: Request, access: Writer, key_id: str) -> Response:
    """Changes the fields that are sent, in every API process within a second. Needs the scope `control:read`.

    A key that has the scope `control:write` is changed only by one that has it too, a live key only by a live one.
    """
    wanted = validated(ChangeKeyRequest, read_object(await request.body()), unknown=ValidationFailedError)
    exchange, gateway = exchange_of(request), gateway_of(request)
    now = gateway.clock.now()
    changes = changes_of(wanted, now=now) | model_changes(wanted, access, catalog=gateway.catalog, now=now)
    if not changes:
        raise ValidationFailedError("Send at least one field to change.")
    ulid = _known(key_id)
    async with gateway.storage.begin(access.principal, ip_address=exchange.ip_address) as tx:
        held = await tx.keys.lock(ulid)
        giver = await _giver(request, tx, access)
        _require_may_give(request, giver, reach_of(held), reach_of(held).changed(changes), to=held)
        key = await key_issue.change_key(tx, ulid, changes)
    return success(_key(key), request_id=exchange.request_id)


@router.post(
    "/v1/api_keys/{key_id}/rotate",
    summary="Rotate an API key",
    status_code=201,
    response_class=Response,
    responses={
        201: examples.SUCCESSOR_KEY,
        **errors(
            CONTROL,
            *ACCESS_ERRORS,
            *IDEMPOTENCY_ERRORS,
            facts.NotFoundError,
            facts.AlreadyRotatedError,
            facts.ValidationFailedError,
            facts.TooLargeError,
        ),
    },
    openapi_extra=once_a_key(json_body(RotateKeyRequest, examples.ROTATE_KEY_REQUEST)),
)
async def rotate_key(request: Request, access: Writer, key_id: str) -> Response:
    """A successor with the same name, scopes, mode and limits, and its plaintext. Needs the scope `control:read`.

    The key itself works until its grace ends, and that starts when the successor is first used. An empty body is `{}`.
    """
    wanted = validated(RotateKeyRequest, read_object(await request.body() or b"{}"), unknown=ValidationFailedError)
    ulid = _known(key_id)

    async def rotate(tx: Transaction) -> Response:
        held = await tx.keys.lock(ulid)
        _require_may_give(request, await _giver(request, tx, access), reach_of(held))
        key, plaintext = await key_issue.rotate_key(tx, ulid, grace_s=wanted.grace_seconds)
        return success(_new_key(key, plaintext), request_id=exchange_of(request).request_id, status=201)

    return await once(request, access, rotate, shows="api_key")


@router.delete(
    "/v1/api_keys/{key_id}",
    summary="Revoke an API key",
    response_class=Response,
    responses={200: examples.REVOKED_KEY, **errors(CONTROL, *ACCESS_ERRORS, facts.NotFoundError)},
)
async def revoke_key(request: Request, access: Writer, key_id: str) -> Response:
    """Takes effect at once: a request in flight fails at its next check. A second revocation is 404.

    A test key revokes test keys only.
    """
    exchange, ulid = exchange_of(request), _known(key_id)
    async with gateway_of(request).storage.begin(access.principal, ip_address=exchange.ip_address) as tx:
        require_mode(access.principal.mode, (await tx.keys.lock(ulid)).mode)
        key = await key_issue.revoke_key(tx, ulid)
    revoked_at = key.revoked_at.isoformat() if key.revoked_at else None
    return success({"id": key.id, "deleted": True, "revoked_at": revoked_at}, request_id=exchange.request_id)


async def _giver(request: Request, tx: Transaction, access: Access) -> ApiKey:
    """The caller's key as it is now.

    Raises `RevokedApiKeyError` when it is revoked by now, whatever this process still believed.
    """
    principal = access.principal
    if principal.key is None:
        raise InvalidApiKeyError
    try:
        return await tx.keys.get(principal.key, now=gateway_of(request).clock.now())
    except NotFoundError:
        raise RevokedApiKeyError(principal.org, principal.key) from None


def _require_may_give(request: Request, giver: ApiKey, *wanted: Reach, to: ApiKey | None = None) -> None:
    """Refuse unless `giver` has all of `wanted` to give (`to` a key that is there already).

    Raises as `require_within` does.
    """
    strict = gateway_of(request).settings.strict_key_scopes
    for reach in wanted:
        require_within(lendable(giver, to=to), reach, strict=strict)


def _new_key(key: ApiKey, plaintext: str) -> dict[str, Any]:
    data = _key(key)
    return {"id": data.pop("id"), "name": data.pop("name"), "plaintext": plaintext, **data}


def _known(key_id: str) -> ApiKeyId:
    """Raises `NotFoundError` for what cannot be a key's id."""
    ulid = find_ulid(key_id, "key_")
    if ulid is None:
        raise NotFoundError("The API key does not exist.", param="key_id")
    return ApiKeyId(ulid)


def _key(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "last_four": key.last_four,
        "scopes": [scope.value for scope in key.scopes],
        "mode": key.mode.value,
        "expires_at": key.expires_at.isoformat() if key.expires_at else None,
        "ip_allowlist": [*map(str, key.networks)],
        "credit_cap": key.credit_cap,
        "credits_used": key.credits_used,
        "owner": key.owner,
        "model_shorthands": {name: key.model_shorthands.get(name) for name in SHORTHANDS},
        "model_shorthands_enabled": key.model_shorthands_enabled,
        "auto_mode": key.auto_mode.value,
        "replaces": key.replaces,
        "retires_at": key.retires_at.isoformat() if key.retires_at else None,
        "last_used_at": key.last_used_at.isoformat() if key.last_used_at else None,
        "created_at": key.created_at.isoformat(),
        "revoked_at": key.revoked_at.isoformat() if key.revoked_at else None,
    }

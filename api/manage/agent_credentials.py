"""Credentials of agents: list, issue, hand on, rotate, revoke (spec B11, D30)."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api import agent_credential_examples as examples
from api.authentication import authenticate, caller, require_scope
from api.dialect import dialect_route
from api.exchange import exchange_of
from api.idempotency import once
from api.manage.agent_credential_answers import receipt, shown
from api.manage.agent_credential_schemas import (
    IssueCredentialRequest,
    RevokeCredentialRequest,
    RotateCredentialRequest,
)
from api.manage.grant_schemas import read_grants
from api.native.envelope import CONTROL, listed, success
from api.openapi import ACCESS_ERRORS, IDEMPOTENCY_ERRORS, errors, json_body, once_a_key
from api.state import gateway_of
from api.validation import read_object, validated
from gateway import errors as facts
from gateway.agents.agent import AgentArchivedError
from gateway.agents.credential import (
    AlreadyRotatedCredentialError,
    Credential,
    CredentialEndedError,
    CredentialStatus,
    TooManyCredentialsError,
)
from gateway.agents.issuing import DelegationExceedsParentError, Wish, require_owner
from gateway.errors import InvalidApiKeyError, NotFoundError, ValidationFailedError
from gateway.ids import AgentId, CredentialId, find_ulid
from gateway.keys.api_key import ApiKey, RevokedApiKeyError
from gateway.keys.minting import Reach, lendable, require_within
from gateway.paging import DEFAULT_LIMIT, MAX_LIMIT
from gateway.tenancy import Access, KeyMode, Scope
from storage.agents.issue import hand_on, issue_credential, rotate_credential
from storage.agents.revocation import MOST_LISTED, revoke
from storage.transaction import Transaction

router = APIRouter(route_class=dialect_route(CONTROL), tags=["Agents"])


async def _issuer(request: Request) -> Access:
    """A key with the scope, or an agent: what that may hand on is said by its own credential.

    Nobody gets a credential without an agreement in force (spec D5).
    """
    access = await authenticate(request)
    if access.principal.delegation is None:
        require_scope(access, Scope.CONTROL_WRITE)
    gateway_of(request).pipeline.require_agreement(access.policy)
    return access


Reader = Annotated[Access, Depends(caller(Scope.CONTROL_READ, Scope.CONTROL_WRITE))]
Writer = Annotated[Access, Depends(caller(Scope.CONTROL_WRITE))]
Issuer = Annotated[Access, Depends(_issuer)]


class CredentialsQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    status: Literal["active", "revoked", "expired", "all"] = "active"
    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT


@router.get(
    "/v1/agents/{agent_id}/credentials",
    summary="List an agent's credentials",
    response_class=Response,
    responses={
        200: examples.CREDENTIALS,
        **errors(CONTROL, *ACCESS_ERRORS, facts.NotFoundError, facts.ValidationFailedError),
    },
)
async def list_credentials(
    request: Request, access: Reader, agent_id: str, query: Annotated[CredentialsQuery, Query()]
) -> Response:
    """Newest first, without their tokens; those that are active, unless `status` says otherwise.

    What goes along with one above it is refused at once, and shown as revoked when its cascade has come to it.
    Needs the scope `control:read`.
    """
    gateway, ulid = gateway_of(request), _agent(agent_id)
    now, status = gateway.clock.now(), None if query.status == "all" else CredentialStatus(query.status)
    async with gateway.storage.read(access.principal) as tx:
        await tx.agents.get(ulid, now=now)
        page = await tx.agent_credentials.page(ulid, status=status, cursor=query.cursor, limit=query.limit, now=now)
    return listed(
        [shown(each, now) for each in page.items],
        next_cursor=page.next_cursor,
        request_id=exchange_of(request).request_id,
    )


@router.post(
    "/v1/agents/{agent_id}/credentials",
    summary="Issue a credential",
    status_code=201,
    response_class=Response,
    responses={
        201: examples.NEW_CREDENTIAL,
        **errors(
            CONTROL,
            *ACCESS_ERRORS,
            facts.BaaRequiredError,
            *IDEMPOTENCY_ERRORS,
            DelegationExceedsParentError,
            facts.NotFoundError,
            AgentArchivedError,
            TooManyCredentialsError,
            facts.ValidationFailedError,
            facts.TooLargeError,
        ),
    },
    openapi_extra=once_a_key(json_body(IssueCredentialRequest, examples.ISSUE_REQUEST)),
)
async def issue(request: Request, access: Issuer, agent_id: str) -> Response:
    """A credential with its token, which is never shown again. Needs `control:write`, and an agreement in force.

    An agent hands on what it has with its own token, which has to have the grant `agent.delegate` for this agent.
    """
    body = read_object(await request.body())
    wish, ulid = _wish(validated(IssueCredentialRequest, body, unknown=ValidationFailedError)), _agent(agent_id)

    async def effect(tx: Transaction) -> Response:
        now, own = gateway_of(request).clock.now(), access.principal.delegation
        if own is not None:
            made, token = await hand_on(tx, ulid, wish, by=own, now=now)
        else:
            key = await _giver(request, tx, access)
            made, token = await issue_credential(tx, ulid, wish, by=key.mode, owner=key.owner, now=now)
            await _require_may_give(request, tx, key, made)
        return _answered(request, {"credential": shown(made, now), "token": token}, status=201)

    return await once(request, access, effect, shows="agent_credential")


@router.get(
    "/v1/agents/{agent_id}/credentials/{credential_id}",
    summary="Read a credential",
    response_class=Response,
    responses={200: examples.CREDENTIAL, **errors(CONTROL, *ACCESS_ERRORS, facts.NotFoundError)},
)
async def get_credential(request: Request, access: Reader, agent_id: str, credential_id: str) -> Response:
    """What it may be used for, until when, and how it came about; never its token. Needs the scope `control:read`."""
    gateway = gateway_of(request)
    async with gateway.storage.read(access.principal) as tx:
        found = await tx.agent_credentials.get(_agent(agent_id), _known(credential_id))
    return _answered(request, {"credential": shown(found, gateway.clock.now())})


@router.post(
    "/v1/agents/{agent_id}/credentials/{credential_id}/revoke",
    summary="Revoke a credential",
    response_class=Response,
    responses={
        200: examples.REVOKED,
        **errors(
            CONTROL,
            *ACCESS_ERRORS,
            *IDEMPOTENCY_ERRORS,
            facts.NotFoundError,
            facts.ValidationFailedError,
            facts.TooLargeError,
        ),
    },
    openapi_extra=once_a_key(json_body(RevokeCredentialRequest, examples.REVOKE_REQUEST)),
)
async def revoke_credential(request: Request, access: Writer, agent_id: str, credential_id: str) -> Response:
    """Refused at once, and all that was handed on from it; a second revocation changes nothing and answers alike.

    Calls that run with it end as its `revocation_policy` says, those below it in any case. An empty body is `{}`.
    Needs the scope `control:write`; a test key revokes test credentials only.
    """
    body = read_object(await request.body() or b"{}")
    wanted = validated(RevokeCredentialRequest, body, unknown=ValidationFailedError)
    agent, ulid = _agent(agent_id), _known(credential_id)

    async def effect(tx: Transaction) -> Response:
        cascade = await revoke(tx, ulid, reason=wanted.reason)
        # Raises, and takes the revocation back, where it is not that agent's, or not the key's to revoke.
        revoked = await tx.agent_credentials.get(agent, ulid)
        _require_mode(access, revoked)
        data = {
            "credential": shown(revoked, gateway_of(request).clock.now()),
            "cascade_revoked_credential_ids": [*cascade.along[:MOST_LISTED]],
            "cascade": receipt(cascade),
        }
        return _answered(request, data)

    return await once(request, access, effect)


@router.post(
    "/v1/agents/{agent_id}/credentials/{credential_id}/rotate",
    summary="Rotate a credential",
    status_code=201,
    response_class=Response,
    responses={
        201: examples.SUCCESSOR,
        **errors(
            CONTROL,
            *ACCESS_ERRORS,
            *IDEMPOTENCY_ERRORS,
            facts.NotFoundError,
            AgentArchivedError,
            AlreadyRotatedCredentialError,
            CredentialEndedError,
            facts.ValidationFailedError,
            facts.TooLargeError,
        ),
    },
    openapi_extra=once_a_key(json_body(RotateCredentialRequest, examples.ROTATE_REQUEST)),
)
async def rotate(request: Request, access: Writer, agent_id: str, credential_id: str) -> Response:
    """A successor with the same grants, user, path and end, and its token. What was handed on stays as it is.

    The credential itself works until its overlap ends. An empty body is `{}`. Needs the scope `control:write`;
    a test key rotates test credentials only.
    """
    body = read_object(await request.body() or b"{}")
    wanted = validated(RotateCredentialRequest, body, unknown=ValidationFailedError)
    agent, ulid = _agent(agent_id), _known(credential_id)

    async def effect(tx: Transaction) -> Response:
        key = await _giver(request, tx, access)
        overlap = timedelta(seconds=wanted.overlap_seconds)
        old, successor, token = await rotate_credential(tx, agent, ulid, overlap=overlap)
        _require_mode(access, old)
        require_owner(old.delegating_user, key.owner)
        await _require_may_give(request, tx, key, successor)
        now = gateway_of(request).clock.now()
        data = {"credential": shown(successor, now), "token": token, "replaced": shown(old, now)}
        return _answered(request, data, status=201)

    return await once(request, access, effect, shows="agent_credential")


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


async def _require_may_give(request: Request, tx: Transaction, key: ApiKey, made: Credential) -> None:
    """Where operators are strict about keys, one gives no agent what it could not give another key.

    Raises as `require_within` does.
    """
    gateway = gateway_of(request)
    if gateway.settings.strict_key_scopes:
        agent = await tx.agents.get(made.agent_id, now=gateway.clock.now())
        reach = Reach(frozenset({Scope.AI_CHAT}), made.mode, made.expires_at, credit_cap=agent.credit_cap)
        require_within(lendable(key), reach, strict=True)


def _require_mode(access: Access, credential: Credential) -> None:
    if access.principal.mode is KeyMode.TEST and credential.mode is KeyMode.LIVE:
        raise ValidationFailedError("A test key can issue, rotate and revoke test credentials only.", param="mode")


def _wish(wanted: IssueCredentialRequest) -> Wish:
    return Wish(
        name=wanted.name,
        grants=read_grants("granted_scopes", wanted.granted_scopes),
        description=wanted.description or None,
        mode=wanted.mode,
        delegating_user=wanted.delegating_user,
        revocation_policy=wanted.revocation_policy,
        max_concurrent_invocations=wanted.max_concurrent_invocations,
        expires_at=wanted.expires_at,
    )


def _agent(given: str) -> AgentId:
    """Raises `NotFoundError` for what cannot be an agent's id."""
    ulid = find_ulid(given)
    if ulid is None:
        raise NotFoundError("The agent does not exist.", param="agent_id")
    return AgentId(ulid)


def _known(given: str) -> CredentialId:
    """Raises `NotFoundError` for what cannot be a credential's id."""
    ulid = find_ulid(given)
    if ulid is None:
        raise NotFoundError("The credential does not exist.", param="credential_id")
    return CredentialId(ulid)


def _answered(request: Request, data: dict[str, Any], *, status: int = 200) -> Response:
    return success(data, request_id=exchange_of(request).request_id, status=status)

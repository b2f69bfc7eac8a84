"""Agents: list, register, read, change, archive, reactivate (spec B10, D30)."""

from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api import agent_examples as examples
from api.authentication import authenticate, caller
from api.dialect import dialect_route
from api.exchange import exchange_of
from api.idempotency import once
from api.manage.agent_credential_answers import receipt
from api.manage.agent_schemas import ChangeAgentRequest, CreateAgentRequest, changes_of, new_agent
from api.manage.preconditions import IfMatch, tagged, versions
from api.native.envelope import CONTROL, listed, success
from api.openapi import ACCESS_ERRORS, IDEMPOTENCY_ERRORS, errors, json_body, once_a_key
from api.state import gateway_of
from api.validation import read_object, validated
from gateway import errors as facts
from gateway.agents.agent import Agent, AgentChanges, AgentNameTakenError, AgentStatus, TooManyAgentsError
from gateway.errors import InvalidApiKeyError, MissingScopeError, NotFoundError, ValidationFailedError
from gateway.ids import AgentId, find_ulid
from gateway.keys.api_key import RevokedApiKeyError
from gateway.keys.minting import lendable, require_within
from gateway.paging import DEFAULT_LIMIT, MAX_LIMIT
from gateway.tenancy import Access, KeyMode, Scope
from storage.agents.registration import change_agent, reactivate_agent, register_agent
from storage.agents.revocation import MOST_LISTED, archive
from storage.transaction import Transaction

router = APIRouter(route_class=dialect_route(CONTROL), tags=["Agents"])


async def _writer(request: Request) -> Access:
    access = await authenticate(request, Scope.CONTROL_WRITE)
    if access.principal.mode is KeyMode.TEST:
        raise MissingScopeError("A test key cannot change agents: live credentials are theirs too.")
    return access


Reader = Annotated[Access, Depends(caller(Scope.CONTROL_READ, Scope.CONTROL_WRITE))]
Writer = Annotated[Access, Depends(_writer)]


class AgentsQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    status: Literal["active", "archived", "all"] = "active"
    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT


@router.get(
    "/v1/agents",
    summary="List agents",
    response_class=Response,
    responses={200: examples.AGENTS, **errors(CONTROL, *ACCESS_ERRORS, facts.ValidationFailedError)},
)
async def list_agents(request: Request, access: Reader, query: Annotated[AgentsQuery, Query()]) -> Response:
    """Newest first; those that are active, unless `status` says otherwise. Needs the scope `control:read`."""
    gateway = gateway_of(request)
    status = None if query.status == "all" else AgentStatus(query.status)
    async with gateway.storage.read(access.principal) as tx:
        page = await tx.agents.page(status=status, cursor=query.cursor, limit=query.limit, now=gateway.clock.now())
    return listed([*map(_shown, page.items)], next_cursor=page.next_cursor, request_id=exchange_of(request).request_id)


@router.post(
    "/v1/agents",
    summary="Register an agent",
    status_code=201,
    response_class=Response,
    responses={
        201: examples.AGENT,
        **errors(
            CONTROL,
            *ACCESS_ERRORS,
            *IDEMPOTENCY_ERRORS,
            AgentNameTakenError,
            TooManyAgentsError,
            facts.ValidationFailedError,
            facts.TooLargeError,
        ),
    },
    openapi_extra=once_a_key(json_body(CreateAgentRequest, examples.CREATE_REQUEST)),
)
async def create_agent(request: Request, access: Writer) -> Response:
    """An identity that may do nothing until it is issued a credential.

    Needs the scope `control:write`, of a live key.
    """
    wanted = validated(CreateAgentRequest, read_object(await request.body()), unknown=ValidationFailedError)
    agent = new_agent(wanted, gateway_of(request).catalog)

    async def register(tx: Transaction) -> Response:
        return _answered(request, await register_agent(tx, agent), status=201)

    return await once(request, access, register)


@router.get(
    "/v1/agents/{agent_id}",
    summary="Read an agent",
    response_class=Response,
    responses={200: examples.AGENT, **errors(CONTROL, *ACCESS_ERRORS, facts.NotFoundError)},
)
async def get_agent(request: Request, access: Reader, agent_id: str) -> Response:
    """How it is set, and what it used. Its `ETag` is for changing it. Needs the scope `control:read`."""
    gateway = gateway_of(request)
    async with gateway.storage.read(access.principal) as tx:
        agent = await tx.agents.get(_known(agent_id), now=gateway.clock.now())
    return _answered(request, agent)


@router.patch(
    "/v1/agents/{agent_id}",
    summary="Change an agent",
    response_class=Response,
    responses={
        200: examples.AGENT,
        **errors(
            CONTROL,
            *ACCESS_ERRORS,
            facts.NotFoundError,
            AgentNameTakenError,
            facts.ValidationFailedError,
            facts.PreconditionFailedError,
            facts.TooLargeError,
        ),
    },
    openapi_extra=json_body(ChangeAgentRequest, examples.CHANGE_REQUEST),
)
async def change(request: Request, access: Writer, agent_id: str, if_match: IfMatch = None) -> Response:
    """Changes the fields that are sent. Models and cap hold for its credentials at once, the rest for later ones.

    Needs the scope `control:write`, of a live key.
    """
    wanted = validated(ChangeAgentRequest, read_object(await request.body()), unknown=ValidationFailedError)
    ulid, changes = _known(agent_id), changes_of(wanted, gateway_of(request).catalog)
    if not changes:
        raise ValidationFailedError("Send at least one field to change.")
    storage, address = gateway_of(request).storage, exchange_of(request).ip_address
    async with storage.begin(access.principal, ip_address=address) as tx:
        await _require_may_cap(request, tx, access, changes)
        agent = await change_agent(tx, ulid, changes, only_versions=versions(if_match))
    return _answered(request, agent)


@router.post(
    "/v1/agents/{agent_id}/archive",
    summary="Archive an agent",
    response_class=Response,
    responses={200: examples.ARCHIVED, **errors(CONTROL, *ACCESS_ERRORS, *IDEMPOTENCY_ERRORS, facts.NotFoundError)},
    openapi_extra=once_a_key({}),
)
async def archive_agent(request: Request, access: Writer, agent_id: str) -> Response:
    """All its credentials, and those handed on from them, are refused at once, and their calls cut.

    A second time changes nothing and answers alike. No body is read. Needs the scope `control:write`, of a live key.
    """
    ulid = _known(agent_id)

    async def effect(tx: Transaction) -> Response:
        agent, cascade = await archive(tx, ulid)
        along = {
            "cascade_revoked_credential_ids": [*cascade.along[:MOST_LISTED]],
            "cascade": receipt(cascade),
        }
        return _answered(request, agent, along)

    return await once(request, access, effect)


@router.post(
    "/v1/agents/{agent_id}/reactivate",
    summary="Reactivate an agent",
    response_class=Response,
    responses={200: examples.AGENT, **errors(CONTROL, *ACCESS_ERRORS, *IDEMPOTENCY_ERRORS, facts.NotFoundError)},
    openapi_extra=once_a_key({}),
)
async def reactivate(request: Request, access: Writer, agent_id: str) -> Response:
    """It may be issued credentials again; none of those it had comes back. A second time changes nothing.

    No body is read. Needs the scope `control:write`, of a live key.
    """
    ulid = _known(agent_id)

    async def effect(tx: Transaction) -> Response:
        return _answered(request, await reactivate_agent(tx, ulid))

    return await once(request, access, effect)


async def _require_may_cap(request: Request, tx: Transaction, access: Access, changes: AgentChanges) -> None:
    """Where operators are strict about keys, one lets no agent spend more than itself.

    Raises `RevokedApiKeyError` when it is revoked by now, and `ValidationFailedError` naming `credit_cap`.
    """
    gateway, principal = gateway_of(request), access.principal
    if not gateway.settings.strict_key_scopes or "credit_cap" not in changes:
        return
    if principal.key is None:
        raise InvalidApiKeyError
    try:
        own = lendable(await tx.keys.get(principal.key, now=gateway.clock.now()))
    except NotFoundError:
        raise RevokedApiKeyError(principal.org, principal.key) from None
    require_within(own, replace(own, credit_cap=changes["credit_cap"]), strict=True)


def _known(agent_id: str) -> AgentId:
    """Raises `NotFoundError` for what cannot be an agent's id."""
    ulid = find_ulid(agent_id)
    if ulid is None:
        raise NotFoundError("The agent does not exist.", param="agent_id")
    return AgentId(ulid)


def _answered(request: Request, agent: Agent, more: dict[str, Any] | None = None, *, status: int = 200) -> Response:
    """The agent with its version, and `more` of what came of it."""
    data = {"agent": _shown(agent)} | (more or {})
    return tagged(success(data, request_id=exchange_of(request).request_id, status=status), agent.version)


def _shown(agent: Agent) -> dict[str, Any]:
    return {
        "id": agent.id,
        "name": agent.name,
        "description": agent.description,
        "owner": agent.owner,
        "capabilities": [*agent.capabilities],
        "default_expiry_hours": agent.default_expiry_hours,
        "default_revocation_policy": agent.default_revocation_policy.value,
        "allowed_scope_types": None if agent.allowed_scope_types is None else [*agent.allowed_scope_types],
        "allowed_models": None if agent.allowed_models is None else [*agent.allowed_models],
        "credit_cap": agent.credit_cap,
        "credits_used": agent.credits_used,
        "status": agent.status.value,
        "created_at": agent.created_at.isoformat(),
        "updated_at": agent.updated_at.isoformat(),
        "archived_at": agent.archived_at.isoformat() if agent.archived_at else None,
    }

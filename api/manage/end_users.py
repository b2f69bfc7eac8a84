"""`/v1/orgs/{organization}/end-users`: whom an organisation's calls name, and who may not be erased (spec B13, D32)."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api import end_user_examples as examples
from api.authentication import authenticate
from api.dialect import dialect_route
from api.exchange import exchange_of
from api.manage.end_user_paths import END_USERS, NAMED, PersonReader, RuntimeUser, require_own
from api.manage.end_user_schemas import HoldRequest
from api.native.envelope import CONTROL, listed, success
from api.openapi import ACCESS_ERRORS, errors, json_body
from api.state import gateway_of
from api.validation import read_object, validated
from gateway import errors as facts
from gateway.audit import AuditAction, PhiDisposition
from gateway.end_users.end_user import EndUserEntry, HoldReason
from gateway.errors import MissingScopeError, ValidationFailedError
from gateway.paging import DEFAULT_LIMIT, MAX_LIMIT
from gateway.tenancy import Access, KeyMode, Scope

router = APIRouter(route_class=dialect_route(CONTROL), tags=["End users"])

_ENTITY = "end_user"


async def _writer(request: Request, organization: str) -> Access:
    """Needs no agreement: a duty to keep does not end with a contract."""
    access = await authenticate(request, Scope.END_USERS_WRITE)
    require_own(access, organization)
    if access.principal.mode is KeyMode.TEST:
        raise MissingScopeError("A test key cannot hold anybody: what live keys have kept of them is held too.")
    return access


Writer = Annotated[Access, Depends(_writer)]


class EndUsersQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT


@router.get(
    END_USERS,
    summary="List end users",
    response_class=Response,
    responses={
        200: examples.END_USERS,
        **errors(CONTROL, *ACCESS_ERRORS, facts.BaaRequiredError, facts.NotFoundError, facts.ValidationFailedError),
    },
)
async def list_end_users(request: Request, access: PersonReader, query: Annotated[EndUsersQuery, Query()]) -> Response:
    """Whom calls have named, newest first, without those who were erased. Needs the scope `org.end_users.read`.

    Names are shown as they were sent, and so the list is audited as a disclosure of them.
    """
    exchange = exchange_of(request)
    async with gateway_of(request).storage.begin(access.principal, ip_address=exchange.ip_address) as tx:
        page = await tx.end_users.page(cursor=query.cursor, limit=query.limit)
        tx.audit(
            AuditAction.END_USER_LISTED,
            entity_type="organization",
            entity_id=access.principal.org,
            metadata={"count": len(page.items)},
            phi=PhiDisposition.CONTAINS_PHI if page.items else PhiDisposition.NOT_PRESENT,
        )
    return listed([*map(_shown, page.items)], next_cursor=page.next_cursor, request_id=exchange.request_id)


@router.put(
    f"{NAMED}/hold",
    summary="Hold an end user",
    response_class=Response,
    responses={
        200: examples.HELD,
        **errors(CONTROL, *ACCESS_ERRORS, facts.NotFoundError, facts.ValidationFailedError, facts.TooLargeError),
    },
    openapi_extra=json_body(HoldRequest, examples.HOLD_REQUEST),
)
async def hold(request: Request, access: Writer, runtime_user: RuntimeUser) -> Response:
    """Nothing of the person is erased as long as the hold is there. Needs the scope `org.end_users.write`.

    An erasure that is under way is held too, unless their key is destroyed already. Their `name` is null for a key that
    may not read it.
    """
    wanted = validated(HoldRequest, read_object(await request.body()), unknown=ValidationFailedError)
    exchange = exchange_of(request)
    async with gateway_of(request).storage.begin(access.principal, ip_address=exchange.ip_address) as tx:
        held, is_new = await tx.end_users.hold(runtime_user, HoldReason(wanted.reason), by=tx.actor)
        about = {"reason": wanted.reason, "changed": is_new}
        shown = _shown(held) if _reads_names(request, access) else _shown(held) | {"name": None}
        tx.audit(
            AuditAction.END_USER_HELD,
            entity_type=_ENTITY,
            entity_id=held.id,
            metadata=about,
            phi=_disclosed(shown),
            subject=held.digest,
        )
    return success(shown, request_id=exchange.request_id)


@router.delete(
    f"{NAMED}/hold",
    summary="Release an end user",
    response_class=Response,
    responses={200: examples.END_USER, **errors(CONTROL, *ACCESS_ERRORS, facts.NotFoundError)},
)
async def release(request: Request, access: Writer, runtime_user: RuntimeUser) -> Response:
    """Takes the hold away; nothing is erased by that. Needs the scope `org.end_users.write`.

    Their `name` is null for a key that may not read it.
    """
    exchange = exchange_of(request)
    async with gateway_of(request).storage.begin(access.principal, ip_address=exchange.ip_address) as tx:
        released, was_held = await tx.end_users.release(runtime_user)
        shown = _shown(released) if _reads_names(request, access) else _shown(released) | {"name": None}
        tx.audit(
            AuditAction.END_USER_RELEASED,
            entity_type=_ENTITY,
            entity_id=released.id,
            metadata={"changed": was_held},
            phi=_disclosed(shown),
            subject=released.digest,
        )
    return success(shown, request_id=exchange.request_id)


@router.get(
    NAMED,
    summary="Read an end user",
    response_class=Response,
    responses={200: examples.END_USER, **errors(CONTROL, *ACCESS_ERRORS, facts.BaaRequiredError, facts.NotFoundError)},
)
async def get_end_user(request: Request, access: PersonReader, runtime_user: RuntimeUser) -> Response:
    """Since when they are known, when they were named last, and whether they are held.

    Needs the scope `org.end_users.read`.
    """
    exchange = exchange_of(request)
    async with gateway_of(request).storage.begin(access.principal, ip_address=exchange.ip_address) as tx:
        found = await tx.end_users.find(runtime_user)
        tx.audit(
            AuditAction.END_USER_RETRIEVED,
            entity_type=_ENTITY,
            entity_id=found.id,
            phi=PhiDisposition.CONTAINS_PHI,
            subject=found.digest,
        )
    return success(_shown(found), request_id=exchange.request_id)


def _reads_names(request: Request, access: Access) -> bool:
    """Whether the caller is one of `PersonReader`, too."""
    try:
        gateway_of(request).pipeline.require_readable(access.policy)
    except facts.BaaRequiredError:
        return False
    return Scope.END_USERS_READ in access.principal.scopes


def _disclosed(shown: Mapping[str, Any]) -> PhiDisposition:
    return PhiDisposition.CONTAINS_PHI if shown["name"] is not None else PhiDisposition.NOT_PRESENT


def _shown(entry: EndUserEntry) -> dict[str, Any]:
    hold = entry.hold
    return {
        "id": entry.id,
        "name": entry.name,
        "subject_id_hmac": entry.digest,
        "state": entry.state.value,
        "first_seen_at": entry.first_seen_at.isoformat(),
        "last_seen_at": entry.last_seen_at.isoformat() if entry.last_seen_at else None,
        "hold": {"reason": hold.reason.value, "at": hold.at.isoformat(), "by": hold.by} if hold else None,
    }

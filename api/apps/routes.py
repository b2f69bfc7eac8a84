"""Apps: list, read, query; made, changed and deleted by whoever writes an organisation's settings, as an extension."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field

from api import app_examples as examples
from api.apps.defining import definition_of, shown
from api.apps.schemas import ChangeAppRequest, CreateAppRequest
from api.authentication import authenticate, caller
from api.dialect import dialect_route
from api.exchange import exchange_of
from api.harness.envelope import HARNESS
from api.idempotency import once
from api.manage.preconditions import IfMatch, tagged, versions
from api.openapi import ACCESS_ERRORS, IDEMPOTENCY_ERRORS, errors, json_body, once_a_key
from api.state import gateway_of
from api.validation import read_object, validated
from gateway import errors as facts
from gateway.apps.definition import App, TooManyAppsError
from gateway.audit import AuditAction
from gateway.errors import MissingScopeError, NotFoundError, ValidationFailedError
from gateway.ids import AppId, find_uuid
from gateway.tenancy import Access, KeyMode, Scope
from storage.apps.store import AppChanges
from storage.transaction import Transaction

router = APIRouter(route_class=dialect_route(HARNESS), tags=["Apps"])


async def _writer(request: Request) -> Access:
    access = await authenticate(request, Scope.CONTROL_WRITE)
    if access.principal.mode is KeyMode.TEST:
        raise MissingScopeError("A test key cannot change apps: live keys run them too.")
    return access


Reader = Annotated[
    Access, Depends(caller(Scope.AI_CHAT, Scope.WORKFLOW_INVOKE, Scope.CONTROL_READ, Scope.CONTROL_WRITE))
]
Writer = Annotated[Access, Depends(_writer)]


class AppsQuery(BaseModel):
    name: Annotated[str, Field(max_length=200)] | None = Field(default=None, description="A part of it, in any case.")
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0


@router.get(
    "/v1/app/list",
    summary="List apps and workflows",
    response_class=Response,
    responses={200: examples.APPS, **errors(HARNESS, *ACCESS_ERRORS, facts.ValidationFailedError)},
)
async def list_apps(request: Request, access: Reader, query: Annotated[AppsQuery, Query()]) -> Response:
    """The organization's, oldest first. Needs the scope `ai:chat`, `workflow:invoke` or `control:read`."""
    async with gateway_of(request).storage.read(access.principal) as tx:
        apps = await tx.apps.page(name=query.name, limit=query.limit, offset=query.offset)
    return _json({"data": [*map(shown, apps)]})


@router.get(
    "/v1/app/{app_id}",
    summary="Read an app or a workflow",
    response_class=Response,
    responses={200: examples.APP, **errors(HARNESS, *ACCESS_ERRORS, facts.NotFoundError)},
)
async def get_app(request: Request, access: Reader, app_id: str) -> Response:
    """Its `ETag` is for changing it. Needs the scope `ai:chat`, `workflow:invoke` or `control:read`."""
    async with gateway_of(request).storage.read(access.principal) as tx:
        app = await tx.apps.get(known_app(app_id))
    return tagged(_json(shown(app)), app.version)


@router.post(
    "/v1/app",
    summary="Create an app or a workflow (extension)",
    status_code=201,
    response_class=Response,
    responses={
        201: examples.CREATED,
        **errors(
            HARNESS,
            *ACCESS_ERRORS,
            *IDEMPOTENCY_ERRORS,
            TooManyAppsError,
            facts.ValidationFailedError,
            facts.TooLargeError,
        ),
    },
    openapi_extra=once_a_key(json_body(CreateAppRequest, examples.CREATE_REQUEST)),
)
async def create_app(request: Request, access: Writer) -> Response:
    """A prompt with `{{inputs.<variable_name>}}` where values go, or steps of several.

    A step has `{{steps.<id>.output}}` of those that it depends on. Needs the scope `control:write`, of a live key.
    """
    body = validated(CreateAppRequest, read_object(await request.body()), unknown=ValidationFailedError)
    definition = definition_of(body, gateway_of(request).catalog)

    async def add(tx: Transaction) -> Response:
        app = await tx.apps.add(body.name, body.description, definition, by=tx.actor)
        _audit(tx, AuditAction.APP_CREATED, app)
        response = _json({**shown(app), "request_id": exchange_of(request).request_id}, status=201)
        response.headers["location"] = f"/v1/app/{app.id}"
        return tagged(response, app.version)

    return await once(request, access, add)


@router.patch(
    "/v1/app/{app_id}",
    summary="Change an app or a workflow (extension)",
    response_class=Response,
    responses={
        200: examples.APP,
        **errors(
            HARNESS,
            *ACCESS_ERRORS,
            facts.NotFoundError,
            facts.ValidationFailedError,
            facts.PreconditionFailedError,
            facts.TooLargeError,
        ),
    },
    openapi_extra=json_body(ChangeAppRequest, examples.CHANGE_REQUEST),
)
async def change_app(request: Request, access: Writer, app_id: str, if_match: IfMatch = None) -> Response:
    """A list that is sent takes the place of the one that there is. Jobs that were asked for go on as the app was.

    Needs the scope `control:write`, of a live key.
    """
    sent = read_object(await request.body())
    # What is wrong with it is told of it, not of what it makes of the app.
    wanted = validated(ChangeAppRequest, sent, unknown=ValidationFailedError).model_fields_set
    if not wanted:
        raise ValidationFailedError("Send at least one field to change.")
    gateway, app_id = gateway_of(request), known_app(app_id)
    async with gateway.storage.begin(access.principal, ip_address=exchange_of(request).ip_address) as tx:
        merged = {**shown(await tx.apps.hold(app_id)), **{name: sent[name] for name in wanted}}
        body = validated(CreateAppRequest, merged, unknown=ValidationFailedError)
        changes = AppChanges(
            name=body.name, description=body.description, definition=definition_of(body, gateway.catalog)
        )
        app = await tx.apps.change(app_id, changes, only_versions=versions(if_match))
        _audit(tx, AuditAction.APP_UPDATED, app)
    return tagged(_json(shown(app)), app.version)


@router.delete(
    "/v1/app/{app_id}",
    summary="Delete an app or a workflow (extension)",
    response_class=Response,
    responses={200: examples.DELETED, **errors(HARNESS, *ACCESS_ERRORS, facts.NotFoundError)},
)
async def delete_app(request: Request, access: Writer, app_id: str) -> Response:
    """Jobs that were asked for go on. Needs the scope `control:write`, of a live key."""
    found, gateway = known_app(app_id), gateway_of(request)
    async with gateway.storage.begin(access.principal, ip_address=exchange_of(request).ip_address) as tx:
        app = await tx.apps.hold(found)
        await tx.apps.remove(found)
        _audit(tx, AuditAction.APP_DELETED, app)
    return _json({"id": found, "deleted": True})


def known_app(given: str) -> AppId:
    """Raises `NotFoundError` for what cannot be an app's id."""
    found = find_uuid(given)
    if found is None:
        raise NotFoundError("The app does not exist.", param="app_id")
    return AppId(found)


def _audit(tx: Transaction, action: AuditAction, app: App) -> None:
    about = {"kind": "workflow" if app.definition.is_workflow else "app", "version": app.version}
    tx.audit(action, entity_type="app", entity_id=app.id, metadata=about)


def _json(body: dict[str, Any], *, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status_code=status, media_type="application/json")

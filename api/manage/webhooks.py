"""Webhooks: list, create, change, delete (spec B9, D24, D28)."""

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api import webhook_examples as examples
from api.authentication import authenticate, caller
from api.dialect import dialect_route
from api.exchange import exchange_of
from api.idempotency import once
from api.manage.preconditions import IfMatch, tagged, versions
from api.manage.webhook_schemas import (
    ChangeWebhookRequest,
    CreateWebhookRequest,
)
from api.native.envelope import CONTROL, listed, success
from api.openapi import ACCESS_ERRORS, IDEMPOTENCY_ERRORS, errors, json_body, once_a_key
from api.state import gateway_of
from api.validation import read_object, validated
from gateway import errors as facts
from gateway.errors import MissingScopeError, NotFoundError, ValidationFailedError
from gateway.ids import AppId, EndpointId, find_ulid
from gateway.paging import DEFAULT_LIMIT, MAX_LIMIT
from gateway.tenancy import Access, KeyMode, Scope
from gateway.webhooks.endpoints import (
    Endpoint,
    EndpointChanges,
    EndpointState,
    TooManyEndpointsError,
    read_events,
)
from gateway.webhooks.registration import require_reachable
from gateway.webhooks.signing import SecretKind, SigningSecret
from storage.transaction import Transaction
from storage.webhooks import acts

router = APIRouter(route_class=dialect_route(CONTROL), tags=["Webhooks"])


async def _writer(request: Request) -> Access:
    access = await authenticate(request, Scope.CONTROL_WEBHOOKS)
    if access.principal.mode is KeyMode.TEST:
        raise MissingScopeError("A test key cannot change webhooks: they get the events of live calls too.")
    return access


Reader = Annotated[Access, Depends(caller(Scope.CONTROL_WEBHOOKS))]
Writer = Annotated[Access, Depends(_writer)]


class WebhooksQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT


@router.get(
    "/v1/webhooks",
    summary="List webhooks",
    response_class=Response,
    responses={200: examples.WEBHOOKS, **errors(CONTROL, *ACCESS_ERRORS, facts.ValidationFailedError)},
)
async def list_webhooks(request: Request, access: Reader, query: Annotated[WebhooksQuery, Query()]) -> Response:
    """Those that are not deleted, newest first, without their secrets. Needs the scope `control:webhooks`."""
    async with gateway_of(request).storage.read(access.principal) as tx:
        page = await tx.webhooks.page(cursor=query.cursor, limit=query.limit)
    return listed(
        [*map(_webhook, page.items)], next_cursor=page.next_cursor, request_id=exchange_of(request).request_id
    )


@router.post(
    "/v1/webhooks",
    summary="Create a webhook",
    status_code=201,
    response_class=Response,
    responses={
        201: examples.NEW_WEBHOOK,
        **errors(
            CONTROL,
            *ACCESS_ERRORS,
            *IDEMPOTENCY_ERRORS,
            TooManyEndpointsError,
            facts.ValidationFailedError,
            facts.TooLargeError,
        ),
    },
    openapi_extra=once_a_key(json_body(CreateWebhookRequest, examples.CREATE_REQUEST)),
)
async def create_webhook(request: Request, access: Writer) -> Response:
    """A URL that events are sent to from now on, and the secret that they are signed with, which is never shown again.

    Needs the scope `control:webhooks`, of a live key.
    """
    wanted = validated(CreateWebhookRequest, read_object(await request.body()), unknown=ValidationFailedError)
    events, app_id = read_events("events", wanted.events), _app_id(wanted.app_id)
    url = await _reachable(request, wanted.url)

    async def create(tx: Transaction) -> Response:
        endpoint, secrets = await tx.webhooks.add(
            url=url,
            events=events,
            app_id=app_id,
            description=wanted.description or None,
            is_ordered=wanted.is_ordered,
            rate_per_minute=wanted.rate_per_minute,
            signs_asymmetrically=wanted.signs_asymmetrically,
        )
        acts.tell_created(tx, endpoint)
        return answered(request, endpoint, {**_webhook(endpoint), **shown_once(secrets)}, status=201)

    return await once(request, access, create, shows="webhook_endpoint")


@router.get(
    "/v1/webhooks/{webhook_id}",
    summary="Read a webhook",
    response_class=Response,
    responses={200: examples.WEBHOOK, **errors(CONTROL, *ACCESS_ERRORS, facts.NotFoundError)},
)
async def get_webhook(request: Request, access: Reader, webhook_id: str) -> Response:
    """How it is set, and whether it is active. Its `ETag` is for changing it. Needs the scope `control:webhooks`."""
    async with gateway_of(request).storage.read(access.principal) as tx:
        endpoint = await tx.webhooks.get(find_webhook(webhook_id))
    return answered(request, endpoint, _webhook(endpoint))


@router.patch(
    "/v1/webhooks/{webhook_id}",
    summary="Change a webhook",
    response_class=Response,
    responses={
        200: examples.WEBHOOK,
        **errors(
            CONTROL,
            *ACCESS_ERRORS,
            facts.NotFoundError,
            facts.ValidationFailedError,
            facts.PreconditionFailedError,
            facts.TooLargeError,
        ),
    },
    openapi_extra=json_body(ChangeWebhookRequest, examples.CHANGE_REQUEST),
)
async def change_webhook(request: Request, access: Writer, webhook_id: str, if_match: IfMatch = None) -> Response:
    """Changes the fields that are sent. What is on its way already is sent by the new ones.

    `is_active: true` resumes one that was paused or disabled; what was skipped meanwhile can be replayed.
    Needs the scope `control:webhooks`, of a live key.
    """
    wanted = validated(ChangeWebhookRequest, read_object(await request.body()), unknown=ValidationFailedError)
    endpoint_id = find_webhook(webhook_id)
    changes = await _changes(request, wanted)
    if not changes:
        raise ValidationFailedError("Send at least one field to change.")
    storage, address = gateway_of(request).storage, exchange_of(request).ip_address
    async with storage.begin(access.principal, ip_address=address) as tx:
        endpoint = await acts.change_endpoint(tx, endpoint_id, changes, only_versions=versions(if_match))
    return answered(request, endpoint, _webhook(endpoint))


@router.delete(
    "/v1/webhooks/{webhook_id}",
    summary="Delete a webhook",
    response_class=Response,
    responses={200: examples.DELETED, **errors(CONTROL, *ACCESS_ERRORS, facts.NotFoundError)},
)
async def delete_webhook(request: Request, access: Writer, webhook_id: str) -> Response:
    """Nothing is sent there any more, also what waits; its secrets are destroyed. A second deletion is 404.

    Needs the scope `control:webhooks`, of a live key.
    """
    exchange, endpoint_id = exchange_of(request), find_webhook(webhook_id)
    async with gateway_of(request).storage.begin(access.principal, ip_address=exchange.ip_address) as tx:
        await acts.remove_endpoint(tx, endpoint_id)
    return success({"id": endpoint_id, "deleted": True}, request_id=exchange.request_id)


async def _reachable(request: Request, url: str) -> str:
    gateway = gateway_of(request)
    return await require_reachable(
        "url", url, lookup=gateway.lookup, allow_private=gateway.settings.webhook_allow_private
    )


async def _changes(request: Request, wanted: ChangeWebhookRequest) -> EndpointChanges:
    sent, changes = wanted.model_fields_set, EndpointChanges()
    for name in sorted(sent - {"description", "rate_per_minute"}):
        if getattr(wanted, name) is None:
            raise ValidationFailedError(f"`{name}` cannot be null.", param=name)
    if wanted.events is not None:
        changes["events"] = read_events("events", wanted.events)
    if "description" in sent:
        changes["description"] = wanted.description or None
    if wanted.is_active is not None:
        changes["is_active"] = wanted.is_active
    if wanted.is_ordered is not None:
        changes["is_ordered"] = wanted.is_ordered
    if "rate_per_minute" in sent:
        changes["rate_per_minute"] = wanted.rate_per_minute
    if wanted.url is not None:
        changes["url"] = await _reachable(request, wanted.url)
    return changes


def find_webhook(given: str) -> EndpointId:
    """Raises `NotFoundError` for what cannot be a webhook's id."""
    ulid = find_ulid(given)
    if ulid is None:
        raise NotFoundError("The webhook does not exist.", param="webhook_id")
    return EndpointId(ulid)


def _app_id(given: str | None) -> AppId | None:
    ulid = None if given is None else find_ulid(given)
    if given is not None and ulid is None:
        raise ValidationFailedError("`app_id` is not an app's id.", param="app_id")
    return AppId(ulid) if ulid else None


def answered(request: Request, endpoint: Endpoint, data: dict[str, Any], *, status: int = 200) -> Response:
    """`data` with the version of `endpoint`."""
    return tagged(success(data, request_id=exchange_of(request).request_id, status=status), endpoint.version)


def shown_once(secrets: Iterable[SigningSecret]) -> dict[str, str | None]:
    """What receivers need of new secrets: the shared one, and the public key if there is one."""
    shown = {secret.kind: secret.shown for secret in secrets}
    return {"secret": shown[SecretKind.HMAC], "public_key": shown.get(SecretKind.ED25519)}


def _webhook(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "id": endpoint.id,
        "app_id": endpoint.app_id,
        "url": endpoint.url,
        "description": endpoint.description,
        "events": [*endpoint.events],
        "is_active": endpoint.state is EndpointState.ACTIVE,
        "state": endpoint.state.value,
        "disabled_because": endpoint.disabled_because.value if endpoint.disabled_because else None,
        "is_ordered": endpoint.is_ordered,
        "rate_per_minute": endpoint.rate_per_minute,
        "signs_asymmetrically": endpoint.signs_asymmetrically,
        "created_at": endpoint.created_at.isoformat(),
        "updated_at": endpoint.updated_at.isoformat(),
    }

"""`/v1/webhooks/deliveries`: what was sent where and what became of it; one of them again (spec B9, D29)."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api import webhook_delivery_examples as examples
from api.dialect import dialect_route
from api.exchange import exchange_of
from api.idempotency import REPLAYED, once
from api.manage.filters import require_in_order, require_once
from api.manage.schemas import Instant
from api.manage.webhooks import Reader, Writer
from api.native.envelope import CONTROL, listed, success
from api.openapi import ACCESS_ERRORS, IDEMPOTENCY_ERRORS, errors, once_a_key
from api.preference import PARAMETER, once_done
from api.state import gateway_of
from gateway import errors as facts
from gateway.errors import NotFoundError, ValidationFailedError
from gateway.ids import DeliveryId, find_ulid
from gateway.paging import DEFAULT_LIMIT, MAX_LIMIT
from gateway.webhooks.deliveries import (
    FINISHED,
    Attempt,
    Delivery,
    DeliveryFilter,
    DeliveryOnItsWayError,
    DeliveryState,
)
from gateway.webhooks.endpoints import EndpointNotActiveError
from storage.transaction import Transaction
from storage.webhooks.replay_acts import replay_delivery

router = APIRouter(route_class=dialect_route(CONTROL), tags=["Webhooks"])

Id = Annotated[str, Field(max_length=64)]


class DeliveriesQuery(BaseModel):
    """Filters; all given must match."""

    model_config = ConfigDict(extra="forbid")

    endpoint_id: Annotated[Id | None, Field(description="Of this webhook, also one that was deleted.")] = None
    event: Annotated[str | None, Field(max_length=64, description="Of this type of event.")] = None
    event_id: Annotated[Id | None, Field(description="Of this event.")] = None
    status: DeliveryState | None = None
    since: Annotated[Instant | None, Field(alias="from", description="ISO 8601 with offset, inclusive.")] = None
    until: Annotated[Instant | None, Field(alias="to", description="ISO 8601 with offset, exclusive.")] = None
    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT


@router.get(
    "/v1/webhooks/deliveries",
    summary="List webhook deliveries",
    response_class=Response,
    responses={200: examples.DELIVERIES, **errors(CONTROL, *ACCESS_ERRORS, facts.ValidationFailedError)},
)
async def list_deliveries(request: Request, access: Reader, query: Annotated[DeliveriesQuery, Query()]) -> Response:
    """What was sent, is on its way, or was skipped, newest event first. Needs the scope `control:webhooks`."""
    require_once(request.query_params)
    require_in_order(query.since, query.until)
    wanted = DeliveryFilter(
        endpoint_id=_known("endpoint_id", query.endpoint_id),
        event_types=None if query.event is None else (query.event,),
        event_id=_known("event_id", query.event_id),
        state=query.status,
        since=query.since,
        until=query.until,
    )
    async with gateway_of(request).storage.read(access.principal) as tx:
        page = await tx.webhook_deliveries.page(wanted, cursor=query.cursor, limit=query.limit)
    return listed(
        [*map(_delivery, page.items)], next_cursor=page.next_cursor, request_id=exchange_of(request).request_id
    )


@router.get(
    "/v1/webhooks/deliveries/{delivery_id}",
    summary="Read a webhook delivery",
    response_class=Response,
    responses={200: examples.DELIVERY, **errors(CONTROL, *ACCESS_ERRORS, facts.NotFoundError)},
)
async def get_delivery(request: Request, access: Reader, delivery_id: str) -> Response:
    """How it stands, and every try at it: when, how long, what was answered. Needs the scope `control:webhooks`."""
    found = _id(delivery_id)
    async with gateway_of(request).storage.read(access.principal) as tx:
        delivery = await tx.webhook_deliveries.get(found)
        attempts = await tx.webhook_deliveries.attempts(found)
    data = {**_delivery(delivery), "attempts": [*map(_attempt, attempts)]}
    return success(data, request_id=exchange_of(request).request_id)


@router.post(
    "/v1/webhooks/deliveries/{delivery_id}/replay",
    summary="Replay a webhook delivery",
    status_code=202,
    response_class=Response,
    responses={
        200: examples.REPLAYED,
        202: examples.QUEUED,
        **errors(
            CONTROL,
            *ACCESS_ERRORS,
            *IDEMPOTENCY_ERRORS,
            facts.NotFoundError,
            DeliveryOnItsWayError,
            EndpointNotActiveError,
            facts.ValidationFailedError,
        ),
    },
    openapi_extra=once_a_key({}, PARAMETER),
)
async def replay_one(request: Request, access: Writer, delivery_id: str) -> Response:
    """Sends the same bytes with the same `webhook-id` again, after live traffic, with a new ladder of retries.

    A delivery that is on its way already is refused. Needs the scope `control:webhooks`, of a live key.
    """
    found = _id(delivery_id)

    async def replay(tx: Transaction) -> Response:
        delivery = await replay_delivery(tx, found)
        response = success(_delivery(delivery), request_id=exchange_of(request).request_id, status=202)
        response.headers["location"] = f"/v1/webhooks/deliveries/{found}"
        return response

    async def look() -> Delivery:
        async with gateway_of(request).storage.read(access.principal) as tx:
            return await tx.webhook_deliveries.get(found)

    response = await once(request, access, replay)
    if REPLAYED.items() <= dict(response.headers).items():
        return response
    asked: str = orjson.loads(response.body)["data"]["replay_id"]
    done = await once_done(request, look, is_done=lambda seen: seen.state in FINISHED or seen.replay_id != asked)
    return success(_delivery(done), request_id=exchange_of(request).request_id) if done else response


def _id(given: str) -> DeliveryId:
    """Raises `NotFoundError` for what cannot be a delivery's id."""
    ulid = find_ulid(given)
    if ulid is None:
        raise NotFoundError("The delivery does not exist.", param="delivery_id")
    return DeliveryId(ulid)


def _known(name: str, given: str | None) -> str | None:
    ulid = None if given is None else find_ulid(given)
    if given is not None and ulid is None:
        raise ValidationFailedError(f"`{name}` is not an id.", param=name)
    return ulid


def _delivery(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "endpoint_id": delivery.endpoint_id,
        "event": delivery.event_type,
        "event_id": delivery.event_id,
        "status": delivery.state.value,
        "created_at": delivery.created_at.isoformat(),
        "attempt_count": delivery.attempts,
        "next_attempt_at": delivery.next_attempt_at.isoformat() if delivery.next_attempt_at else None,
        "last_response_status": delivery.last_status,
        "last_failure": delivery.last_failure,
        "finished_at": delivery.finished_at.isoformat() if delivery.finished_at else None,
        "replay_id": delivery.replay_id,
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "at": attempt.at.isoformat(),
        "duration_ms": attempt.duration_ms,
        "response_status": attempt.status,
        "failure": attempt.failure,
        "response_head": attempt.response_head,
        "replay_id": attempt.replay_id,
    }

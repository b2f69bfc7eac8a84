"""`/v1/webhooks/deliveries/bulk-replay` and `/v1/webhooks/replays`: many deliveries again (spec B9, D29, O4)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response

from api import webhook_delivery_examples as examples
from api.dialect import dialect_route
from api.exchange import exchange_of
from api.idempotency import REPLAYED, once
from api.manage.filters import require_in_order
from api.manage.webhook_replay_schemas import BulkReplayRequest
from api.manage.webhooks import Reader, WebhooksQuery, Writer
from api.native.envelope import CONTROL, listed, success
from api.openapi import ACCESS_ERRORS, IDEMPOTENCY_ERRORS, errors, json_body, once_a_key
from api.preference import PARAMETER, once_done
from api.state import gateway_of
from api.validation import read_object, validated
from gateway import errors as facts
from gateway.errors import NotFoundError, ValidationFailedError
from gateway.ids import DeliveryId, EndpointId, ReplayId, find_ulid
from gateway.tenancy import Access
from gateway.webhooks.deliveries import DeliveryFilter, DeliveryState
from gateway.webhooks.endpoints import EVERYTHING, read_events
from gateway.webhooks.replays import (
    Progress,
    Replay,
    ReplayOverError,
    ReplayState,
    ReplayTooLargeError,
    SkipReason,
    TooManyReplaysError,
)
from storage.transaction import ReadTransaction, Transaction
from storage.webhooks.replay_acts import begin_replay, described, turn_replay

router = APIRouter(route_class=dialect_route(CONTROL), tags=["Webhooks"])

Chosen = DeliveryFilter | Sequence[DeliveryId]

_TURN_RESPONSES = {
    200: examples.REPLAY,
    **errors(CONTROL, *ACCESS_ERRORS, facts.NotFoundError, ReplayOverError),
}


@router.post(
    "/v1/webhooks/deliveries/bulk-replay",
    summary="Replay webhook deliveries",
    status_code=202,
    response_class=Response,
    responses={
        200: examples.BULK_DONE,
        202: examples.BULK_BEGUN,
        **errors(
            CONTROL,
            *ACCESS_ERRORS,
            *IDEMPOTENCY_ERRORS,
            facts.NotFoundError,
            TooManyReplaysError,
            ReplayTooLargeError,
            facts.ValidationFailedError,
            facts.TooLargeError,
        ),
    },
    openapi_extra=once_a_key(json_body(BulkReplayRequest, examples.BULK_REQUEST), PARAMETER),
)
async def bulk_replay(request: Request, access: Writer) -> Response:
    """Sends many deliveries again, after live traffic: those that are named, or all that match when it is asked.

    What comes later is not in it. Deliveries on their way, unknown ones and those of a webhook that is disabled are
    left out, and listed in `skipped` if they were named. Needs the scope `control:webhooks`, of a live key.
    """
    wanted = validated(BulkReplayRequest, read_object(await request.body()), unknown=ValidationFailedError)
    chosen = _chosen(wanted, now=gateway_of(request).clock.now())
    if wanted.dry_run:
        return await _estimate(request, access, chosen, wanted.rate_per_minute)

    async def begin(tx: Transaction) -> Response:
        skipped = await _skipped(tx, chosen)
        replay = await begin_replay(
            tx,
            chosen if isinstance(chosen, DeliveryFilter) else [each for each in chosen if each not in skipped],
            rate_per_minute=wanted.rate_per_minute,
            by=access.principal.actor,
        )
        data = {
            **_replay(replay, await tx.webhook_replays.progress(replay.id)),
            "replayed": replay.matched,
            "skipped": _listed(skipped),
        }
        status = 200 if replay.state.is_over else 202
        response = success(data, request_id=exchange_of(request).request_id, status=status)
        response.headers["location"] = f"/v1/webhooks/replays/{replay.id}"
        return response

    return await _once_over(request, access, await once(request, access, begin))


@router.get(
    "/v1/webhooks/replays",
    summary="List replays",
    response_class=Response,
    responses={200: examples.REPLAYS, **errors(CONTROL, *ACCESS_ERRORS, facts.ValidationFailedError)},
)
async def list_replays(request: Request, access: Reader, query: Annotated[WebhooksQuery, Query()]) -> Response:
    """Replays of many deliveries, newest first. Needs the scope `control:webhooks`."""
    async with gateway_of(request).storage.read(access.principal) as tx:
        page = await tx.webhook_replays.page(cursor=query.cursor, limit=query.limit)
    return listed(
        [*map(_summary, page.items)], next_cursor=page.next_cursor, request_id=exchange_of(request).request_id
    )


@router.get(
    "/v1/webhooks/replays/{replay_id}",
    summary="Read a replay",
    response_class=Response,
    responses={200: examples.REPLAY, **errors(CONTROL, *ACCESS_ERRORS, facts.NotFoundError)},
)
async def get_replay(request: Request, access: Reader, replay_id: str) -> Response:
    """How far it is: of what `matched`, so many are `planned`, `queued` and settled. Scope `control:webhooks`."""
    return success(await _seen(request, access, _id(replay_id)), request_id=exchange_of(request).request_id)


@router.post(
    "/v1/webhooks/replays/{replay_id}/pause",
    summary="Pause a replay",
    response_class=Response,
    responses=_TURN_RESPONSES,
)
async def pause_replay(request: Request, access: Writer, replay_id: str) -> Response:
    """Queues nothing more, and takes back what was not tried yet. Twice is once. Scope `control:webhooks`, live key."""
    return await _turn(request, access, _id(replay_id), ReplayState.PAUSED)


@router.post(
    "/v1/webhooks/replays/{replay_id}/resume",
    summary="Resume a replay",
    response_class=Response,
    responses=_TURN_RESPONSES,
)
async def resume_replay(request: Request, access: Writer, replay_id: str) -> Response:
    """Goes on where it was paused. Twice is once. Needs the scope `control:webhooks`, of a live key."""
    return await _turn(request, access, _id(replay_id), ReplayState.RUNNING)


@router.post(
    "/v1/webhooks/replays/{replay_id}/cancel",
    summary="Cancel a replay",
    response_class=Response,
    responses=_TURN_RESPONSES,
)
async def cancel_replay(request: Request, access: Writer, replay_id: str) -> Response:
    """Ends it: what was not tried yet becomes what it was before; what was tried and failed is retried to its end.

    Twice is once. Needs the scope `control:webhooks`, of a live key.
    """
    return await _turn(request, access, _id(replay_id), ReplayState.CANCELLED)


def _chosen(wanted: BulkReplayRequest, *, now: datetime) -> Chosen:
    given = wanted.model_fields_set - {"dry_run", "rate_per_minute"}
    if wanted.delivery_ids is not None:
        if others := sorted(given - {"delivery_ids"}):
            name = {"since": "from", "until": "to"}.get(others[0], others[0])
            raise ValidationFailedError(f"`{name}` does not go with `delivery_ids`.", param=name)
        return list(dict.fromkeys(_listed_id(index, each) for index, each in enumerate(wanted.delivery_ids)))
    if not given:
        raise ValidationFailedError("Send `delivery_ids`, or what to match: `status` alone is enough.")
    require_in_order(wanted.since, wanted.until)
    events = None if wanted.events is None else read_events("events", wanted.events)
    return DeliveryFilter(
        endpoint_id=_endpoint_id(wanted.endpoint_id),
        event_types=None if events == (EVERYTHING,) else events,
        state=DeliveryState(wanted.status or DeliveryState.FAILED),
        since=wanted.since,
        until=now if wanted.until is None else min(wanted.until, now),
    )


async def _estimate(request: Request, access: Access, chosen: Chosen, rate_per_minute: int | None) -> Response:
    async with gateway_of(request).storage.read(access.principal) as tx:
        skipped = await _skipped(tx, chosen)
        estimate = await tx.webhook_replays.estimate(chosen, rate_per_minute=rate_per_minute)
    data = {
        "dry_run": True,
        "matched": estimate.matched,
        "oldest": estimate.oldest.isoformat() if estimate.oldest else None,
        "estimated_seconds": estimate.seconds,
        "filter": described(chosen),
        "skipped": _listed(skipped),
    }
    return success(data, request_id=exchange_of(request).request_id)


async def _skipped(tx: ReadTransaction, chosen: Chosen) -> Mapping[DeliveryId, SkipReason]:
    """Of those that were named. Raises `NotFoundError` for a filter of a webhook that is not there."""
    if not isinstance(chosen, DeliveryFilter):
        return await tx.webhook_replays.unsendable(chosen)
    if chosen.endpoint_id is not None:
        await tx.webhooks.get(EndpointId(chosen.endpoint_id))
    return {}


async def _once_over(request: Request, access: Access, response: Response) -> Response:
    """The replay as it ended, if somebody waits and it does in time; else `response`, which began it."""
    if response.status_code != 202 or REPLAYED.items() <= dict(response.headers).items():
        return response
    begun: dict[str, Any] = orjson.loads(response.body)["data"]
    seen = await once_done(
        request,
        lambda: _seen(request, access, ReplayId(begun["id"])),
        is_done=lambda seen: ReplayState(seen["status"]).is_over,
    )
    return response if seen is None else success({**begun, **seen}, request_id=exchange_of(request).request_id)


async def _seen(request: Request, access: Access, replay_id: ReplayId) -> dict[str, Any]:
    async with gateway_of(request).storage.read(access.principal) as tx:
        return _replay(await tx.webhook_replays.get(replay_id), await tx.webhook_replays.progress(replay_id))


async def _turn(request: Request, access: Access, replay_id: ReplayId, to: ReplayState) -> Response:
    exchange = exchange_of(request)
    async with gateway_of(request).storage.begin(access.principal, ip_address=exchange.ip_address) as tx:
        replay = await turn_replay(tx, replay_id, to)
        progress = await tx.webhook_replays.progress(replay_id)
    return success(_replay(replay, progress), request_id=exchange.request_id)


def _id(given: str) -> ReplayId:
    """Raises `NotFoundError` for what cannot be a replay's id."""
    ulid = find_ulid(given)
    if ulid is None:
        raise NotFoundError("The replay does not exist.", param="replay_id")
    return ReplayId(ulid)


def _endpoint_id(given: str | None) -> str | None:
    ulid = None if given is None else find_ulid(given)
    if given is not None and ulid is None:
        raise NotFoundError("The webhook does not exist.", param="endpoint_id")
    return ulid


def _listed_id(index: int, given: str) -> DeliveryId:
    ulid = find_ulid(given)
    if ulid is None:
        name = f"delivery_ids[{index}]"
        raise ValidationFailedError(f"`{name}` is not a delivery's id.", param=name)
    return DeliveryId(ulid)


def _listed(skipped: Mapping[DeliveryId, SkipReason]) -> list[dict[str, str]]:
    return [{"id": each, "reason": reason.value} for each, reason in skipped.items()]


def _summary(replay: Replay) -> dict[str, Any]:
    return {
        "id": replay.id,
        "status": replay.state.value,
        "filter": dict(replay.wanted),
        "rate_per_minute": replay.rate_per_minute,
        "matched": replay.matched,
        "requested_by": replay.requested_by,
        "created_at": replay.created_at.isoformat(),
        "finished_at": replay.finished_at.isoformat() if replay.finished_at else None,
    }


def _replay(replay: Replay, progress: Progress) -> dict[str, Any]:
    counted = {name: getattr(progress, name) for name in Progress.__slots__}
    return {**_summary(replay), "progress": counted}

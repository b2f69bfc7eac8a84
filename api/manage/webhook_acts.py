"""What is done with a webhook: rotate its secret, try it (spec D28)."""

from fastapi import APIRouter, Request, Response

from api import webhook_examples as examples
from api.dialect import dialect_route
from api.exchange import exchange_of
from api.idempotency import once
from api.manage.webhook_schemas import RotateWebhookSecretRequest, WebhookTestRequest
from api.manage.webhooks import Writer, answered, find_webhook, shown_once
from api.native.envelope import CONTROL, success
from api.openapi import ACCESS_ERRORS, IDEMPOTENCY_ERRORS, errors, json_body, once_a_key
from api.validation import read_object, validated
from gateway import errors as facts
from gateway.errors import ValidationFailedError
from gateway.events import EventType
from gateway.webhooks.endpoints import EndpointNotActiveError, TooManySecretsError, read_event
from storage.transaction import Transaction
from storage.webhooks import acts

router = APIRouter(route_class=dialect_route(CONTROL), tags=["Webhooks"])


@router.post(
    "/v1/webhooks/{webhook_id}/rotate-secret",
    summary="Rotate a webhook's secret",
    status_code=201,
    response_class=Response,
    responses={
        201: examples.ROTATED,
        **errors(
            CONTROL,
            *ACCESS_ERRORS,
            *IDEMPOTENCY_ERRORS,
            facts.NotFoundError,
            TooManySecretsError,
            facts.ValidationFailedError,
            facts.TooLargeError,
        ),
    },
    openapi_extra=once_a_key(json_body(RotateWebhookSecretRequest, examples.ROTATE_REQUEST)),
)
async def rotate_secret(request: Request, access: Writer, webhook_id: str) -> Response:
    """A new secret, which is never shown again. Those before it are signed with too until their overlap ends.

    An empty body is `{}`. Needs the scope `control:webhooks`, of a live key.
    """
    body = read_object(await request.body() or b"{}")
    wanted = validated(RotateWebhookSecretRequest, body, unknown=ValidationFailedError)
    endpoint_id = find_webhook(webhook_id)

    async def rotate(tx: Transaction) -> Response:
        rotated = await acts.rotate_secrets(
            tx,
            endpoint_id,
            overlap_hours=wanted.overlap_hours,
            signs_asymmetrically=wanted.signs_asymmetrically,
        )
        data = {
            "id": rotated.endpoint.id,
            **shown_once(rotated.secrets),
            "overlap_ends_at": rotated.overlap_ends_at.isoformat(),
        }
        return answered(request, rotated.endpoint, data, status=201)

    return await once(request, access, rotate, shows="webhook_endpoint")


@router.post(
    "/v1/webhooks/{webhook_id}/test",
    summary="Send a test event",
    status_code=202,
    response_class=Response,
    responses={
        202: examples.TESTED,
        **errors(
            CONTROL,
            *ACCESS_ERRORS,
            *IDEMPOTENCY_ERRORS,
            facts.NotFoundError,
            EndpointNotActiveError,
            facts.ValidationFailedError,
            facts.TooLargeError,
        ),
    },
    openapi_extra=once_a_key(json_body(WebhookTestRequest, examples.TEST_REQUEST)),
)
async def try_webhook(request: Request, access: Writer, webhook_id: str) -> Response:
    """Has an example sent to this webhook alone, as real events are: signed, tried again, listed. `test` is true in it.

    An empty body is `{}`. Needs the scope `control:webhooks`, of a live key.
    """
    wanted = validated(WebhookTestRequest, read_object(await request.body() or b"{}"), unknown=ValidationFailedError)
    kind = EventType.WEBHOOK_ENDPOINT_TEST.value
    if wanted.event is not None and wanted.event != kind:
        kind = read_event("event", wanted.event)
    endpoint_id = find_webhook(webhook_id)

    async def send(tx: Transaction) -> Response:
        delivery_id = await acts.send_test(tx, endpoint_id, kind)
        data = {"webhook_id": endpoint_id, "delivery_id": delivery_id, "event": kind}
        response = success(data, request_id=exchange_of(request).request_id, status=202)
        response.headers["location"] = f"/v1/webhooks/deliveries/{delivery_id}"
        return response

    return await once(request, access, send)

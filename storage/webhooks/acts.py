"""What is done to webhook endpoints, each act with its audit entry; URLs and descriptions are in none."""

from collections.abc import Container

from pydantic import JsonValue

from gateway.audit import AuditAction
from gateway.ids import DeliveryId, EndpointId
from gateway.webhooks.endpoints import Endpoint, EndpointChanges
from storage.transaction import Transaction
from storage.webhooks.endpoints import Rotated


def tell_created(tx: Transaction, endpoint: Endpoint) -> None:
    _audit(tx, AuditAction.WEBHOOK_ENDPOINT_CREATED, endpoint.id, _about(endpoint))


async def change_endpoint(
    tx: Transaction,
    endpoint_id: EndpointId,
    changes: EndpointChanges,
    *,
    only_versions: Container[int] | None = None,
) -> Endpoint:
    """Raises as `EndpointStore.change` does."""
    before, after = await tx.webhooks.change(endpoint_id, changes, only_versions=only_versions)
    metadata: dict[str, JsonValue] = {
        "changed": [*sorted(changes)],
        "before": _about(before),
        "after": _about(after),
    }
    _audit(tx, AuditAction.WEBHOOK_ENDPOINT_UPDATED, endpoint_id, metadata)
    return after


async def remove_endpoint(tx: Transaction, endpoint_id: EndpointId) -> None:
    """Raises `NotFoundError` for an endpoint that is unknown, another organisation's, or deleted already."""
    await tx.webhooks.remove(endpoint_id)
    _audit(tx, AuditAction.WEBHOOK_ENDPOINT_DELETED, endpoint_id, {})


async def rotate_secrets(
    tx: Transaction, endpoint_id: EndpointId, *, overlap_hours: int, signs_asymmetrically: bool | None
) -> Rotated:
    """Raises as `EndpointStore.rotate` does."""
    rotated = await tx.webhooks.rotate(
        endpoint_id, overlap_hours=overlap_hours, signs_asymmetrically=signs_asymmetrically
    )
    about: dict[str, JsonValue] = {
        "overlap_hours": overlap_hours,
        "kinds": [each.kind.value for each in rotated.secrets],
    }
    _audit(tx, AuditAction.WEBHOOK_ENDPOINT_ROTATED, endpoint_id, about)
    return rotated


async def send_test(tx: Transaction, endpoint_id: EndpointId, kind: str) -> DeliveryId:
    """Raises as `EndpointStore.send_test` does."""
    delivery_id = await tx.webhooks.send_test(endpoint_id, kind)
    about: dict[str, JsonValue] = {"event": kind, "delivery_id": delivery_id}
    _audit(tx, AuditAction.WEBHOOK_ENDPOINT_TESTED, endpoint_id, about)
    return delivery_id


def _audit(tx: Transaction, action: AuditAction, endpoint_id: EndpointId, metadata: dict[str, JsonValue]) -> None:
    tx.audit(action, entity_type="webhook_endpoint", entity_id=endpoint_id, metadata=metadata)


def _about(endpoint: Endpoint) -> dict[str, JsonValue]:
    return {
        "state": endpoint.state.value,
        "events": [*endpoint.events],
        "is_ordered": endpoint.is_ordered,
        "rate_per_minute": endpoint.rate_per_minute,
        "signs_asymmetrically": endpoint.signs_asymmetrically,
    }

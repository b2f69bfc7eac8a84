"""What is decided about sending deliveries again, each act with its audit entry and, for a replay, its event."""

from collections.abc import Sequence

from pydantic import JsonValue

from gateway.audit import AuditAction
from gateway.events import Event, EventType
from gateway.ids import DeliveryId, ReplayId, new_ulid
from gateway.webhooks.deliveries import Delivery, DeliveryFilter, DeliveryState
from gateway.webhooks.replays import Replay, ReplayState
from storage.transaction import Transaction

_TURNS = {
    ReplayState.RUNNING: AuditAction.WEBHOOK_REPLAY_RESUMED,
    ReplayState.PAUSED: AuditAction.WEBHOOK_REPLAY_PAUSED,
    ReplayState.CANCELLED: AuditAction.WEBHOOK_REPLAY_CANCELLED,
}


async def replay_delivery(tx: Transaction, delivery_id: DeliveryId) -> Delivery:
    """Raises as `DeliveryStore.replay` does."""
    replay_id = ReplayId(new_ulid())
    delivery = await tx.webhook_deliveries.replay(delivery_id, replay_id)
    tx.audit(
        AuditAction.WEBHOOK_DELIVERY_REPLAYED,
        entity_type="webhook_delivery",
        entity_id=delivery_id,
        metadata={"endpoint_id": delivery.endpoint_id, "event_id": delivery.event_id, "replay_id": replay_id},
    )
    return delivery


async def begin_replay(
    tx: Transaction, chosen: DeliveryFilter | Sequence[DeliveryId], *, rate_per_minute: int | None, by: str | None
) -> Replay:
    """Raises as `ReplayStore.add` does."""
    replay = await tx.webhook_replays.add(
        ReplayId(new_ulid()), chosen, wanted=described(chosen), rate_per_minute=rate_per_minute, by=by
    )
    about: dict[str, JsonValue] = (
        described(chosen) if isinstance(chosen, DeliveryFilter) else {"delivery_ids": len(chosen)}
    )
    _tell(
        tx,
        replay.id,
        AuditAction.WEBHOOK_REPLAY_CREATED,
        {**about, "matched": replay.matched, "rate_per_minute": rate_per_minute},
    )
    return replay


async def turn_replay(tx: Transaction, replay_id: ReplayId, to: ReplayState) -> Replay:
    """Have a replay run, wait or end. Raises as `ReplayStore.turn` does."""
    before, replay = await tx.webhook_replays.turn(replay_id, to)
    _tell(tx, replay_id, _TURNS[to], {"before": before.value})
    return replay


def described(chosen: DeliveryFilter | Sequence[DeliveryId]) -> dict[str, JsonValue]:
    """What a replay was asked to send, in the words it was asked in."""
    if not isinstance(chosen, DeliveryFilter):
        return {"delivery_ids": [*chosen]}
    return {
        "endpoint_id": chosen.endpoint_id,
        "events": None if chosen.event_types is None else [*chosen.event_types],
        "status": (chosen.state or DeliveryState.FAILED).value,
        "from": chosen.since.isoformat() if chosen.since else None,
        "to": chosen.until.isoformat() if chosen.until else None,
    }


def _tell(tx: Transaction, replay_id: ReplayId, action: AuditAction, metadata: dict[str, JsonValue]) -> None:
    tx.audit(action, entity_type="webhook_replay", entity_id=replay_id, metadata=metadata)
    tx.tell(Event(EventType.WEBHOOK_REPLAY_CHANGED, {"replay_id": replay_id}))

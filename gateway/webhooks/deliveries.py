"""Deliveries, as those see them whose events they carry."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from gateway.errors import GatewayError, Kind
from gateway.ids import DeliveryId, EndpointId, EventId, ReplayId


class DeliveryState(StrEnum):
    PENDING = "pending"
    """Not tried yet."""
    RETRYING = "retrying"
    """Its last try failed, and there are more to come."""
    DELIVERED = "delivered"
    FAILED = "failed"
    SKIPPED = "skipped"
    """Not tried to the end: its webhook was disabled or deleted. It can be replayed."""


FINISHED = (DeliveryState.DELIVERED, DeliveryState.FAILED, DeliveryState.SKIPPED)
"""What nothing more is done about, unless it is replayed."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one endpoint; `id` is its `webhook-id`. `attempts` counts all tries, of replays too."""

    id: DeliveryId
    endpoint_id: EndpointId
    event_id: EventId
    event_type: str
    state: DeliveryState
    created_at: datetime
    attempts: int
    next_attempt_at: datetime | None
    last_status: int | None
    last_failure: str | None
    finished_at: datetime | None
    replay_id: ReplayId | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try. `failure` is None when it was delivered, `status` when nobody answered."""

    number: int
    at: datetime
    duration_ms: int
    status: int | None
    failure: str | None
    replay_id: ReplayId | None
    response_head: str | None = field(repr=False)
    """The first of what was answered, scrubbed."""


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """What deliveries are asked for; all given must match. `since` is inclusive, `until` is not."""

    endpoint_id: str | None = None
    event_types: tuple[str, ...] | None = None
    event_id: str | None = None
    state: DeliveryState | None = None
    since: datetime | None = None
    until: datetime | None = None


class DeliveryOnItsWayError(GatewayError):
    kind, code = Kind.CONFLICT, "WEBHOOK_DELIVERY_ON_ITS_WAY"
    message = "The delivery is on its way already, and is tried until it arrives. Its `next_attempt_at` says when."

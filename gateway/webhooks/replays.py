"""Replays of many deliveries: planned when they are asked for, and then sent beside the live traffic, never before it.

What a replay sends is fixed for ever with its request. It skips what is on its way anyway, what was delivered since it
was planned, and what has nowhere to go any more. Paused or cancelled, it takes back what it queued and nobody tried.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from pydantic import JsonValue

from gateway.errors import GatewayError, Kind
from gateway.ids import ReplayId

MOST_DELIVERIES: Final = 100_000
MOST_LISTED: Final = 100
"""Deliveries asked for by their ids."""
MOST_RUNNING: Final = 3
"""Replays an organisation may have that are neither done nor cancelled."""
RATES_PER_MINUTE: Final = (1, 60_000)
USUAL_PER_MINUTE: Final = 3_000
"""What an estimate takes a webhook to stand that has no rate of its own."""


class ReplayState(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    DONE = "done"

    @property
    def is_over(self) -> bool:
        return self in (ReplayState.CANCELLED, ReplayState.DONE)


class SkipReason(StrEnum):
    NOT_FOUND = "not_found"
    """Unknown, or another organisation's: nobody is told which."""
    ON_ITS_WAY = "on_its_way"
    WEBHOOK_NOT_ACTIVE = "webhook_not_active"
    """Disabled or deleted."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How many deliveries of a replay are where; `matched` is their sum.

    `planned` are yet to be queued, or were when the replay was cancelled.
    """

    matched: int
    planned: int
    queued: int
    delivered: int
    failed: int
    skipped: int


@dataclass(frozen=True, slots=True)
class Replay:
    """`wanted` is what was asked for, as it was frozen."""

    id: ReplayId
    state: ReplayState
    wanted: Mapping[str, JsonValue]
    rate_per_minute: int | None
    matched: int
    requested_by: str | None
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a replay would send, were it asked for now."""

    matched: int
    oldest: datetime | None
    seconds: int
    """At the rate that was asked for and those of the webhooks; live traffic and retries may make it longer."""


class TooManyReplaysError(GatewayError):
    kind, code = Kind.CONFLICT, "TOO_MANY_WEBHOOK_REPLAYS"
    message = f"The organization has {MOST_RUNNING} replays that are not over. Wait for one of them, or cancel it."


class ReplayTooLargeError(GatewayError):
    kind, code = Kind.INVALID, "WEBHOOK_REPLAY_TOO_LARGE"
    message = f"More than {MOST_DELIVERIES:,} deliveries match. Ask for fewer: one webhook, or less time."


class ReplayOverError(GatewayError):
    kind, code = Kind.CONFLICT, "WEBHOOK_REPLAY_OVER"
    message = "The replay is done or was cancelled. What is left can be asked for with another."

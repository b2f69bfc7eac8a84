"""Webhook endpoints: where an organisation wants which of its events, and what can be asked for."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, TypedDict

from gateway.errors import GatewayError, Kind, ValidationFailedError
from gateway.ids import AppId, EndpointId
from gateway.webhooks.events import CATALOGUE

MOST_ENDPOINTS: Final = 50
"""Of one organisation: its events look through all of them."""
RATES_PER_MINUTE: Final = (1, 60_000)
DEFAULT_OVERLAP_HOURS: Final = 24
OVERLAP_HOURS: Final = (0, 168)
"""How long a secret that was replaced is still signed with."""
MOST_OVERLAPPING: Final = 10
EVERYTHING: Final = "*"


class EndpointState(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    """By its organisation: what happens meanwhile waits."""
    DISABLED = "disabled"
    """By us, for `DisabledBecause`: what happens meanwhile is skipped, and can be replayed."""
    DELETED = "deleted"


class DisabledBecause(StrEnum):
    FAILURES = "failures"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`events` are types, or `*` alone. `version` counts its changes."""

    id: EndpointId
    app_id: AppId | None
    url: str
    description: str | None
    events: tuple[str, ...]
    state: EndpointState
    disabled_because: DisabledBecause | None
    is_ordered: bool
    rate_per_minute: int | None
    signs_asymmetrically: bool
    version: int
    created_at: datetime
    updated_at: datetime


class EndpointChanges(TypedDict, total=False):
    """What to change. Of `is_active`, true also lifts that it was disabled, and false pauses."""

    url: str
    description: str | None
    events: tuple[str, ...]
    is_active: bool
    is_ordered: bool
    rate_per_minute: int | None


class TooManyEndpointsError(GatewayError):
    kind, code = Kind.CONFLICT, "TOO_MANY_WEBHOOKS"
    message = f"The organization has {MOST_ENDPOINTS} webhooks, which is all it can have. Delete one first."


class TooManySecretsError(GatewayError):
    kind, code = Kind.CONFLICT, "TOO_MANY_WEBHOOK_SECRETS"
    message = (
        f"{MOST_OVERLAPPING} earlier secrets of this webhook are still signed with."
        " Wait until one ends, or rotate with a smaller `overlap_hours`."
    )


class EndpointNotActiveError(GatewayError):
    kind, code = Kind.CONFLICT, "WEBHOOK_NOT_ACTIVE"
    message = "The webhook is paused or disabled. Set `is_active` first."


def read_events(name: str, given: Iterable[str]) -> tuple[str, ...]:
    """The types of the list `name`, each once; `*` swallows the others.

    Raises `ValidationFailedError`, which does not repeat what it does not know.
    """
    events = tuple(given)
    for index, each in enumerate(events):
        if each != EVERYTHING:
            read_event(f"{name}[{index}]", each)
    return (EVERYTHING,) if EVERYTHING in events else tuple(dict.fromkeys(events))


def read_event(name: str, given: str) -> str:
    """Raises `ValidationFailedError` for what is no event that webhooks get."""
    if given not in CATALOGUE:
        raise ValidationFailedError(f"`{name}` is not an event that webhooks can get.", param=name)
    return given

"""A delivery whose first try failed: what its workflow is started with, and the further tries it asks for."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from temporalio import activity

from activities.surface import surfaced
from activities.webhook_tries import Tries
from gateway.clock import Clock
from gateway.errors import UnavailableError
from gateway.ids import DeliveryId, OrganizationId
from gateway.webhooks import ladder
from gateway.webhooks.deliveries import DeliveryState
from gateway.webhooks.endpoints import EndpointState
from gateway.webhooks.ladder import Wish
from storage.encryption import ContentCipher
from storage.pool import Pool
from storage.webhooks import retries, settling
from storage.webhooks.claims import Due
from storage.webhooks.retries import Found

_LEFT = {
    EndpointState.PAUSED: DeliveryState.PENDING,
    EndpointState.DISABLED: DeliveryState.SKIPPED,
    EndpointState.DELETED: DeliveryState.SKIPPED,
}
"""What becomes of a delivery whose endpoint takes nothing."""


@dataclass(frozen=True, slots=True)
class Retries:
    """A delivery to try again: at `due_at` (ISO 8601), after `tried` tries, of which `before` were of earlier chains.

    `waits_s` is its ladder, as it was configured when the chain began.
    """

    org: str
    delivery: str
    endpoint: str
    event: str
    tried: int
    before: int
    due_at: str
    waits_s: list[float]


@dataclass(frozen=True, slots=True)
class Try:
    """Ask for try `number`. With `at_once` neither a circuit nor a rate puts it off any more."""

    org: str
    delivery: str
    number: int
    waits_s: list[float]
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class Tried:
    """How the delivery stands. `put_off_s`: nothing was sent, its endpoint takes nothing for so long.

    Otherwise, while it is `retrying`, `wish` is what the last try says of the next one.
    """

    state: str
    tried: int
    before: int
    put_off_s: float | None = None
    wish: Wish = field(default_factory=Wish)


class RetryWorkflows(Protocol):
    """What owns deliveries between their tries."""

    async def start(self, retries: Retries) -> None:
        """Have a delivery tried again. Told twice, it is tried as often as told once."""
        ...


class WebhookDeliveryActivities:
    def __init__(self, pool: Pool, cipher: ContentCipher, clock: Clock, tries: Tries) -> None:
        self._pool = pool
        self._cipher = cipher
        self._clock = clock
        self._tries = tries

    @activity.defn(name="webhook.attempt")
    @surfaced
    async def attempt(self, asked: Try) -> Tried:
        """Try a delivery once more and settle that, or say why not.

        Run twice, the second one sends again only when the first could not be settled: then the receiver gets
        the same `webhook-id` twice. Raises `UnavailableError`, also while there is nothing to sign with.
        """
        found = await self._find(asked)
        if found is None:
            return Tried(DeliveryState.SKIPPED, asked.number, before=0)
        if found.state is not DeliveryState.RETRYING or found.attempts >= asked.number:
            return Tried(found.state, found.attempts, found.before)
        if left := _LEFT.get(found.endpoint_state):
            await retries.leave(self._pool, DeliveryId(asked.delivery), left, now=self._clock.now())
            return Tried(left, found.attempts, found.before)
        if found.due is None:
            raise UnavailableError
        if not asked.at_once and (put_off_s := await self._put_off_s(found, found.due)):
            return Tried(found.state, found.attempts, found.before, put_off_s=put_off_s)
        return await self._make(found.due, asked)

    async def _make(self, due: Due, asked: Try) -> Tried:
        settlement = await self._tries.make(due, asked.waits_s)
        (is_new,) = await settling.settle(self._pool, [settlement])
        if is_new:
            return Tried(settlement.state, due.number, due.before, wish=ladder.wish_of(settlement.outcome))
        found = await self._find(asked)
        if found is None:
            return Tried(DeliveryState.SKIPPED, due.number, due.before)
        return Tried(found.state, found.attempts, found.before)

    async def _find(self, asked: Try) -> Found | None:
        org, delivery = OrganizationId(asked.org), DeliveryId(asked.delivery)
        return await retries.find(self._pool, self._cipher, org, delivery, now=self._clock.now())

    async def _put_off_s(self, found: Found, due: Due) -> float | None:
        now = self._clock.now()
        until = found.rests_until or now
        if found.rate_per_minute is not None:
            slot = await retries.reserve(self._pool, due.org, due.endpoint_id, found.rate_per_minute, now=now)
            until = max(until, slot)
        if until <= now:
            return None
        await retries.postpone(self._pool, due.id, until)
        return (until - now).total_seconds()


def retries_of(due: Due, next_at: datetime, waits_s: list[float]) -> Retries:
    """After the try `due`, which failed."""
    return Retries(due.org, due.id, due.endpoint_id, due.event_id, due.number, due.before, next_at.isoformat(), waits_s)

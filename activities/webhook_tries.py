"""One try at a delivery, by whoever makes it: sent, and what came of it made ready to be settled."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from gateway.clock import Clock
from gateway.errors import UnavailableError
from gateway.webhooks import ladder
from gateway.webhooks.attempts import Outcome, Outgoing
from gateway.webhooks.deliveries import DeliveryState
from storage.encryption import ContentCipher
from storage.webhooks.claims import Due
from storage.webhooks.settling import Settlement, head_place


class Sending(Protocol):
    """What makes a try. Whatever the receiver does is an outcome; nothing is raised for it."""

    async def send(self, outgoing: Outgoing) -> Outcome: ...


class Tries:
    def __init__(self, sender: Sending, cipher: ContentCipher, clock: Clock) -> None:
        self._sender = sender
        self._cipher = cipher
        self._clock = clock

    async def make(self, due: Due, waits_s: Sequence[float]) -> Settlement:
        """Send a delivery once; `waits_s` is its ladder. Nothing of it is written yet."""
        began = self._clock.now()
        outcome = await self._sender.send(due.outgoing)
        state, next_at = _verdict(due, waits_s, outcome, began + timedelta(milliseconds=outcome.duration_ms))
        return Settlement(due, began, outcome, await self._sealed_head(due, outcome), state, next_at)

    async def _sealed_head(self, due: Due, outcome: Outcome) -> bytes | None:
        """An answer's head is worth no delivery: without a key to seal it with there is none."""
        if not outcome.head:
            return None
        try:
            return await self._cipher.seal(due.org, head_place(due.id, due.number), outcome.head.encode())
        except UnavailableError:
            return None


def _verdict(
    due: Due, waits_s: Sequence[float], outcome: Outcome, over: datetime
) -> tuple[DeliveryState, datetime | None]:
    if outcome.is_delivered:
        return DeliveryState.DELIVERED, None
    if outcome.is_gone or outcome.aborts:
        return DeliveryState.FAILED, None
    wait = ladder.wait_s(waits_s, due.id, due.number, ladder.wish_of(outcome), before=due.before)
    if wait is None:
        return DeliveryState.FAILED, None
    return DeliveryState.RETRYING, over + timedelta(seconds=wait)

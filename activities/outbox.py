"""The outbox's way out: events are claimed, handed on, marked, and in the end forgotten."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Protocol

import structlog
from temporalio import activity

from activities.surface import surfaced
from gateway.clock import Clock
from gateway.ids import EventId
from storage import outbox
from storage.outbox import OutboxEvent
from storage.pool import Pool
from storage.webhooks import forgetting

log = structlog.get_logger()

_LEASE = timedelta(seconds=60)
_BATCH = 50
_IDLE_S = 1.0
_FORGOTTEN_AT_ONCE = 1000


class EventSink(Protocol):
    """Where events go."""

    async def receive(self, event: OutboxEvent) -> None:
        """Take one event, perhaps not for the first time. What it raises has the event offered again later."""
        ...


@dataclass(frozen=True, slots=True)
class Shift:
    seconds: int


@dataclass(frozen=True, slots=True)
class Relayed:
    events: int


@dataclass(frozen=True, slots=True)
class Forgotten:
    events: int
    deliveries: int = 0


class OutboxActivities:
    """Relaying is at least once: a worker that dies between hand-over and mark leaves the event to the next."""

    def __init__(self, pool: Pool, clock: Clock, sink: EventSink, *, kept: timedelta = timedelta(days=30)) -> None:
        """`kept`: how long events and their deliveries are."""
        self._kept = kept
        self._pool = pool
        self._clock = clock
        self._sink = sink

    @activity.defn(name="outbox.relay")
    @surfaced
    async def relay(self, shift: Shift) -> Relayed:
        """Relay events until the shift ends or the worker stops. Any number may run at once: each claims its own."""
        ends = monotonic() + shift.seconds
        relayed = 0
        while monotonic() < ends and not activity.is_worker_shutdown():
            activity.heartbeat()
            batch = await outbox.claim(self._pool, now=self._clock.now(), lease=_LEASE, limit=_BATCH)
            relayed += await self._hand_on(batch)
            if len(batch) < _BATCH:
                await _rest(ends - monotonic())
        return Relayed(relayed)

    @activity.defn(name="outbox.forget")
    @surfaced
    async def forget(self) -> Forgotten:
        """Delete what is older than it is kept, a bounded page at a time. Safe to run twice, also at once."""
        now = self._clock.now()
        before = now - self._kept
        await forgetting.destroy_retired_secrets(self._pool, now=now)
        while not activity.is_worker_shutdown() and await forgetting.forget_replay(self._pool, before=before):
            pass
        # Events last: those of which there are deliveries stay.
        deliveries = await self._page_by_page(
            lambda: forgetting.forget_deliveries(self._pool, before=before, limit=_FORGOTTEN_AT_ONCE)
        )
        events = await self._page_by_page(
            lambda: outbox.forget_relayed(self._pool, before=before, limit=_FORGOTTEN_AT_ONCE)
        )
        return Forgotten(events, deliveries)

    async def _page_by_page(self, forget: Callable[[], Awaitable[int]]) -> int:
        forgotten = 0
        while not activity.is_worker_shutdown():
            page = await forget()
            forgotten += page
            if page < _FORGOTTEN_AT_ONCE:
                break
        return forgotten

    async def _hand_on(self, batch: Sequence[OutboxEvent]) -> int:
        """One event that cannot be delivered holds up no other: its claim lapses and it comes round again."""
        received: list[EventId] = []
        for event in batch:
            activity.heartbeat()
            try:
                await self._sink.receive(event)
            except Exception as error:  # noqa: BLE001 - a sink may fail in any way
                log.warning(
                    "event_not_relayed",
                    event_id=event.id,
                    event_type=event.type,
                    attempt=event.attempts,
                    error_type=type(error).__name__,
                )
            else:
                received.append(event.id)
        if received:
            await outbox.mark_relayed(self._pool, received, now=self._clock.now())
        return len(received)


async def _rest(left_s: float) -> None:
    """Wait for new events, but not past the shift's end or the worker's."""
    try:
        await asyncio.wait_for(activity.wait_for_worker_shutdown(), timeout=max(0.0, min(_IDLE_S, left_s)))
    except TimeoutError:
        return

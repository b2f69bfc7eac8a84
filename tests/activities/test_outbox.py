import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from temporalio.testing import ActivityEnvironment

from activities.outbox import EventSink, Forgotten, OutboxActivities, Relayed, Shift
from storage import Storage
from storage.outbox import OutboxEvent
from tests.activities.conftest import SetClock, kept, put_events, waiting

LEASE = timedelta(seconds=61)
DAY = timedelta(days=1)
LONG = Shift(seconds=60)


class Recorder:
    """An `EventSink` that keeps what it receives, refuses what it is told to, and stops the worker after `until`."""

    def __init__(self, stop: Callable[[], None], *, until: int, refused: frozenset[str] = frozenset()) -> None:
        self.events: list[OutboxEvent] = []
        self.offered = 0
        self._stop = stop
        self._until = until
        self._refused = refused

    @property
    def ids(self) -> list[str]:
        return [event.id for event in self.events]

    async def receive(self, event: OutboxEvent) -> None:
        self.offered += 1
        if self.offered >= self._until:
            self._stop()
        if event.id in self._refused:
            raise ConnectionError("no route to somewhere")
        self.events.append(event)


async def test_every_event_is_relayed_once_in_order(storage: Storage, clock: SetClock) -> None:
    ids = await put_events(storage, 120, at=clock.now())
    environment = ActivityEnvironment()
    sink = Recorder(environment.worker_shutdown, until=120)

    relayed = await _relay(environment, storage, clock, sink)

    assert relayed == Relayed(120)
    assert sink.ids == ids
    assert {event.attempts for event in sink.events} == {1}
    assert await waiting(storage) == []


async def test_a_second_relay_finds_nothing(storage: Storage, clock: SetClock) -> None:
    await put_events(storage, 3, at=clock.now())
    environment = ActivityEnvironment()
    await _relay(environment, storage, clock, Recorder(environment.worker_shutdown, until=3))
    clock.advance(LEASE)
    again = ActivityEnvironment()
    sink = Recorder(again.worker_shutdown, until=1)

    assert await _relay(again, storage, clock, sink, shift=Shift(seconds=1)) == Relayed(0)
    assert sink.offered == 0


async def test_two_relays_at_once_share_the_events(storage: Storage, clock: SetClock) -> None:
    ids = await put_events(storage, 300, at=clock.now())
    environments = (ActivityEnvironment(), ActivityEnvironment())

    def stop() -> None:
        for environment in environments:
            environment.worker_shutdown()

    sink = Recorder(stop, until=300)
    shares = await asyncio.gather(*(_relay(environment, storage, clock, sink) for environment in environments))

    assert sum(share.events for share in shares) == 300
    assert sorted(sink.ids) == ids
    assert await waiting(storage) == []


async def test_an_event_that_is_refused_comes_round_again(storage: Storage, clock: SetClock) -> None:
    ids = await put_events(storage, 3, at=clock.now())
    environment = ActivityEnvironment()
    refusing = Recorder(environment.worker_shutdown, until=3, refused=frozenset({ids[0]}))
    relayed = await _relay(environment, storage, clock, refusing)

    assert relayed == Relayed(2)
    assert await waiting(storage) == [ids[0]]

    clock.advance(LEASE)
    again = ActivityEnvironment()
    sink = Recorder(again.worker_shutdown, until=1)
    await _relay(again, storage, clock, sink)

    assert [(event.id, event.attempts) for event in sink.events] == [(ids[0], 2)]
    assert await waiting(storage) == []


async def test_a_shift_ends(storage: Storage, clock: SetClock) -> None:
    environment = ActivityEnvironment()
    sink = Recorder(environment.worker_shutdown, until=1)

    assert await _relay(environment, storage, clock, sink, shift=Shift(seconds=1)) == Relayed(0)


async def test_a_stopping_worker_ends_its_shift(storage: Storage, clock: SetClock) -> None:
    environment = ActivityEnvironment()
    environment.on_heartbeat = lambda *_: environment.worker_shutdown()
    sink = Recorder(environment.worker_shutdown, until=1)

    assert await _relay(environment, storage, clock, sink) == Relayed(0)


async def test_relayed_events_are_forgotten_after_a_month(storage: Storage, clock: SetClock) -> None:
    old = clock.now() - 31 * DAY
    await put_events(storage, 5, at=old, relayed_at=old)
    late = await put_events(storage, 2, at=old, relayed_at=clock.now() - DAY)
    unsent = await put_events(storage, 2, at=old)
    recent = await put_events(storage, 2, at=clock.now() - DAY, relayed_at=clock.now() - DAY)
    outbox = OutboxActivities(storage.pool, clock, Recorder(lambda: None, until=1))

    first = await ActivityEnvironment().run(outbox.forget)
    again = await ActivityEnvironment().run(outbox.forget)

    assert (first, again) == (Forgotten(5), Forgotten(0))
    assert await kept(storage) == sorted([*late, *unsent, *recent])


@pytest.mark.parametrize("count", [1000, 1001])
async def test_a_backlog_is_forgotten_page_by_page(storage: Storage, clock: SetClock, count: int) -> None:
    old = clock.now() - 31 * DAY
    await put_events(storage, count, at=old, relayed_at=old)
    outbox = OutboxActivities(storage.pool, clock, Recorder(lambda: None, until=1))

    assert await ActivityEnvironment().run(outbox.forget) == Forgotten(count)


async def _relay(
    environment: ActivityEnvironment,
    storage: Storage,
    clock: SetClock,
    sink: EventSink,
    *,
    shift: Shift = LONG,
) -> Relayed:
    return await environment.run(OutboxActivities(storage.pool, clock, sink).relay, shift)

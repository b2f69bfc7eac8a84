"""First tries, on a real database and real receivers of this machine."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

import psycopg
import pytest
import pytest_asyncio
from aiohttp import web
from temporalio.testing import ActivityEnvironment

from activities.webhook_delivery import Retries, Try, WebhookDeliveryActivities
from activities.webhook_dispatch import ShardShift, ShiftDone, WebhookDispatchActivities
from activities.webhook_tries import Sending, Tries
from gateway.clock import Clock
from gateway.ids import EndpointId, OrganizationId
from gateway.settings import Settings
from gateway.webhooks.attempts import Failure, Outcome, Outgoing
from gateway.webhooks.ladder import DEFAULT_WAITS_S
from gateway.webhooks.sender import Sender
from storage import Storage
from storage.pool import fetch
from storage.webhooks import claims
from tests.activities.conftest import SetClock
from tests.conftest import Database
from tests.receivers import deliveries, make_endpoint, make_org, publish, receiving, status, well


@dataclass(slots=True)
class Workflows:
    """`RetryWorkflows` that keeps what it is asked to start; `is_away`: as while Temporal is."""

    started: list[Retries] = field(default_factory=list[Retries])
    is_away: bool = False
    _heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self, retries: Retries) -> None:
        self._heard.set()
        if self.is_away:
            raise ConnectionError("no Temporal")
        self.started.append(retries)

    async def heard(self) -> None:
        await self._heard.wait()


@pytest_asyncio.fixture
async def sender() -> AsyncIterator[Sender]:
    opened = Sender(allow_private=True)
    yield opened
    await opened.close()


@dataclass(slots=True)
class Dispatching:
    storage: Storage
    settings: Settings
    sender: Sending
    workflows: Workflows = field(default_factory=Workflows)

    @asynccontextmanager
    async def on(self, *, clock: Clock | None = None, shards: int = 1, shard: int = 0) -> AsyncGenerator[None]:
        """A dispatcher works for the length of the block, and drains at its end."""
        environment = ActivityEnvironment()
        clock = clock or self.storage.clock
        activities = WebhookDispatchActivities(
            self.storage.pool,
            self.storage.cipher,
            clock,
            Tries(self.sender, self.storage.cipher, clock),
            self.workflows,
            database_url=str(self.settings.database_url),
            waits_s=DEFAULT_WAITS_S,
            shards=shards,
        )
        task = asyncio.create_task(environment.run(activities.dispatch, ShardShift(shard, seconds=600)))
        try:
            yield
        finally:
            environment.worker_shutdown()
            await task


@pytest.fixture
def dispatching(storage: Storage, settings: Settings, sender: Sender) -> Dispatching:
    return Dispatching(storage, settings, sender)


@pytest_asyncio.fixture
async def org(storage: Storage) -> OrganizationId:
    return await make_org(storage)


async def test_what_is_published_arrives_and_is_settled(
    storage: Storage, dispatching: Dispatching, org: OrganizationId
) -> None:
    async with receiving() as receiver:
        await make_endpoint(storage, org, receiver.url)
        async with dispatching.on():
            await publish(storage, org, 300)
            await receiver.has(lambda it: len(it.taken) == 300)

    assert sorted(receiver.seen) == await deliveries(storage, "delivered")
    rows = await fetch(storage.pool, "select number, status, failure, org_id from webhook_attempts")
    assert rows == [(1, 200, None, org)] * 300
    assert await fetch(storage.pool, "select * from webhook_health") == []
    assert dispatching.workflows.started == []


async def test_what_fails_is_left_to_its_workflow(
    storage: Storage, dispatching: Dispatching, org: OrganizationId
) -> None:
    async with receiving(status(503)) as receiver:
        endpoint = await make_endpoint(storage, org, receiver.url)
        async with dispatching.on():
            (event,) = await publish(storage, org)
            await dispatching.workflows.heard()

    (delivery,) = await deliveries(storage, "retrying")
    (started,) = dispatching.workflows.started
    assert (started.org, started.delivery, started.endpoint, started.event) == (org, delivery, endpoint, event)
    assert (started.tried, started.before, started.waits_s) == (1, 0, [*DEFAULT_WAITS_S])
    ((next_at, first_at),) = await fetch(
        storage.pool,
        "select next_attempt_at, at from webhook_deliveries d join webhook_attempts a on a.delivery_id = d.id",
    )
    assert started.due_at == next_at.isoformat()
    assert timedelta(seconds=8) <= next_at - first_at <= timedelta(seconds=14)
    assert receiver.seen == [delivery]


async def test_a_worker_lost_between_claim_and_send_leaves_its_deliveries_to_the_next(
    storage: Storage, dispatching: Dispatching, org: OrganizationId, clock: SetClock
) -> None:
    async with receiving() as receiver:
        await make_endpoint(storage, org, receiver.url)
        await publish(storage, org, 3, at=clock.now())
        (endpoint,) = await claims.waiting(storage.pool, after="")
        lost = await claims.claim(storage.pool, storage.cipher, [(endpoint, 2)], now=clock.now())

        async with dispatching.on(clock=clock):
            await receiver.has(lambda it: len(it.taken) == 1)
        assert not {due.id for due in lost} & {*receiver.seen}

        clock.advance(claims.LEASE)
        async with dispatching.on(clock=clock):
            await receiver.has(lambda it: len(it.taken) == 3)

    assert sorted(receiver.seen) == await deliveries(storage, "delivered")


async def test_a_worker_lost_between_send_and_settle_sends_again_under_the_same_id(
    storage: Storage, dispatching: Dispatching, org: OrganizationId, clock: SetClock
) -> None:
    async with receiving() as receiver:
        await make_endpoint(storage, org, receiver.url)
        await publish(storage, org, at=clock.now())
        (endpoint,) = await claims.waiting(storage.pool, after="")
        (lost,) = await claims.claim(storage.pool, storage.cipher, [(endpoint, 1)], now=clock.now())
        await dispatching.sender.send(lost.outgoing)
        clock.advance(claims.LEASE)

        async with dispatching.on(clock=clock):
            await receiver.has(lambda it: len(it.taken) == 2)

    assert receiver.seen == [lost.id, lost.id]
    assert await fetch(storage.pool, "select delivery_id, number from webhook_attempts") == [(lost.id, 1)]


async def test_a_worker_lost_between_settle_and_start_leaves_the_start_to_the_next(
    storage: Storage, dispatching: Dispatching, org: OrganizationId, clock: SetClock
) -> None:
    dispatching.workflows.is_away = True
    async with receiving(status(500)) as receiver:
        await make_endpoint(storage, org, receiver.url)
        await publish(storage, org, at=clock.now())
        async with dispatching.on(clock=clock):
            await dispatching.workflows.heard()
        clock.advance(timedelta(minutes=2))

        back = replace(dispatching, workflows=Workflows())
        async with back.on(clock=clock):
            await back.workflows.heard()

    (started,) = back.workflows.started
    assert (started.delivery, started.tried) == (receiver.seen[0], 1)
    assert len(receiver.seen) == 1


async def test_a_lost_database_connection_costs_no_delivery(
    storage: Storage, dispatching: Dispatching, database: Database, org: OrganizationId
) -> None:
    async def cut(number: int) -> web.Response:
        if number == 5:
            await _cut(database, "hasp")
        return web.Response()

    async with receiving(cut) as receiver:
        await make_endpoint(storage, org, receiver.url)
        await publish(storage, org, 20)
        async with dispatching.on():
            await receiver.has(lambda it: len(it.taken) >= 20)

    assert len(await deliveries(storage, "delivered")) == 20
    assert {*receiver.seen} == {*await deliveries(storage)}


async def test_nothing_is_missed_while_the_channel_is_cut(
    storage: Storage, dispatching: Dispatching, database: Database, org: OrganizationId
) -> None:
    async with receiving() as receiver:
        await make_endpoint(storage, org, receiver.url)
        async with dispatching.on():
            await publish(storage, org)
            await receiver.has(lambda it: len(it.taken) == 1)
            await _cut(database, "hasp-webhooks")
            await publish(storage, org)
            await receiver.has(lambda it: len(it.taken) == 2)


async def test_two_dispatchers_of_one_shard_share_what_waits(
    storage: Storage, dispatching: Dispatching, org: OrganizationId
) -> None:
    async with receiving() as receiver:
        for _ in range(3):
            await make_endpoint(storage, org, receiver.url)
        await publish(storage, org, 200)
        async with dispatching.on(), dispatching.on():
            await receiver.has(lambda it: len(it.taken) == 600)

    assert Counter(receiver.seen) == Counter(await deliveries(storage, "delivered"))


async def test_shards_divide_the_endpoints_among_them(
    storage: Storage, dispatching: Dispatching, org: OrganizationId
) -> None:
    async with receiving() as receiver:
        for _ in range(12):
            await make_endpoint(storage, org, receiver.url)
        await publish(storage, org, 5)
        async with dispatching.on(shards=2, shard=0), dispatching.on(shards=2, shard=1):
            await receiver.has(lambda it: len(it.taken) == 60)

    assert Counter(receiver.seen) == Counter(await deliveries(storage, "delivered"))


async def test_a_shard_that_is_none_any_more_ends(storage: Storage, dispatching: Dispatching) -> None:
    activities = WebhookDispatchActivities(
        storage.pool,
        storage.cipher,
        storage.clock,
        Tries(dispatching.sender, storage.cipher, storage.clock),
        dispatching.workflows,
        database_url=str(dispatching.settings.database_url),
        waits_s=DEFAULT_WAITS_S,
        shards=2,
    )

    done = await ActivityEnvironment().run(activities.dispatch, ShardShift(2, seconds=60))

    assert done == ShiftDone(0, is_wanted=False)


async def test_an_endpoint_that_hangs_delays_no_other(
    storage: Storage, dispatching: Dispatching, org: OrganizationId
) -> None:
    release = asyncio.Event()

    async def hang(_: int) -> web.Response:
        await release.wait()
        return web.Response()

    async with receiving(hang) as slow, receiving() as quick:
        await make_endpoint(storage, org, slow.url)
        await make_endpoint(storage, org, quick.url)
        async with dispatching.on():
            await publish(storage, org, 1000)
            await quick.has(lambda it: len(it.taken) == 1000)
            assert slow.seen
            assert slow.taken == []
            release.set()
            await slow.has(lambda it: len(it.taken) == 1000)

    assert len(await deliveries(storage, "delivered")) == 2000


async def test_an_endpoint_that_only_fails_rests_and_is_then_asked_with_one_delivery_at_a_time(
    storage: Storage, dispatching: Dispatching, org: OrganizationId, clock: SetClock
) -> None:
    async with receiving(status(500)) as receiver:
        await make_endpoint(storage, org, receiver.url)
        await publish(storage, org, 200, at=clock.now())
        async with dispatching.on(clock=clock):
            await receiver.has(lambda it: len(it.seen) >= 5)
        first_wave = len(receiver.seen)
        assert first_wave < 100

        clock.advance(timedelta(seconds=31))
        async with dispatching.on(clock=clock):
            await receiver.has(lambda it: len(it.seen) == first_wave + 1)
        assert len(receiver.seen) == first_wave + 1

        receiver.answer = well
        clock.advance(timedelta(seconds=62))
        async with dispatching.on(clock=clock):
            await receiver.has(lambda it: len(it.taken) == 200 - first_wave - 1)

    assert len(await deliveries(storage, "retrying")) == first_wave + 1
    assert await fetch(storage.pool, "select failures, rests, rests_until from webhook_health") == [(0, 0, None)]


async def test_an_endpoint_gets_no_more_a_minute_than_it_asked_for(
    storage: Storage, dispatching: Dispatching, org: OrganizationId, clock: SetClock
) -> None:
    async with receiving() as receiver, receiving() as other:
        await make_endpoint(storage, org, receiver.url, rate_per_minute=120)
        await make_endpoint(storage, org, other.url)
        await publish(storage, org, 10, at=clock.now())
        for second in range(3):
            async with dispatching.on(clock=clock):
                await receiver.has(lambda it, second=second: len(it.taken) == 2 * (second + 1))
                await other.has(lambda it: len(it.taken) == 10)
            assert len(receiver.taken) == 2 * (second + 1)
            clock.advance(timedelta(seconds=1))


async def test_an_ordered_endpoint_gets_one_delivery_after_the_other(
    storage: Storage, dispatching: Dispatching, org: OrganizationId
) -> None:
    async with receiving() as receiver:
        await make_endpoint(storage, org, receiver.url, is_ordered=True)
        await publish(storage, org, 50)
        async with dispatching.on(), dispatching.on():
            await receiver.has(lambda it: len(it.taken) == 50)

    assert receiver.seen == await deliveries(storage, "delivered")


async def test_nothing_passes_what_an_ordered_endpoint_has_not_taken(
    storage: Storage, dispatching: Dispatching, org: OrganizationId, clock: SetClock
) -> None:
    async with receiving(status(500)) as receiver:
        await make_endpoint(storage, org, receiver.url, is_ordered=True)
        await publish(storage, org, 3, at=clock.now())
        async with dispatching.on(clock=clock):
            await dispatching.workflows.heard()
        first, *later = await deliveries(storage)
        assert receiver.seen == [first]

        receiver.answer = well
        delivery = WebhookDeliveryActivities(
            storage.pool, storage.cipher, clock, Tries(dispatching.sender, storage.cipher, clock)
        )
        await ActivityEnvironment().run(delivery.attempt, Try(org, first, 2, [*DEFAULT_WAITS_S]))
        async with dispatching.on(clock=clock):
            await receiver.has(lambda it: len(it.taken) == 3)

    assert receiver.seen == [first, first, *later]


@pytest.mark.parametrize("state", ["paused", "disabled", "deleted"])
async def test_an_endpoint_that_is_not_active_gets_nothing(
    storage: Storage, dispatching: Dispatching, org: OrganizationId, state: str
) -> None:
    async with receiving() as receiver, receiving() as other:
        endpoint = await make_endpoint(storage, org, receiver.url)
        await publish(storage, org, 3)
        await _put_into(storage, endpoint, state)
        await make_endpoint(storage, org, other.url)
        await publish(storage, org, 3)
        async with dispatching.on():
            await other.has(lambda it: len(it.taken) == 3)

    assert receiver.seen == []
    waits = {"paused": (6, 0), "disabled": (0, 6), "deleted": (0, 3)}
    assert (len(await deliveries(storage, "pending")), len(await deliveries(storage, "skipped"))) == waits[state]


async def test_what_waited_for_a_paused_endpoint_arrives_when_it_is_active_again(
    storage: Storage, dispatching: Dispatching, org: OrganizationId
) -> None:
    async with receiving() as receiver:
        endpoint = await make_endpoint(storage, org, receiver.url)
        await _put_into(storage, endpoint, "paused")
        await publish(storage, org, 3)
        async with dispatching.on():
            await _put_into(storage, endpoint, "active")
            await receiver.has(lambda it: len(it.taken) == 3)


async def test_an_endpoint_that_is_enabled_again_gets_what_comes_then(
    storage: Storage, dispatching: Dispatching, org: OrganizationId
) -> None:
    async with receiving() as receiver:
        endpoint = await make_endpoint(storage, org, receiver.url)
        await _put_into(storage, endpoint, "disabled")
        await publish(storage, org, 3)
        await _put_into(storage, endpoint, "active")
        async with dispatching.on():
            await publish(storage, org, 2)
            await receiver.has(lambda it: len(it.taken) == 2)

    assert len(await deliveries(storage, "skipped")) == 3


async def test_an_endpoint_that_is_gone_is_disabled_and_the_others_are_told(
    storage: Storage, dispatching: Dispatching, org: OrganizationId
) -> None:
    async with receiving(status(410)) as receiver, receiving() as other:
        endpoint = await make_endpoint(storage, org, receiver.url, events=("*",))
        await make_endpoint(storage, org, other.url, events=("webhook_endpoint.disabled",))
        async with dispatching.on():
            await publish(storage, org)
            await other.has(lambda it: len(it.taken) == 1)

    assert await _states(storage, endpoint) == ["failed", "skipped"]
    assert len(receiver.seen) == 1
    assert await fetch(storage.pool, "select type, data from outbox where type like 'webhook_endpoint.%%'") == [
        ("webhook_endpoint.disabled", {"endpoint_id": endpoint, "reason": "gone"})
    ]
    assert await fetch(
        storage.pool,
        "select entity_id, actor, metadata from audit_entries where action = 'webhook_endpoint.disabled'",
    ) == [(endpoint, "system:webhooks", {"reason": "gone"})]
    assert await fetch(
        storage.pool, "select state, disabled_because, version from webhook_endpoints where id = %s", [endpoint]
    ) == [("disabled", "gone", 2)]


async def test_an_answer_that_wants_no_further_try_gets_none(
    storage: Storage, dispatching: Dispatching, org: OrganizationId
) -> None:
    async with receiving(status(400, webhook_delivery="abort-message")) as receiver, receiving() as other:
        endpoint = await make_endpoint(storage, org, receiver.url)
        await make_endpoint(storage, org, other.url)
        async with dispatching.on():
            await publish(storage, org)
            await other.has(lambda it: len(it.taken) == 1)
            await receiver.has(lambda it: len(it.seen) == 1)

    assert await _states(storage, endpoint) == ["failed"]
    assert dispatching.workflows.started == []


async def test_an_endpoint_is_told_of_before_it_is_disabled_after_120_hours_of_failures(
    storage: Storage, dispatching: Dispatching, org: OrganizationId, clock: SetClock
) -> None:
    nobody = Failing()
    failing = replace(dispatching, sender=nobody)
    endpoint = await make_endpoint(storage, org, "http://127.0.0.1:1/hook")
    for _ in range(26):
        await publish(storage, org, at=clock.now())
        async with failing.on(clock=clock):
            await nobody.tried()
        clock.advance(timedelta(hours=5))

    told = await fetch(storage.pool, "select type, data from outbox where type like 'webhook_endpoint.%%' order by id")
    assert [(kind, data.get("percent")) for kind, data in told] == [
        ("webhook_endpoint.failing", 50),
        ("webhook_endpoint.failing", 70),
        ("webhook_endpoint.failing", 90),
        ("webhook_endpoint.disabled", None),
    ]
    assert await fetch(
        storage.pool, "select state, disabled_because from webhook_endpoints where id = %s", [endpoint]
    ) == [("disabled", "failures")]
    audited = "select action from audit_entries where actor = 'system:webhooks' order by id"
    assert [action for (action,) in await fetch(storage.pool, audited)] == [kind for kind, _ in told]


@dataclass(slots=True)
class Failing:
    """A sender whom nobody answers."""

    sent: list[Outgoing] = field(default_factory=list[Outgoing])
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, outgoing: Outgoing) -> Outcome:
        self.sent.append(outgoing)
        self._changed.set()
        return Outcome(Failure.TIMEOUT, 10_000)

    async def tried(self) -> None:
        await self._changed.wait()
        self._changed.clear()


async def _put_into(storage: Storage, endpoint: EndpointId, state: str) -> None:
    because = "failures" if state == "disabled" else None
    await fetch(
        storage.pool,
        "update webhook_endpoints set state = %s, disabled_because = %s where id = %s",
        [state, because, endpoint],
    )


async def _states(storage: Storage, endpoint: EndpointId) -> list[str]:
    rows = await fetch(
        storage.pool, "select state from webhook_deliveries where endpoint_id = %s order by id", [endpoint]
    )
    return [row[0] for row in rows]


async def _cut(database: Database, application: str) -> None:
    async with await psycopg.AsyncConnection.connect(database.owner_url, autocommit=True) as connection:
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name = %s and datname = current_database()",
            [application],
        )

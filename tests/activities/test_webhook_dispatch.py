"""First tries, on a real database and real receivers of this machine."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import psycopg
from aiohttp import web
from temporalio.testing import ActivityEnvironment

from activities.webhook_dispatch import ShardShift, ShiftDone, WebhookDispatchActivities
from activities.webhook_tries import Tries
from gateway.ids import OrganizationId
from gateway.webhooks.ladder import DEFAULT_WAITS_S
from storage import Storage
from storage.pool import fetch
from storage.webhooks import claims
from tests.activities.conftest import SetClock
from tests.activities.dispatching import Dispatching, Workflows
from tests.conftest import Database
from tests.receivers import deliveries, make_endpoint, publish, receiving, status


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


async def _cut(database: Database, application: str) -> None:
    async with await psycopg.AsyncConnection.connect(database.owner_url, autocommit=True) as connection:
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name = %s and datname = current_database()",
            [application],
        )

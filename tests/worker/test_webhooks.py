"""Deliveries by a real worker on a real Temporal, and by the next one when the first is killed."""

from datetime import timedelta

import pytest
from aiohttp import web
from temporalio.client import Client

from gateway.settings import Settings
from storage import Storage
from storage.pool import fetch
from tests.receivers import deliveries, make_endpoint, make_org, publish, receiving, status, well
from tests.worker.conftest import worker_process
from workflows import webhook_dispatch
from workflows.webhook_retries import workflow_id


@pytest.fixture
def delivering(worker_settings: Settings) -> Settings:
    return worker_settings.model_copy(
        update={"webhook_allow_private": True, "webhook_ladder": [1.0, 1.0], "webhook_shards": 1}
    )


async def test_a_delivery_that_failed_is_tried_again_by_its_workflow(
    delivering: Settings, storage: Storage, upkeep: Client
) -> None:
    async def answer(number: int) -> web.Response:
        return await (well if number == 3 else status(500))(number)

    async with receiving(answer) as receiver, worker_process(delivering):
        org = await make_org(storage)
        await make_endpoint(storage, org, receiver.url)
        await publish(storage, org)
        await receiver.has(lambda it: len(it.taken) == 1)
        (delivery,) = {*receiver.seen}
        ended = await upkeep.get_workflow_handle(workflow_id(delivery)).result()

    assert len(receiver.seen) == 3
    assert ended == {"state": "delivered", "tried": 3}
    assert await deliveries(storage, "delivered") == [delivery]


async def test_workers_killed_while_they_deliver_lose_nothing_and_keep_order(
    delivering: Settings, storage: Storage, upkeep: Client
) -> None:
    org = await make_org(storage)
    async with receiving() as receiver, receiving() as in_order:
        await make_endpoint(storage, org, receiver.url, events=("audit.checkpoint", "phi.redacted"))
        await make_endpoint(storage, org, in_order.url, events=("phi.redacted",), is_ordered=True)
        at = storage.clock.now()
        times = [at + timedelta(milliseconds=number) for number in range(60)]
        ordered = [event for time in times for event in await publish(storage, org, at=time, kind="phi.redacted")]
        published = {*ordered, *await publish(storage, org, 500)}
        for killed_at in (10, 30):
            async with worker_process(delivering) as worker:
                await in_order.has(lambda it, wanted=killed_at: len({*it.seen}) >= wanted)
                worker.process.kill()
                await worker.process.wait()
            assert len({*in_order.taken}) < len(ordered)

            # As a minute later: its heartbeat is missed, and its leases have lapsed.
            await upkeep.get_workflow_handle(webhook_dispatch.workflow_id(0)).terminate()
            await fetch(storage.pool, "update webhook_deliveries set claimed_until = null")
        async with worker_process(delivering):
            await receiver.has(lambda it: {*it.events} == published)
            await in_order.has(lambda it: {*it.events} == {*ordered})

    assert {*receiver.taken, *in_order.taken} == {*await deliveries(storage)}
    for each in (receiver, in_order):
        assert len({*zip(each.events, each.taken, strict=True)}) == len({*each.events})
    assert [*dict.fromkeys(in_order.events)] == ordered

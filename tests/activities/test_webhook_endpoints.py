"""What endpoints of every kind and in every state get, and what none of them can do to another."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from aiohttp import web
from temporalio.testing import ActivityEnvironment

from activities.webhook_delivery import Try, WebhookDeliveryActivities
from activities.webhook_tries import Tries
from gateway.ids import EndpointId, OrganizationId
from gateway.webhooks.attempts import Failure, Outcome, Outgoing
from gateway.webhooks.ladder import DEFAULT_WAITS_S
from storage import Storage
from storage.pool import fetch
from tests.activities.conftest import SetClock
from tests.activities.dispatching import Dispatching
from tests.receivers import deliveries, make_endpoint, publish, receiving, status, well


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


async def test_an_endpoint_whose_secret_does_not_open_holds_up_no_other(
    storage: Storage, dispatching: Dispatching, org: OrganizationId
) -> None:
    async with receiving() as shut, receiving() as other:
        endpoint = await make_endpoint(storage, org, shut.url)
        await make_endpoint(storage, org, other.url)
        await fetch(
            storage.pool, "update webhook_secrets set secret = %s where endpoint_id = %s", [bytes(60), endpoint]
        )
        async with dispatching.on():
            await publish(storage, org, 3)
            await other.has(lambda it: len(it.taken) == 3)

    assert shut.seen == []
    assert await _states(storage, endpoint) == ["pending"] * 3


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

"""A delivery's ladder: scripted, and whole, over three days that are skipped, to a real receiver."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from aiohttp import web
from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle, WorkflowHistory
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.webhook_delivery import Retries, Tried, Try, WebhookDeliveryActivities
from activities.webhook_tries import Tries
from gateway.ids import new_ulid
from gateway.webhooks import ladder
from gateway.webhooks.ladder import DEFAULT_WAITS_S, Wish
from gateway.webhooks.sender import Sender
from storage import Storage
from storage.pool import fetch
from storage.webhooks import claims, settling
from tests.receivers import Receiver, make_endpoint, make_org, publish, receiving, status, well
from workflows.queues import TaskQueue
from workflows.search_attributes import ENDPOINT, EVENT, KIND, ORGANIZATION, STATE
from workflows.webhook_delivery import Ended, Standing, WebhookDelivery
from workflows.webhook_retries import WebhookRetries, workflow_id


@dataclass(slots=True)
class ScriptedAttempts:
    """Stands in for `WebhookDeliveryActivities`: what each try comes to, one after the other."""

    script: list[Tried]
    asked: list[Try] = field(default_factory=list[Try])

    @activity.defn(name="webhook.attempt")
    async def attempt(self, asked: Try) -> Tried:
        self.asked.append(asked)
        return self.script.pop(0)


def make_retries(**changes: object) -> Retries:
    due_at = (datetime.now(UTC) + timedelta(seconds=10)).isoformat()
    made = Retries("01ORG", new_ulid(), "01ENDPOINT", "01EVENT", 1, 0, due_at, [10.0, 60.0, 300.0])
    return replace(made, **changes)  # pyright: ignore[reportArgumentType]


def failed(tried: int, *, wish: Wish | None = None, put_off_s: float | None = None) -> Tried:
    return Tried("retrying", tried, 0, put_off_s, wish or Wish())


@asynccontextmanager
async def working(client: Client, activities: ScriptedAttempts | WebhookDeliveryActivities) -> AsyncGenerator[None]:
    async with Worker(
        client, task_queue=TaskQueue.WEBHOOKS, workflows=[WebhookDelivery], activities=[activities.attempt]
    ):
        yield


async def run(
    client: Client, script: Sequence[Tried], retries: Retries | None = None
) -> tuple[ScriptedAttempts, Ended, WorkflowHandle[WebhookDelivery, Ended]]:
    attempts, retries = ScriptedAttempts([*script]), retries or make_retries()
    async with working(client, attempts):
        await WebhookRetries(client).start(retries)
        handle = client.get_workflow_handle_for(WebhookDelivery.run, workflow_id(retries.delivery))
        return attempts, await handle.result(), handle


def waits(history: WorkflowHistory) -> list[float]:
    """How long each timer was set for, in seconds."""
    started = [event.timer_started_event_attributes for event in history.events if event.event_type == _TIMER_STARTED]
    return [each.start_to_fire_timeout.ToNanoseconds() / 1e9 for each in started]


_TIMER_STARTED = EventType.EVENT_TYPE_TIMER_STARTED


async def test_it_waits_as_the_ladder_says_until_it_is_delivered(client: Client) -> None:
    retries = make_retries()
    slow = Wish(is_slow=True)

    attempts, ended, handle = await run(client, [failed(2), failed(3, wish=slow), Tried("delivered", 4, 0)], retries)

    assert ended == Ended("delivered", 4)
    assert [(asked.number, asked.at_once) for asked in attempts.asked] == [(2, False), (3, False), (4, False)]
    assert {asked.delivery for asked in attempts.asked} == {retries.delivery}
    second, third = waits(await handle.fetch_history())[1:]
    assert second == pytest.approx(ladder.wait_s(retries.waits_s, retries.delivery, 2, Wish()), abs=0.01)
    assert third == pytest.approx(ladder.wait_s(retries.waits_s, retries.delivery, 3, slow), abs=0.01)


async def test_it_goes_on_from_what_the_rows_say_after_a_restore(client: Client) -> None:
    attempts, ended, handle = await run(client, [failed(2), Tried("delivered", 3, 0)], make_retries(tried=5))

    assert ended == Ended("delivered", 3)
    assert [asked.number for asked in attempts.asked] == [6, 3]
    assert len(waits(await handle.fetch_history())) == 2


async def test_it_ends_as_failed_when_its_last_try_has_failed(client: Client) -> None:
    _, ended, handle = await run(client, [failed(2), Tried("failed", 3, 0)])

    assert ended == Ended("failed", 3)
    assert (await handle.describe()).typed_search_attributes.get(STATE) == "failed"


async def test_it_is_put_off_once_while_its_endpoint_rests(client: Client) -> None:
    attempts, ended, handle = await run(client, [failed(1, put_off_s=120.0), failed(2), Tried("delivered", 3, 0)])

    assert ended == Ended("delivered", 3)
    assert [(asked.number, asked.at_once) for asked in attempts.asked] == [(2, False), (2, True), (3, False)]
    assert waits(await handle.fetch_history())[1] == pytest.approx(120.0, abs=0.01)


async def test_it_leaves_what_its_paused_endpoint_is_to_get_to_the_dispatcher(client: Client) -> None:
    _, ended, handle = await run(client, [Tried("pending", 1, 0)])

    assert ended == Ended("pending", 1)
    assert (await handle.describe()).typed_search_attributes.get(STATE) == "endpoint_paused"


async def test_it_can_be_found_by_whose_it_is_and_says_why_it_waits(
    client: Client, temporal_env: WorkflowEnvironment
) -> None:
    retries = make_retries(due_at=(datetime.now(UTC) + timedelta(days=3)).isoformat())
    with temporal_env.with_time_skipping_disabled():
        async with working(client, ScriptedAttempts([])):
            await WebhookRetries(client).start(retries)
            handle = client.get_workflow_handle_for(WebhookDelivery.run, workflow_id(retries.delivery))
            standing = await handle.query(WebhookDelivery.state)
            found = (await handle.describe()).typed_search_attributes
        await handle.terminate()

    assert standing == Standing("waiting_to_retry", 1, retries.due_at)
    assert [found.get(key) for key in (ORGANIZATION, KIND, ENDPOINT, EVENT, STATE)] == [
        "01ORG",
        "webhook.delivery",
        "01ENDPOINT",
        "01EVENT",
        "waiting_to_retry",
    ]


async def test_a_later_try_that_failed_elsewhere_takes_its_place(
    client: Client, temporal_env: WorkflowEnvironment
) -> None:
    retries = make_retries(due_at=(datetime.now(UTC) + timedelta(days=3)).isoformat())
    attempts = ScriptedAttempts([Tried("delivered", 8, 6)])
    with temporal_env.with_time_skipping_disabled():
        async with working(client, attempts):
            workflows = WebhookRetries(client)
            await workflows.start(retries)
            await workflows.start(retries)
            await workflows.start(replace(retries, tried=7, before=6, due_at=datetime.now(UTC).isoformat()))
            handle = client.get_workflow_handle_for(WebhookDelivery.run, workflow_id(retries.delivery))
            ended = await handle.result()

    assert ended == Ended("delivered", 8)
    assert [asked.number for asked in attempts.asked] == [8]


async def test_a_worker_lost_in_a_try_makes_it_again(client: Client) -> None:
    retries = make_retries()
    lost = asyncio.Event()

    @dataclass(slots=True)
    class LostOnce(ScriptedAttempts):
        @activity.defn(name="webhook.attempt")
        async def attempt(self, asked: Try) -> Tried:
            self.asked.append(asked)
            if not lost.is_set():
                lost.set()
                raise ConnectionError
            return self.script.pop(0)

    attempts = LostOnce([Tried("delivered", 2, 0)])
    async with working(client, attempts):
        await WebhookRetries(client).start(retries)
        handle = client.get_workflow_handle_for(WebhookDelivery.run, workflow_id(retries.delivery))

        assert await handle.result() == Ended("delivered", 2)
    assert [asked.number for asked in attempts.asked] == [2, 2]


class VirtualClock:
    """The server's clock of the workflow whose activity asks."""

    def now(self) -> datetime:
        return activity.info().current_attempt_scheduled_time


async def test_a_dead_receiver_is_tried_for_three_days_and_then_no_more(client: Client, storage: Storage) -> None:
    async with receiving(status(500)) as receiver:
        ended, rows = await _climb(client, storage, receiver)

    tries = len(DEFAULT_WAITS_S) + 1
    assert ended == Ended("failed", tries)
    assert len(receiver.seen) == tries
    assert len({*receiver.seen}) == 1
    gaps = [later - earlier for earlier, later in pairwise(rows)]
    for gap, step in zip(gaps, DEFAULT_WAITS_S, strict=True):
        # A workflow's turn, or a rest of its endpoint, may add to what the ladder says.
        assert 0.8 * step <= gap.total_seconds() <= 1.2 * step + 905
    assert timedelta(days=2.5) <= rows[-1] - rows[0] <= timedelta(days=3.9)


async def test_a_receiver_that_comes_back_on_the_third_day_gets_it(client: Client, storage: Storage) -> None:
    async with receiving(status(503)) as receiver:

        async def late(number: int) -> web.Response:
            return await (well if number == 9 else status(503))(number)

        receiver.answer = late
        ended, _ = await _climb(client, storage, receiver)

    assert ended == Ended("delivered", 9)
    assert len(receiver.taken) == 1


async def _climb(client: Client, storage: Storage, receiver: Receiver) -> tuple[Ended, list[datetime]]:
    """A delivery whose first try failed, to its end; when each try was made."""
    clock = VirtualClock()
    sender = Sender(allow_private=True)
    org = await make_org(storage)
    await make_endpoint(storage, org, receiver.url)
    await publish(storage, org)
    tries = Tries(sender, storage.cipher, storage.clock)
    (endpoint,) = await claims.waiting(storage.pool, after="")
    (due,) = await claims.claim(storage.pool, storage.cipher, [(endpoint, 1)], now=storage.clock.now())
    first = await tries.make(due, DEFAULT_WAITS_S)
    await settling.settle(storage.pool, [first])
    assert first.next_at is not None
    retries = Retries(org, due.id, due.endpoint_id, due.event_id, 1, 0, first.next_at.isoformat(), [*DEFAULT_WAITS_S])
    further = Tries(sender, storage.cipher, clock)
    async with working(client, WebhookDeliveryActivities(storage.pool, storage.cipher, clock, further)):
        await WebhookRetries(client).start(retries)
        handle = client.get_workflow_handle_for(WebhookDelivery.run, workflow_id(due.id))
        ended = await handle.result()
    await sender.close()
    rows = await fetch(storage.pool, "select at from webhook_attempts order by number")
    return ended, [at for (at,) in rows]

"""Replays carried out: real deliveries to a real receiver, whatever dies and whoever changes their mind."""

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest_asyncio
from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.webhook_replay import (
    Counted,
    PageWanted,
    Replayed,
    ReplaySpan,
    Step,
    WebhookReplayActivities,
    wakes_replay,
)
from gateway.ids import DeliveryId, EventId, OrganizationId
from gateway.settings import Settings
from gateway.webhooks.replays import Progress, Replay, ReplayState
from gateway.webhooks.sender import Sender
from storage import Storage
from storage.outbox import OutboxEvent
from storage.pool import fetch
from tests.activities.dispatching import Dispatching
from tests.receivers import Receiver, make_endpoint, make_org, receiving
from tests.replaying import begin, progress, put_deliveries, settle, state_of, states, turn
from workflows.queues import TaskQueue
from workflows.search_attributes import KIND, ORGANIZATION, STATE
from workflows.webhook_replay import ReplayPage, ReplayRun, ReplayWebhooks, WebhookReplays

Handle = WorkflowHandle[ReplayWebhooks, None]


@pytest_asyncio.fixture
async def org(storage: Storage) -> OrganizationId:
    return await make_org(storage)


@pytest_asyncio.fixture
async def dispatching(storage: Storage, settings: Settings) -> AsyncIterator[Dispatching]:
    sender = Sender(allow_private=True)
    yield Dispatching(storage, settings, sender)
    await sender.close()


@dataclass(slots=True)
class Crashing:
    """`WebhookReplayActivities` whose worker dies at every step: first before it, then after it and untold."""

    real: WebhookReplayActivities
    asked: Counter[str] = field(default_factory=Counter[str])

    @activity.defn(name="webhook.replay_step")
    async def step(self, wanted: PageWanted) -> Step:
        return await self._dying(lambda: self.real.step(wanted))

    @activity.defn(name="webhook.replay_queue")
    async def queue(self, span: ReplaySpan) -> None:
        await self._dying(lambda: self.real.queue(span))

    @activity.defn(name="webhook.replay_untried")
    async def untried(self, span: ReplaySpan) -> Counted:
        return await self._dying(lambda: self.real.untried(span))

    @activity.defn(name="webhook.replay_take_back")
    async def take_back(self, replay: Replayed) -> None:
        await self._dying(lambda: self.real.take_back(replay))

    @activity.defn(name="webhook.replay_finish")
    async def finish(self, replay: Replayed) -> None:
        await self._dying(lambda: self.real.finish(replay))

    async def _dying(self, step: Callable[[], Awaitable[Any]]) -> Any:
        info = activity.info()
        self.asked[info.activity_type] += 1
        died = ApplicationError("away", type="WORKER_DIED", next_retry_delay=timedelta(milliseconds=1))
        if info.attempt == 1:
            raise died
        result = await step()
        if info.attempt == 2:
            raise died
        return result


@asynccontextmanager
async def working(client: Client, activities: WebhookReplayActivities | Crashing) -> AsyncGenerator[None]:
    async with Worker(
        client,
        task_queue=TaskQueue.UPKEEP,
        workflows=[ReplayPage, ReplayWebhooks],
        activities=[
            activities.finish,
            activities.queue,
            activities.step,
            activities.take_back,
            activities.untried,
        ],
        graceful_shutdown_timeout=timedelta(seconds=5),
    ):
        yield


async def start(
    client: Client, org: OrganizationId, replay: Replay, *, page: int = 5, window: int = 2, pages: int = 150
) -> Handle:
    run = ReplayRun(Replayed(org, replay.id), page=page, window=window, pages=pages)
    return await client.start_workflow(
        ReplayWebhooks.run, run, id=f"webhook-replay/{replay.id}", task_queue=TaskQueue.UPKEEP
    )


def decided(org: OrganizationId, replay: Replay) -> OutboxEvent:
    data: dict[str, Any] = {"replay_id": replay.id}
    return OutboxEvent(EventId("01EVENT"), org, "webhook_replay.changed", data, datetime.now(UTC), attempts=1)


async def put(storage: Storage, org: OrganizationId, receiver: Receiver, number: int) -> list[DeliveryId]:
    endpoint = await make_endpoint(storage, org, receiver.url)
    return await put_deliveries(storage, org, number, endpoint=endpoint)


async def begun(page: WorkflowHandle[Any, Any]) -> None:
    """Wait until it is."""
    while True:
        with suppress(RPCError):
            await page.describe()
            return


async def queued(storage: Storage, deliveries: list[DeliveryId]) -> None:
    """Wait until all of them are."""
    while set(await states(storage, deliveries)) != {"pending"}:
        pass


async def test_a_replay_sends_what_was_planned_over_several_histories(
    client: Client, storage: Storage, org: OrganizationId, dispatching: Dispatching
) -> None:
    async with receiving() as receiver:
        endpoint = await make_endpoint(storage, org, receiver.url)
        planned = await put_deliveries(storage, org, 23, endpoint=endpoint)
        replay = await begin(storage, org)
        unplanned = await put_deliveries(storage, org, 3, endpoint=endpoint)
        async with dispatching.on(), working(client, WebhookReplayActivities(storage)):
            handle = await start(client, org, replay, pages=2)
            await handle.result()
        first = client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
        history = await first.fetch_history()
        attributes = (await client.get_workflow_handle(handle.id).describe()).typed_search_attributes

    assert sorted(receiver.seen) == planned
    assert set(receiver.replays) == {replay.id}
    assert await states(storage, unplanned) == ["failed"] * 3
    assert await progress(storage, org, replay.id) == Progress(23, 0, 0, 23, 0, 0)
    assert await state_of(storage, org, replay.id) is ReplayState.DONE
    assert history.events[-1].event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW
    found = [attributes.get(name) for name in (KIND, ORGANIZATION, STATE)]
    assert found == ["webhook.replay", org, "done"]


async def test_a_replay_killed_at_each_step_sends_exactly_what_was_planned(
    client: Client, storage: Storage, org: OrganizationId, dispatching: Dispatching
) -> None:
    crashing = Crashing(WebhookReplayActivities(storage))
    async with receiving() as receiver:
        planned = await put(storage, org, receiver, 12)
        replay = await begin(storage, org)
        async with dispatching.on():
            async with working(client, crashing):
                handle = await start(client, org, replay)
                await receiver.has(lambda receiver: len(receiver.taken) >= 3)
            async with working(client, crashing):
                await handle.result()

    assert sorted(receiver.seen) == planned
    assert await progress(storage, org, replay.id) == Progress(12, 0, 0, 12, 0, 0)
    assert crashing.asked.keys() == {f"webhook.replay_{step}" for step in ("step", "queue", "untried", "finish")}


async def test_whoever_pauses_and_resumes_it_everything_is_sent_once(
    client: Client, storage: Storage, org: OrganizationId, dispatching: Dispatching
) -> None:
    wake = wakes_replay(WebhookReplays(client))
    async with receiving() as receiver:
        planned = await put(storage, org, receiver, 40)
        replay = await begin(storage, org)
        async with dispatching.on(), working(client, WebhookReplayActivities(storage)):
            handle = await start(client, org, replay, page=3)
            for taken in (4, 12, 20, 28):
                await receiver.has(lambda receiver, taken=taken: len(receiver.taken) >= taken)
                for to in (ReplayState.PAUSED, ReplayState.RUNNING):
                    await turn(storage, org, replay.id, to)
                    await wake(decided(org, replay))
            await handle.result()

    assert sorted(receiver.seen) == planned
    assert await state_of(storage, org, replay.id) is ReplayState.DONE


async def test_a_cancelled_replay_leaves_what_it_did_not_send_as_it_was(
    client: Client, storage: Storage, org: OrganizationId, temporal_env: WorkflowEnvironment
) -> None:
    deliveries = await put_deliveries(storage, org, 12)
    replay = await begin(storage, org)
    async with working(client, WebhookReplayActivities(storage)):
        with temporal_env.with_time_skipping_disabled():
            handle = await start(client, org, replay)
            await queued(storage, deliveries[:10])
            await settle(storage, deliveries[:1], "delivered")
            await turn(storage, org, replay.id, ReplayState.CANCELLED)
            await WebhookReplays(client).wake(Replayed(org, replay.id))
        await handle.result()
        attributes = (await handle.describe()).typed_search_attributes

    assert await states(storage, deliveries) == ["delivered", *["failed"] * 11]
    assert await progress(storage, org, replay.id) == Progress(12, 11, 0, 1, 0, 0)
    assert attributes.get(STATE) == "cancelled"


async def test_a_page_that_an_operator_ends_is_made_up_for(
    client: Client, storage: Storage, org: OrganizationId, temporal_env: WorkflowEnvironment
) -> None:
    deliveries = await put_deliveries(storage, org, 4)
    replay = await begin(storage, org)
    with temporal_env.with_time_skipping_disabled():
        # Nobody works yet on what the pages do.
        async with Worker(
            client,
            task_queue=TaskQueue.UPKEEP,
            workflows=[ReplayPage, ReplayWebhooks],
            activities=[WebhookReplayActivities(storage).step],
        ):
            handle = await start(client, org, replay, page=4)
            page = client.get_workflow_handle(f"{handle.id}/{handle.first_execution_run_id}/1")
            await begun(page)
            await page.terminate()
    async with working(client, WebhookReplayActivities(storage)):
        await queued(storage, deliveries)
        await settle(storage, deliveries, "delivered")
        await handle.result()

    assert await state_of(storage, org, replay.id) is ReplayState.DONE


async def test_a_replay_keeps_to_its_rate(client: Client, storage: Storage, org: OrganizationId) -> None:
    deliveries = await put_deliveries(storage, org, 4)
    replay = await begin(storage, org, rate_per_minute=6)
    async with working(client, WebhookReplayActivities(storage)):
        handle = await start(client, org, replay)
        await queued(storage, deliveries)
        await settle(storage, deliveries, "delivered")
        await handle.result()
        history = await handle.fetch_history()

    timers = [
        event.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta()
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_TIMER_STARTED
    ]
    assert timers[:4] == [timedelta(seconds=10)] * 4


async def test_a_replay_that_is_over_is_left_alone(client: Client, storage: Storage, org: OrganizationId) -> None:
    deliveries = await put_deliveries(storage, org, 2)
    replay = await begin(storage, org)
    await fetch(storage.pool, "update webhook_replay_items set state = 'skipped'")
    wake = wakes_replay(WebhookReplays(client))
    async with working(client, WebhookReplayActivities(storage)):
        for _ in range(2):
            await wake(decided(org, replay))
            await client.get_workflow_handle(f"webhook-replay/{replay.id}").result()

    entries = await fetch(storage.pool, "select count(*) from audit_entries where action = 'webhook_replay.completed'")
    assert entries == [(1,)]
    assert await states(storage, deliveries) == ["failed"] * 2

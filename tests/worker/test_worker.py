import asyncio
import signal
from datetime import timedelta

import pytest
from temporalio.client import Client
from temporalio.common import SearchAttributeKey
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.holds import HoldActivities
from activities.outbox import OutboxActivities
from cli.embedded import temporal
from gateway.clock import SystemClock
from gateway.settings import Settings
from storage import Storage
from tests.activities.conftest import SetClock, put_events, put_holds, waiting
from tests.activities.test_outbox import Recorder
from tests.embedded import free_port
from tests.worker.conftest import Line, worker_process
from workflows.hold_sweep import HoldSweep
from workflows.outbox_relay import OutboxRelay
from workflows.queues import TaskQueue


def _relayed(line: Line) -> bool:
    return line.get("event") == "event_relayed"


@pytest.mark.usefixtures("upkeep")
async def test_a_worker_sweeps_and_relays_until_it_is_stopped(worker_settings: Settings, storage: Storage) -> None:
    now = SystemClock().now()
    (lapsed,) = await put_holds(storage, 1, expires_at=now - timedelta(minutes=1))
    async with worker_process(worker_settings) as worker:
        await worker.becomes_ready()
        event = await worker.line(_relayed)
        worker.process.send_signal(signal.SIGTERM)
        await worker.line(lambda line: line.get("event") == "worker_stopped")

        assert await worker.process.wait() == 0
    assert (event["event_type"], event["request_id"], event["status"]) == (
        "ai.request.failed",
        f"req_{lapsed}",
        "lost",
    )
    assert await waiting(storage) == []


async def test_a_worker_killed_while_it_relays_loses_no_event(
    worker_settings: Settings, storage: Storage, upkeep: Client
) -> None:
    ids = await put_events(storage, 3000, at=SystemClock().now())
    async with worker_process(worker_settings) as worker:
        first = await worker.line(_relayed)
        worker.process.kill()
        await worker.process.wait()
    left = await waiting(storage)
    assert first["event_id"] == ids[0]
    assert left

    await _relay_the_rest(upkeep, storage, left)

    assert await waiting(storage) == []


async def _relay_the_rest(client: Client, storage: Storage, left: list[str]) -> None:
    """Another worker, a little later: what the dead one had claimed has lapsed."""
    clock = SetClock(SystemClock().now() + timedelta(minutes=2))
    done = asyncio.Event()
    sink = Recorder(done.set, until=len(left))
    holds, outbox = HoldActivities(storage.pool, clock), OutboxActivities(storage.pool, clock, sink)
    async with Worker(
        client,
        task_queue=TaskQueue.UPKEEP,
        workflows=[HoldSweep, OutboxRelay],
        activities=[holds.expire_page, outbox.relay, outbox.forget],
        graceful_shutdown_timeout=timedelta(seconds=5),
    ):
        await done.wait()
    assert sink.ids == left


async def test_a_worker_started_before_temporal_waits_for_it_and_outlives_it(worker_settings: Settings) -> None:
    port = free_port()
    early = worker_settings.model_copy(update={"temporal_address": f"127.0.0.1:{port}"})
    async with worker_process(early) as worker:
        refused = await worker.line(lambda line: line.get("event") == "temporal_not_reached")

        assert refused["dependency"] == "temporal"
        assert await worker.live() == (200, {"status": "alive"})
        assert await worker.ready() == (
            503,
            {"status": "unavailable", "dependencies": {"database": "up", "temporal": "down", "sequencer": "up"}},
        )
        async with await WorkflowEnvironment.start_local(  # pyright: ignore[reportUnknownMemberType]
            port=port,
            dev_server_existing_path=temporal.binary(),
            dev_server_startup_timeout=timedelta(seconds=60),
            search_attributes=[SearchAttributeKey.for_keyword(name) for name in temporal.SEARCH_ATTRIBUTES],
        ):
            await worker.becomes_ready()
        worker.process.send_signal(signal.SIGINT)
        assert await worker.process.wait() == 0


@pytest.mark.usefixtures("upkeep")
async def test_a_missing_namespace_is_named_and_waited_for(worker_settings: Settings) -> None:
    lost = worker_settings.model_copy(update={"temporal_namespace": "nowhere"})
    async with worker_process(lost) as worker:
        refused = await worker.line(lambda line: line.get("event") == "temporal_not_reached")

    assert refused["error_type"] == "NOT_FOUND"


@pytest.mark.usefixtures("upkeep")
async def test_a_worker_without_its_database_says_so_and_lives(worker_settings: Settings) -> None:
    nowhere = f"postgresql://hasp_app:no@127.0.0.1:{free_port()}/hasp"
    async with worker_process(worker_settings.model_copy(update={"database_url": nowhere})) as worker:
        await worker.line(lambda line: line.get("event") == "audit_not_sealed")

        status, body = await worker.ready()
        assert status == 503
        assert body["dependencies"]["database"] == "down"
        assert await worker.live() == (200, {"status": "alive"})
        worker.process.send_signal(signal.SIGTERM)
        assert await worker.process.wait() == 0

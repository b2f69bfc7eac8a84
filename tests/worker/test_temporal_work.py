import asyncio
from collections.abc import Sequence

from structlog.testing import capture_logs
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.worker import Worker

from gateway.settings import Settings
from storage import Storage
from tests.embedded import free_port
from tests.workflows.test_hold_sweep import ScriptedHolds
from worker.temporal import TemporalWork
from workflows import outbox_relay
from workflows.hold_sweep import HoldSweep
from workflows.queues import TaskQueue


async def test_work_is_healthy_from_start_to_stop(worker_settings: Settings, storage: Storage, upkeep: Client) -> None:
    work = TemporalWork(worker_settings, keys=storage.keyring.codec.keys, workers=_workers)
    stopping = asyncio.Event()
    assert not await work.healthy()

    running = asyncio.create_task(work.run(stopping))
    while not await work.healthy():  # noqa: ASYNC110 - it tells no event
        await asyncio.sleep(0.02)
    relay = await upkeep.get_workflow_handle(outbox_relay.WORKFLOW_ID).describe()
    stopping.set()
    await running

    assert relay.status is WorkflowExecutionStatus.RUNNING
    assert not await work.healthy()


async def test_a_relay_that_is_terminated_comes_back(
    worker_settings: Settings, storage: Storage, upkeep: Client
) -> None:
    keys = storage.keyring.codec.keys
    work = TemporalWork(worker_settings, keys=keys, workers=_workers, ensured_every_s=0.05)
    stopping = asyncio.Event()
    running = asyncio.create_task(work.run(stopping))
    while not await work.healthy():  # noqa: ASYNC110 - it tells no event
        await asyncio.sleep(0.02)
    relay = upkeep.get_workflow_handle(outbox_relay.WORKFLOW_ID)

    await relay.terminate()
    while (await relay.describe()).status is not WorkflowExecutionStatus.RUNNING:  # noqa: ASYNC110 - the server decides
        await asyncio.sleep(0.02)
    stopping.set()
    await running


async def test_stopping_ends_the_wait_for_temporal(worker_settings: Settings, storage: Storage) -> None:
    away = worker_settings.model_copy(update={"temporal_address": f"127.0.0.1:{free_port()}"})
    work = TemporalWork(away, keys=storage.keyring.codec.keys, workers=_workers)
    stopping = asyncio.Event()

    with capture_logs() as logs:
        running = asyncio.create_task(work.run(stopping))
        while not logs:  # noqa: ASYNC110 - a log tells no event
            await asyncio.sleep(0.02)
        stopping.set()
        await running

    assert logs[0]["event"] == "temporal_not_reached"
    assert not await work.healthy()


def _workers(client: Client) -> Sequence[Worker]:
    holds = ScriptedHolds([0])
    return [Worker(client, task_queue=TaskQueue.UPKEEP, workflows=[HoldSweep], activities=[holds.expire_page])]

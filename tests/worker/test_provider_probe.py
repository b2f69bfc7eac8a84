"""Probes by workers as they are run: processes that come and go."""

import asyncio
from datetime import timedelta

import pytest
from temporalio.client import Client, ScheduleOverlapPolicy

from gateway.clock import SystemClock
from gateway.routing.status import KEPT, Record, Source
from gateway.settings import Settings
from storage import Storage
from tests.upstream import SandboxServer
from tests.worker.conftest import WorkerProcess, worker_process
from workflows import schedules


@pytest.fixture
def probing(worker_settings: Settings, sandbox_server: SandboxServer) -> Settings:
    return worker_settings.model_copy(update={"sandbox_url": sandbox_server.url})


async def test_a_worker_asks_each_provider_and_one_that_is_killed_is_replaced(
    probing: Settings, storage: Storage, upkeep: Client
) -> None:
    async with worker_process(probing) as first:
        await _probes(first, upkeep)
        before = await _records(storage, at_least=2)
        first.process.kill()
        await first.process.wait()
    await storage.provider_health.forget(before=SystemClock().now() + timedelta(minutes=1))
    async with worker_process(probing) as second:
        await _probes(second, upkeep)
        after = await _records(storage, at_least=2)

    for records in (before, after):
        assert {record.provider for record in records} == {"anthropic", "openai"}
        assert {record.source for record in records} == {Source.PROBE}
        assert all(record.tally.ok == record.tally.attempts for record in records)


async def _probes(worker: WorkerProcess, client: Client) -> None:
    await worker.becomes_ready()
    await client.get_schedule_handle(schedules.PROVIDER_PROBE).trigger(overlap=ScheduleOverlapPolicy.ALLOW_ALL)


async def _records(storage: Storage, *, at_least: int) -> list[Record]:
    """What probes left, as soon as there is as much."""
    while True:
        now = SystemClock().now()
        found = await storage.provider_health.records(recent=now - KEPT, oldest=now - KEPT)
        if len(found) >= at_least:
            return found
        await asyncio.sleep(0.05)

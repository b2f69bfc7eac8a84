import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest_asyncio
from temporalio.client import Client, ScheduleDescription, ScheduleOverlapPolicy, WorkflowExecutionStatus
from temporalio.worker import Worker

from activities.provider_probe import ProbeReport
from gateway.settings import Settings
from tests.workflows.conftest import clear
from tests.workflows.test_hold_sweep import ScriptedHolds
from tests.workflows.test_key_notices import ScriptedNotices
from tests.workflows.test_provider_probe import ScriptedProbe
from workflows import outbox_relay, schedules
from workflows.hold_sweep import HoldSweep
from workflows.key_notices import KeyNotices
from workflows.provider_probe import ProbeProviders
from workflows.queues import TaskQueue


@pytest_asyncio.fixture
async def upkeep(client: Client) -> AsyncIterator[Client]:
    """A client of a server on which nothing of ours is scheduled, before or after."""
    await clear(client)
    yield client
    await clear(client)


async def test_ensuring_twice_leaves_one_schedule_as_it_was(upkeep: Client, settings: Settings) -> None:
    await schedules.ensure(upkeep, settings)
    await schedules.ensure(upkeep, settings)

    described = await _described(upkeep)
    assert described.info.last_updated_at is None
    assert described.schedule.policy.overlap is ScheduleOverlapPolicy.SKIP
    assert described.schedule.policy.catchup_window == timedelta(minutes=1)
    assert _period(described) == timedelta(seconds=settings.hold_sweep_s)


async def test_a_changed_period_reaches_the_schedule(upkeep: Client, settings: Settings) -> None:
    await schedules.ensure(upkeep, settings)
    await schedules.ensure(upkeep, settings.model_copy(update={"hold_sweep_s": 77}))

    assert _period(await _described(upkeep)) == timedelta(seconds=77)


async def test_a_schedule_paused_by_an_operator_stays_paused(upkeep: Client, settings: Settings) -> None:
    await schedules.ensure(upkeep, settings)
    await upkeep.get_schedule_handle(schedules.HOLD_SWEEP).pause(note="looking into it")
    await schedules.ensure(upkeep, settings.model_copy(update={"hold_sweep_s": 77}))

    described = await _described(upkeep)
    assert described.schedule.state.paused
    assert _period(described) == timedelta(seconds=77)


async def test_workers_that_start_at_once_agree(upkeep: Client, settings: Settings) -> None:
    await asyncio.gather(*(schedules.ensure(upkeep, settings) for _ in range(8)))

    assert _period(await _described(upkeep)) == timedelta(seconds=settings.hold_sweep_s)
    relay = await upkeep.get_workflow_handle(outbox_relay.WORKFLOW_ID).describe()
    assert relay.status is WorkflowExecutionStatus.RUNNING


async def test_a_relay_that_was_ended_is_started_again(upkeep: Client, settings: Settings) -> None:
    await schedules.ensure(upkeep, settings)
    first = upkeep.get_workflow_handle(outbox_relay.WORKFLOW_ID)
    ended = await first.describe()
    await first.terminate()
    await schedules.ensure(upkeep, settings)

    relay = await first.describe()
    assert relay.status is WorkflowExecutionStatus.RUNNING
    assert relay.run_id != ended.run_id


async def test_the_schedule_runs_the_sweep(upkeep: Client, settings: Settings) -> None:
    holds = ScriptedHolds([4, 0])
    await schedules.ensure(upkeep, settings)
    async with Worker(upkeep, task_queue=TaskQueue.UPKEEP, workflows=[HoldSweep], activities=[holds.expire_page]):
        handle = upkeep.get_schedule_handle(schedules.HOLD_SWEEP)
        await handle.trigger(overlap=ScheduleOverlapPolicy.ALLOW_ALL)
        workflow_id = await _started_by(upkeep, schedules.HOLD_SWEEP)
        await upkeep.get_workflow_handle(workflow_id).result()

    assert workflow_id.startswith("hold-sweep-")
    assert holds.calls >= 2


async def test_the_schedule_runs_the_notices(upkeep: Client, settings: Settings) -> None:
    notices = ScriptedNotices([4, 0])
    await schedules.ensure(upkeep, settings)
    async with Worker(upkeep, task_queue=TaskQueue.UPKEEP, workflows=[KeyNotices], activities=[notices.tell_page]):
        handle = upkeep.get_schedule_handle(schedules.KEY_NOTICES)
        await handle.trigger(overlap=ScheduleOverlapPolicy.ALLOW_ALL)
        workflow_id = await _started_by(upkeep, schedules.KEY_NOTICES)
        await upkeep.get_workflow_handle(workflow_id).result()

    assert workflow_id.startswith("key-notices-")
    assert notices.calls >= 2
    described = await _described(upkeep, schedules.KEY_NOTICES)
    assert _period(described) == timedelta(seconds=settings.key_notices_s)
    assert described.schedule.policy.overlap is ScheduleOverlapPolicy.SKIP


async def test_the_schedule_runs_the_probe(upkeep: Client, settings: Settings) -> None:
    probe = ScriptedProbe([ProbeReport(probed=2, answered=2, forgotten=0)])
    await schedules.ensure(upkeep, settings)
    async with (
        Worker(upkeep, task_queue=TaskQueue.UPKEEP, workflows=[ProbeProviders]),
        Worker(upkeep, task_queue=TaskQueue.OUTBOUND, activities=[probe.probe]),
    ):
        handle = upkeep.get_schedule_handle(schedules.PROVIDER_PROBE)
        await handle.trigger(overlap=ScheduleOverlapPolicy.ALLOW_ALL)
        workflow_id = await _started_by(upkeep, schedules.PROVIDER_PROBE)
        await upkeep.get_workflow_handle(workflow_id).result()

    assert workflow_id.startswith("provider-probe-")
    assert probe.calls >= 1


async def test_probes_do_not_overlap_and_are_not_made_up_for(upkeep: Client, settings: Settings) -> None:
    await schedules.ensure(upkeep, settings)
    await schedules.ensure(upkeep, settings.model_copy(update={"provider_probe_s": 30}))

    described = await _described(upkeep, schedules.PROVIDER_PROBE)
    assert _period(described) == timedelta(seconds=30)
    assert described.schedule.policy.overlap is ScheduleOverlapPolicy.SKIP
    assert described.schedule.policy.catchup_window == timedelta(seconds=10)


async def test_the_proof_runs_once_a_night_and_is_made_up_for_on_its_day(upkeep: Client, settings: Settings) -> None:
    await schedules.ensure(upkeep, settings)
    await schedules.ensure(upkeep, settings)

    described = await _described(upkeep, schedules.BOOKS_PROOF)
    (interval,) = described.schedule.spec.intervals
    assert (interval.every, interval.offset) == (timedelta(days=1), timedelta(hours=3, minutes=30))
    assert described.schedule.policy.catchup_window == timedelta(hours=20)
    assert described.schedule.policy.overlap is ScheduleOverlapPolicy.SKIP
    assert described.info.last_updated_at is None


async def _started_by(client: Client, schedule_id: str) -> str:
    """The workflow id of the schedule's first action, which the server takes in its own time."""
    while True:
        actions = (await _described(client, schedule_id)).info.recent_actions
        if actions:
            return actions[0].action.workflow_id  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType, reportUnknownMemberType]
        await asyncio.sleep(0.05)


async def _described(client: Client, schedule_id: str = schedules.HOLD_SWEEP) -> ScheduleDescription:
    return await client.get_schedule_handle(schedule_id).describe()


def _period(described: ScheduleDescription) -> timedelta:
    (interval,) = described.schedule.spec.intervals
    return interval.every


async def test_purges_run_every_hour_and_one_makes_up_for_all_that_were_missed(
    upkeep: Client, settings: Settings
) -> None:
    await schedules.ensure(upkeep, settings)

    described = await _described(upkeep, schedules.RETENTION_PURGE)
    (interval,) = described.schedule.spec.intervals
    assert (interval.every, interval.offset) == (timedelta(hours=1), timedelta(minutes=30))
    assert described.schedule.policy.overlap is ScheduleOverlapPolicy.SKIP
    assert described.schedule.policy.catchup_window == timedelta(minutes=1)

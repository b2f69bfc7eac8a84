import asyncio
from datetime import timedelta

from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHistory
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities.outbox import Forgotten, Relayed, Shift
from workflows.options import RELAY_SHIFT
from workflows.outbox_relay import SHIFTS_PER_RUN, OutboxRelay
from workflows.search_attributes import KIND, STATE


class CountingOutbox:
    """Stands in for `OutboxActivities`: fails `failures` times, then works `shifts` shifts, then works on one."""

    def __init__(self, *, shifts: int, failures: int = 0) -> None:
        self.worked: list[Shift] = []
        self.forgotten = 0
        self.failed = 0
        self.is_working_on = asyncio.Event()
        self._shifts = shifts
        self._failures = failures

    @activity.defn(name="outbox.relay")
    async def relay(self, shift: Shift) -> Relayed:
        if self.failed < self._failures:
            self.failed += 1
            raise ApplicationError("away", type="INFERENCE_UNAVAILABLE")
        if len(self.worked) == self._shifts:
            self.is_working_on.set()
            await activity.wait_for_worker_shutdown()
        self.worked.append(shift)
        return Relayed(events=3)

    @activity.defn(name="outbox.forget")
    async def forget(self) -> Forgotten:
        self.forgotten += 1
        return Forgotten(events=0)


async def test_it_works_shift_after_shift_and_continues_as_new(client: Client, task_queue: str) -> None:
    outbox = CountingOutbox(shifts=SHIFTS_PER_RUN + 1)

    histories = await _relay(client, task_queue, outbox)

    assert outbox.worked[: SHIFTS_PER_RUN + 1] == [Shift(int(RELAY_SHIFT.total_seconds()))] * (SHIFTS_PER_RUN + 1)
    assert outbox.forgotten >= SHIFTS_PER_RUN + 1
    first, second = histories
    assert first.events[-1].event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW
    assert _scheduled(first) == ["outbox.relay", "outbox.forget"] * SHIFTS_PER_RUN
    assert _scheduled(second) == ["outbox.relay", "outbox.forget", "outbox.relay"]


async def test_a_relay_that_fails_is_started_again(client: Client, task_queue: str) -> None:
    outbox = CountingOutbox(shifts=1, failures=6)

    await _relay(client, task_queue, outbox)

    assert outbox.failed == 6
    assert outbox.worked


async def test_it_can_be_found_as_running(client: Client, task_queue: str) -> None:
    outbox = CountingOutbox(shifts=0)

    await _relay(client, task_queue, outbox)

    attributes = (await client.get_workflow_handle(_id(task_queue)).describe()).typed_search_attributes
    assert attributes.get(KIND) == "outbox.relay"
    assert attributes.get(STATE) == "running"


async def _relay(client: Client, task_queue: str, outbox: CountingOutbox) -> list[WorkflowHistory]:
    """Run the relay until `outbox` works on its last shift; the histories of its runs, first to last."""
    activities = [outbox.relay, outbox.forget]
    async with Worker(
        client,
        task_queue=task_queue,
        workflows=[OutboxRelay],
        activities=activities,
        graceful_shutdown_timeout=timedelta(seconds=5),  # with none the SDK's shutdown hung in 1 run of 25
    ):
        handle = await client.start_workflow(OutboxRelay.run, id=_id(task_queue), task_queue=task_queue)
        await outbox.is_working_on.wait()
        described = await client.get_workflow_handle(handle.id).describe()
        runs = list(dict.fromkeys([handle.first_execution_run_id, described.run_id]))
        histories = [await client.get_workflow_handle(handle.id, run_id=run).fetch_history() for run in runs]
    await client.get_workflow_handle(handle.id).terminate()
    return histories


def _id(task_queue: str) -> str:
    return f"outbox-relay/{task_queue}"


def _scheduled(history: WorkflowHistory) -> list[str]:
    scheduled = (event.activity_task_scheduled_event_attributes.activity_type.name for event in history.events)
    return [name for name in scheduled if name]

from collections.abc import Sequence
from datetime import timedelta

import pytest
from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities.provider_probe import ProbeReport
from gateway.ids import PLATFORM
from workflows.provider_probe import ProbeProviders
from workflows.queues import TaskQueue
from workflows.search_attributes import KIND, ORGANIZATION, STATE

REPORT = ProbeReport(probed=2, answered=1, forgotten=3)
ASKED = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
AWAY = ApplicationError("away", type="INFERENCE_UNAVAILABLE")


class ScriptedProbe:
    """Stands in for `ProviderProbeActivities`: each call plays the next of `script`, the last one for ever."""

    def __init__(self, script: Sequence[ProbeReport | Exception]) -> None:
        self.script = script
        self.calls = 0

    @activity.defn(name="provider.probe")
    async def probe(self) -> ProbeReport:
        act = self.script[min(self.calls, len(self.script) - 1)]
        self.calls += 1
        if isinstance(act, Exception):
            raise act
        return act


async def test_one_run_is_one_probe(client: Client, task_queue: str) -> None:
    probe = ScriptedProbe([REPORT])

    handle, report = await _probe(client, task_queue, probe)

    assert report == REPORT
    asked = [event async for event in handle.fetch_history_events() if event.event_type == ASKED]
    assert len(asked) == 1
    attributes = (await handle.describe()).typed_search_attributes
    assert attributes.get(ORGANIZATION) == PLATFORM
    assert attributes.get(KIND) == "provider.probe"
    assert attributes.get(STATE) == "done"


async def test_it_tries_again_when_the_database_was_away(client: Client, task_queue: str) -> None:
    probe = ScriptedProbe([AWAY, AWAY, REPORT])

    _, report = await _probe(client, task_queue, probe)

    assert (report, probe.calls) == (REPORT, 3)


async def test_it_gives_up_after_two_minutes_because_the_next_run_asks_anyway(client: Client, task_queue: str) -> None:
    with pytest.raises(WorkflowFailureError):
        await _probe(client, task_queue, ScriptedProbe([AWAY]))

    ended = await client.get_workflow_handle(f"provider-probe/{task_queue}").describe()
    assert ended.close_time is not None
    assert ended.close_time - ended.start_time <= timedelta(minutes=2, seconds=30)


async def _probe(
    client: Client, task_queue: str, probe: ScriptedProbe
) -> tuple[WorkflowHandle[ProbeProviders, ProbeReport], ProbeReport]:
    async with (
        Worker(client, task_queue=task_queue, workflows=[ProbeProviders]),
        Worker(client, task_queue=TaskQueue.OUTBOUND, activities=[probe.probe]),
    ):
        handle = await client.start_workflow(
            ProbeProviders.run, id=f"provider-probe/{task_queue}", task_queue=task_queue
        )
        return handle, await handle.result()

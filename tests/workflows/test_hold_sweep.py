from collections.abc import Sequence

import pytest
from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities.holds import ExpiredPage
from gateway.ids import PLATFORM
from workflows.hold_sweep import MOST_PAGES, HoldSweep, Swept
from workflows.search_attributes import KIND, ORGANIZATION, STATE


class ScriptedHolds:
    """Stands in for `HoldActivities`: each call plays the next of `script`, the last one for ever."""

    def __init__(self, script: Sequence[int | Exception]) -> None:
        self.script = script
        self.calls = 0

    @activity.defn(name="hold.expire_page")
    async def expire_page(self) -> ExpiredPage:
        act = self.script[min(self.calls, len(self.script) - 1)]
        self.calls += 1
        if isinstance(act, Exception):
            raise act
        return ExpiredPage(act)


async def test_it_goes_on_until_a_page_is_empty(client: Client, task_queue: str) -> None:
    holds = ScriptedHolds([200, 200, 37, 0])

    handle, swept = await _sweep(client, task_queue, holds)

    assert swept == Swept(expired=437)
    assert holds.calls == 4
    attributes = (await handle.describe()).typed_search_attributes
    assert attributes.get(ORGANIZATION) == PLATFORM
    assert attributes.get(KIND) == "hold.sweep"
    assert attributes.get(STATE) == "done"


async def test_one_run_is_bounded(client: Client, task_queue: str) -> None:
    holds = ScriptedHolds([200])

    _, swept = await _sweep(client, task_queue, holds)

    assert holds.calls == MOST_PAGES
    assert swept == Swept(expired=200 * MOST_PAGES)


@pytest.mark.parametrize("failures", [1, 6])
async def test_it_waits_for_a_database_that_is_away(client: Client, task_queue: str, failures: int) -> None:
    away = ApplicationError("away", type="INFERENCE_UNAVAILABLE")
    holds = ScriptedHolds([*[away] * failures, 5, 0])

    _, swept = await _sweep(client, task_queue, holds)

    assert swept == Swept(expired=5)
    assert holds.calls == failures + 2


async def _sweep(
    client: Client, task_queue: str, holds: ScriptedHolds
) -> tuple[WorkflowHandle[HoldSweep, Swept], Swept]:
    async with Worker(client, task_queue=task_queue, workflows=[HoldSweep], activities=[holds.expire_page]):
        handle = await client.start_workflow(HoldSweep.run, id=f"hold-sweep/{task_queue}", task_queue=task_queue)
        return handle, await handle.result()

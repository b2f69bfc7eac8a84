from collections.abc import Sequence

from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities.refusals import SummedPage
from gateway.ids import PLATFORM
from workflows.refusal_summary import MOST_PAGES, RefusalSummary, SummedUp
from workflows.search_attributes import KIND, ORGANIZATION, STATE


class ScriptedRefusals:
    """Stands in for `RefusalActivities`: each call plays the next of `script`, the last one for ever."""

    def __init__(self, script: Sequence[int | Exception]) -> None:
        self.script = script
        self.calls = 0

    @activity.defn(name="refusal.sum_up_page")
    async def sum_up_page(self) -> SummedPage:
        act = self.script[min(self.calls, len(self.script) - 1)]
        self.calls += 1
        if isinstance(act, Exception):
            raise act
        return SummedPage(act)


async def test_it_goes_on_until_a_page_is_empty(client: Client, task_queue: str) -> None:
    refusals = ScriptedRefusals([500, 13, 0])

    handle, summed = await _sum_up(client, task_queue, refusals)

    assert (summed, refusals.calls) == (SummedUp(entries=513), 3)
    attributes = (await handle.describe()).typed_search_attributes
    assert attributes.get(ORGANIZATION) == PLATFORM
    assert attributes.get(KIND) == "refusal.summary"
    assert attributes.get(STATE) == "done"


async def test_one_run_is_bounded(client: Client, task_queue: str) -> None:
    refusals = ScriptedRefusals([500])

    await _sum_up(client, task_queue, refusals)

    assert refusals.calls == MOST_PAGES


async def test_it_waits_for_a_database_that_is_away(client: Client, task_queue: str) -> None:
    refusals = ScriptedRefusals([ApplicationError("away", type="INFERENCE_UNAVAILABLE"), 5, 0])

    _, summed = await _sum_up(client, task_queue, refusals)

    assert (summed, refusals.calls) == (SummedUp(entries=5), 3)


async def _sum_up(
    client: Client, task_queue: str, refusals: ScriptedRefusals
) -> tuple[WorkflowHandle[RefusalSummary, SummedUp], SummedUp]:
    async with Worker(client, task_queue=task_queue, workflows=[RefusalSummary], activities=[refusals.sum_up_page]):
        handle = await client.start_workflow(
            RefusalSummary.run, id=f"refusal-summary/{task_queue}", task_queue=task_queue
        )
        return handle, await handle.result()

from collections.abc import Sequence

import pytest
from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities.key_notices import ToldPage
from gateway.ids import PLATFORM
from workflows.key_notices import MOST_PAGES, KeyNotices, Told
from workflows.search_attributes import KIND, ORGANIZATION, STATE


class ScriptedNotices:
    """Stands in for `KeyNoticeActivities`: each call plays the next of `script`, the last one for ever."""

    def __init__(self, script: Sequence[int | Exception]) -> None:
        self.script = script
        self.calls = 0

    @activity.defn(name="key.tell_page")
    async def tell_page(self) -> ToldPage:
        act = self.script[min(self.calls, len(self.script) - 1)]
        self.calls += 1
        if isinstance(act, Exception):
            raise act
        return ToldPage(act)


async def test_it_goes_on_until_a_page_is_empty(client: Client, task_queue: str) -> None:
    notices = ScriptedNotices([200, 13, 0])

    handle, told = await _tell(client, task_queue, notices)

    assert (told, notices.calls) == (Told(notices=213), 3)
    attributes = (await handle.describe()).typed_search_attributes
    assert attributes.get(ORGANIZATION) == PLATFORM
    assert attributes.get(KIND) == "key.notices"
    assert attributes.get(STATE) == "done"


async def test_one_run_is_bounded(client: Client, task_queue: str) -> None:
    notices = ScriptedNotices([200])

    _, told = await _tell(client, task_queue, notices)

    assert (told, notices.calls) == (Told(notices=200 * MOST_PAGES), MOST_PAGES)


@pytest.mark.parametrize("failures", [1, 6])
async def test_it_waits_for_a_database_that_is_away(client: Client, task_queue: str, failures: int) -> None:
    away = ApplicationError("away", type="INFERENCE_UNAVAILABLE")
    notices = ScriptedNotices([*[away] * failures, 5, 0])

    _, told = await _tell(client, task_queue, notices)

    assert (told, notices.calls) == (Told(notices=5), failures + 2)


async def _tell(
    client: Client, task_queue: str, notices: ScriptedNotices
) -> tuple[WorkflowHandle[KeyNotices, Told], Told]:
    async with Worker(client, task_queue=task_queue, workflows=[KeyNotices], activities=[notices.tell_page]):
        handle = await client.start_workflow(KeyNotices.run, id=f"key-notices/{task_queue}", task_queue=task_queue)
        return handle, await handle.result()

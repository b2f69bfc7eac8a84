from collections.abc import Sequence
from datetime import timedelta

from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities.audit_checkpoint import CheckedPage, CheckpointPage, StampedPage
from workflows.audit_checkpoint import Checked, CheckpointAudit
from workflows.queues import TaskQueue
from workflows.search_attributes import STATE


class ScriptedCheckpoints:
    """Stands in for the activities: pages as scripted; `stamps` None is an authority that is down."""

    def __init__(self, pages: Sequence[CheckedPage], stamps: StampedPage | None = None) -> None:
        self.pages = list(pages)
        self.stamps = stamps
        self.asked: list[str] = []
        self.forgotten = 0

    @activity.defn(name="audit.checkpoint_page")
    async def checkpoint_page(self, page: CheckpointPage) -> CheckedPage:
        self.asked.append(page.after_org)
        return self.pages.pop(0)

    @activity.defn(name="audit.stamp_page")
    async def stamp_page(self, page: CheckpointPage) -> StampedPage:
        if self.stamps is None:
            # Asked again a few times in the hour, not a hundred: each costs the test server a tenth of a second.
            raise ApplicationError("down", type="TIME_STAMP_UNAVAILABLE", next_retry_delay=timedelta(minutes=20))
        return self.stamps

    @activity.defn(name="audit.export_forget")
    async def forget(self) -> None:
        self.forgotten += 1


async def test_it_goes_from_page_to_page(client: Client, task_queue: str) -> None:
    pages = [CheckedPage("01A", checkpoints=2), CheckedPage("01B", checkpoints=1, is_last=True)]
    scripted = ScriptedCheckpoints(pages, StampedPage("01B", 3, is_last=True))

    handle, checked = await _run(client, task_queue, scripted)

    assert checked == Checked(checkpoints=3, broken=0, stamped=3)
    assert (scripted.asked, scripted.forgotten) == (["", "01A"], 1)
    assert (await handle.describe()).typed_search_attributes.get(STATE) == "done"


async def test_a_chain_that_does_not_hold_is_an_alarm(client: Client, task_queue: str) -> None:
    scripted = ScriptedCheckpoints([CheckedPage("01A", broken=1, is_last=True)], StampedPage("", is_last=True))

    handle, checked = await _run(client, task_queue, scripted)

    assert checked.broken == 1
    assert (await handle.describe()).typed_search_attributes.get(STATE) == "alarm"


async def test_an_authority_that_is_down_does_not_keep_checkpoints_from_being_made(
    client: Client, task_queue: str
) -> None:
    scripted = ScriptedCheckpoints([CheckedPage("01A", checkpoints=1, is_last=True)])

    handle, checked = await _run(client, task_queue, scripted)

    assert checked == Checked(checkpoints=1, broken=0, stamped=None)
    assert (await handle.describe()).typed_search_attributes.get(STATE) == "alarm"


async def _run(
    client: Client, task_queue: str, scripted: ScriptedCheckpoints
) -> tuple[WorkflowHandle[CheckpointAudit, Checked], Checked]:
    acts = [scripted.checkpoint_page, scripted.forget]
    async with (
        Worker(client, task_queue=task_queue, workflows=[CheckpointAudit], activities=acts),
        Worker(client, task_queue=TaskQueue.OUTBOUND, activities=[scripted.stamp_page]),
    ):
        handle = await client.start_workflow(CheckpointAudit.run, id=f"check/{task_queue}", task_queue=task_queue)
        return handle, await handle.result()

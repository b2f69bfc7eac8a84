"""The paths of `gdpr.erasure` whose histories are kept."""

import asyncio
from collections.abc import Sequence

from temporalio import activity
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Worker

from activities.cursor import Cursor
from activities.end_user_erasure import ErasurePage, ErasureStep, ErasureWanted
from workflows import end_user_erasure, schedules
from workflows.end_user_erasure import EraseEndUser, ErasureWorkflows
from workflows.end_user_upkeep import EndUserUpkeep
from workflows.queues import TaskQueue

_RESTRICTED, _SHREDDED, _HELD = ErasureStep("restricted"), ErasureStep("shredded"), ErasureStep("held")

_ERASURES: dict[str, Sequence[ErasureStep]] = {
    "end-user-erasure-done": [_RESTRICTED, _SHREDDED, _SHREDDED, _SHREDDED, ErasureStep("done")],
    "end-user-erasure-held": [_HELD],
    "end-user-erasure-done-before": [ErasureStep("done")],
    "end-user-erasure-held-later": [_RESTRICTED, _HELD],
    "end-user-erasure-waits": [
        ErasureStep("waiting", wait_s=1),
        _RESTRICTED,
        _SHREDDED,
        ErasureStep("shredded", wait_s=1),
        _SHREDDED,
        _SHREDDED,
        ErasureStep("done"),
    ],
    "end-user-erasure-finds-something": [
        _RESTRICTED,
        _SHREDDED,
        _SHREDDED,
        ErasureStep("shredded", found=3),
        _SHREDDED,
        _SHREDDED,
        ErasureStep("done"),
    ],
}


class ScriptedErasures:
    """Stands in for the activities of erasures: what each step of each comes to, in order."""

    def __init__(self) -> None:
        self._scripts = {name: [*script] for name, script in _ERASURES.items()}

    @activity.defn(name="gdpr.erasure_restrict")
    async def restrict(self, wanted: ErasureWanted) -> ErasureStep:
        return self._scripts[wanted.id].pop(0)

    @activity.defn(name="gdpr.erasure_shred")
    async def shred(self, wanted: ErasureWanted) -> ErasureStep:
        return self._scripts[wanted.id].pop(0)

    @activity.defn(name="gdpr.erasure_remove")
    async def remove(self, wanted: ErasureWanted) -> ErasureStep:
        return self._scripts[wanted.id].pop(0)

    @activity.defn(name="gdpr.erasure_scan")
    async def scan(self, wanted: ErasureWanted) -> ErasureStep:
        return self._scripts[wanted.id].pop(0)

    @activity.defn(name="gdpr.erasure_certify")
    async def certify(self, wanted: ErasureWanted) -> ErasureStep:
        return self._scripts[wanted.id].pop(0)

    @activity.defn(name="gdpr.erasure_start_page")
    async def start_page(self, cursor: Cursor) -> ErasurePage:
        return ErasurePage(3) if cursor.after else ErasurePage(100, Cursor("01A"))


async def histories(client: Client) -> dict[str, WorkflowHistory]:
    """All at once: they wait as long as in production, some minutes."""
    scripted = ScriptedErasures()
    steps = [scripted.restrict, scripted.shred, scripted.remove, scripted.scan, scripted.start_page]
    async with (
        Worker(client, task_queue=TaskQueue.UPKEEP, workflows=[EraseEndUser, EndUserUpkeep], activities=steps),
        Worker(client, task_queue=TaskQueue.OUTBOUND, activities=[scripted.certify]),
    ):
        recorded = await asyncio.gather(*(_erased(client, name) for name in _ERASURES))
        taken_up = await _taken_up(client)
    return {**dict(zip(_ERASURES, recorded, strict=True)), "end-user-upkeep-two-pages": taken_up}


async def _erased(client: Client, name: str) -> WorkflowHistory:
    await ErasureWorkflows(client).start(ErasureWanted("01ORG", name))
    handle = client.get_workflow_handle(end_user_erasure.workflow_id(name))
    await handle.result()
    return await handle.fetch_history()


async def _taken_up(client: Client) -> WorkflowHistory:
    handle = await client.start_workflow(EndUserUpkeep.run, id=schedules.END_USER_UPKEEP, task_queue=TaskQueue.UPKEEP)
    await handle.result()
    return await handle.fetch_history()

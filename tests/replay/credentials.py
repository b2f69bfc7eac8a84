"""The paths of `credential.lifecycle`, `credential.cascade` and `credential.upkeep` whose histories are kept."""

import asyncio
from collections.abc import Sequence

from temporalio import activity
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Worker

from activities.credential_cascade import (
    Begun,
    CascadeCursor,
    CascadePage,
    CascadeStanding,
    Rechecked,
    SweepWanted,
    Swept,
)
from activities.credential_lifecycle import CredentialCursor, Issued, Outlook, StartedPage
from workflows import credential_cascade, credential_lifecycle, schedules
from workflows.credential_cascade import CascadeRun, Cascades, CredentialCascade
from workflows.credential_lifecycle import CredentialLifecycle, Lifecycles
from workflows.credential_upkeep import CredentialUpkeep
from workflows.queues import TaskQueue

_ISSUED = Issued("01ORG", "01AGENT", "01CREDENTIAL")
_CASCADE = Begun("01ORG", "01CASCADE")
_OVER = Outlook(ends_in_s=-1, is_over=True)

_LIVES: dict[str, Sequence[Outlook]] = {
    "credential-lifecycle-to-its-end": [
        Outlook(ends_in_s=3, warned_in_s=1),
        Outlook(ends_in_s=2, warned_in_s=0),
        Outlook(ends_in_s=1),
        Outlook(ends_in_s=0),
        _OVER,
    ],
    "credential-lifecycle-retired": [Outlook(ends_in_s=3600, warned_in_s=3000), Outlook(ends_in_s=0), _OVER],
    "credential-lifecycle-revoked": [
        Outlook(ends_in_s=3600, warned_in_s=3000),
        Outlook(ends_in_s=3600, is_revoked=True, is_over=True),
    ],
}
_RUNS, _SWEPT = CascadeStanding(is_done=False, is_pending=True), CascadeStanding(is_done=False)
_IRREVOCABLE = CascadeStanding(is_done=False, is_pending=True, is_irrevocable=True)
_DONE = [
    CascadeStanding(is_done=True, rechecked_in_s=1),  # its lives are woken
    CascadeStanding(is_done=True, rechecked_in_s=1),
    CascadeStanding(is_done=True),
    CascadeStanding(is_done=True, is_rechecked=True),
]
_FALLS: dict[str, tuple[Sequence[CascadeStanding], int]] = {
    "credential-cascade-done": ([_RUNS, _SWEPT, *_DONE], 0),
    "credential-cascade-waits": ([_RUNS, _RUNS, _IRREVOCABLE, _SWEPT, *_DONE], 0),
    "credential-cascade-finds-one-left": ([_SWEPT, *_DONE], 1),
}


class ScriptedCredentials:
    """Stands in for the activities of credentials: how things stand, one look after the other."""

    def __init__(self, *, lives: Sequence[Outlook] = (), falls: Sequence[CascadeStanding] = (), left: int = 0) -> None:
        self._lives = [*lives]
        self._falls = [*falls]
        self._left = left
        self._pages = ["01B"]
        self.is_seen = asyncio.Event()

    @activity.defn(name="credential.look")
    async def look(self, _: Issued) -> Outlook:
        self.is_seen.set()
        return self._lives.pop(0)

    @activity.defn(name="credential.warn")
    async def warn(self, _: Issued) -> None:
        return None

    @activity.defn(name="credential.end")
    async def end(self, _: Issued) -> None:
        return None

    @activity.defn(name="credential.start_page")
    async def start_page(self, cursor: CredentialCursor) -> StartedPage:
        return StartedPage(3) if cursor.after else StartedPage(200, CredentialCursor("01A"))

    @activity.defn(name="credential.cascade_look")
    async def cascade_look(self, _: Begun) -> CascadeStanding:
        return self._falls.pop(0)

    @activity.defn(name="credential.cascade_sweep")
    async def sweep(self, _: SweepWanted) -> Swept:
        return Swept(self._pages.pop(0) if self._pages else None)

    @activity.defn(name="credential.cascade_wake")
    async def wake(self, _: SweepWanted) -> Swept:
        return Swept()

    @activity.defn(name="credential.cascade_finish")
    async def finish(self, _: Begun) -> None:
        return None

    @activity.defn(name="credential.cascade_recheck")
    async def recheck(self, _: Begun) -> Rechecked:
        return Rechecked(self._left)

    @activity.defn(name="credential.cascade_start_page")
    async def cascade_start_page(self, cursor: CascadeCursor) -> CascadePage:
        return CascadePage(3) if cursor.after else CascadePage(100, CascadeCursor("01A"))

    def worker(self, client: Client) -> Worker:
        return Worker(
            client,
            task_queue=TaskQueue.UPKEEP,
            workflows=[CredentialCascade, CredentialLifecycle, CredentialUpkeep],
            activities=[
                self.cascade_look,
                self.cascade_start_page,
                self.end,
                self.finish,
                self.look,
                self.recheck,
                self.start_page,
                self.sweep,
                self.wake,
                self.warn,
            ],
        )


async def histories(client: Client) -> dict[str, WorkflowHistory]:
    kept = {name: await _live(client, name, script) for name, script in _LIVES.items()}
    kept |= {name: await _fall(client, script, left) for name, (script, left) in _FALLS.items()}
    kept["credential-cascade-continued-as-new"] = await _continued(client)
    kept["credential-upkeep-two-pages"] = await _taken_up(client)
    return kept


async def _live(client: Client, name: str, script: Sequence[Outlook]) -> WorkflowHistory:
    scripted = ScriptedCredentials(lives=script)
    async with scripted.worker(client):
        await Lifecycles(client).start(_ISSUED)
        handle = client.get_workflow_handle(credential_lifecycle.workflow_id(_ISSUED.credential))
        await scripted.is_seen.wait()
        if name.endswith("retired"):
            await handle.execute_update("retire", "2020-01-01T00:00:00+00:00")  # pyright: ignore[reportUnknownMemberType]
        if name.endswith("revoked"):
            await handle.execute_update("revoke")  # pyright: ignore[reportUnknownMemberType]
        await handle.result()
        return await handle.fetch_history()


async def _fall(client: Client, script: Sequence[CascadeStanding], left: int) -> WorkflowHistory:
    async with ScriptedCredentials(falls=script, left=left).worker(client):
        await Cascades(client).start(_CASCADE)
        handle = client.get_workflow_handle(credential_cascade.workflow_id(_CASCADE.id))
        await handle.result()
        return await handle.fetch_history()


async def _continued(client: Client) -> WorkflowHistory:
    async with ScriptedCredentials(falls=[_RUNS, _DONE[0], _DONE[-1]]).worker(client):
        handle = await client.start_workflow(
            CredentialCascade.run,
            CascadeRun(_CASCADE, pages=1),
            id=credential_cascade.workflow_id(_CASCADE.id),
            task_queue=TaskQueue.UPKEEP,
        )
        await handle.result()
        first = client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
        return await first.fetch_history()


async def _taken_up(client: Client) -> WorkflowHistory:
    async with ScriptedCredentials().worker(client):
        handle = await client.start_workflow(
            CredentialUpkeep.run, id=schedules.CREDENTIAL_UPKEEP, task_queue=TaskQueue.UPKEEP
        )
        await handle.result()
        return await handle.fetch_history()

"""The paths of `webhook.replay` and `webhook.replay_page` whose histories are kept."""

import asyncio
from collections.abc import Sequence

from temporalio import activity
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Worker

from activities.webhook_replay import Counted, PageWanted, Replayed, ReplaySpan, Step
from workflows.queues import TaskQueue
from workflows.webhook_replay import ReplayPage, ReplayRun, ReplayWebhooks, WebhookReplays

_REPLAY = Replayed("01ORG", "01REPLAY")
_THROUGH = [Step("running", "01B", wait_s=1.0), Step("running", "01D"), Step("running"), Step("running")]
_DONE = [Step("running"), Step("done")]

_REPLAYS: dict[str, Sequence[Step]] = {
    "webhook-replay-done": [*_THROUGH[:-1], Step("running", is_waiting=True), *_DONE],
    "webhook-replay-paused-and-resumed": [*_THROUGH[:1], Step("paused"), *_THROUGH, *_DONE[1:]],
    "webhook-replay-cancelled": [*_THROUGH[:2], Step("cancelled")],
}


class ScriptedReplay:
    """Stands in for `WebhookReplayActivities`: how the replay stands, one step after the other."""

    def __init__(self, steps: Sequence[Step], *, untried: Sequence[int] = ()) -> None:
        self._steps = [*steps]
        self._untried = [*untried]
        self.is_paused = asyncio.Event()

    @activity.defn(name="webhook.replay_step")
    async def step(self, _: PageWanted) -> Step:
        step = self._steps.pop(0)
        if step.state == "paused":
            self.is_paused.set()
        return step

    @activity.defn(name="webhook.replay_queue")
    async def queue(self, _: ReplaySpan) -> None:
        return None

    @activity.defn(name="webhook.replay_untried")
    async def untried(self, _: ReplaySpan) -> Counted:
        return Counted(self._untried.pop(0) if self._untried else 0)

    @activity.defn(name="webhook.replay_take_back")
    async def take_back(self, _: Replayed) -> None:
        return None

    @activity.defn(name="webhook.replay_finish")
    async def finish(self, _: Replayed) -> None:
        return None

    def worker(self, client: Client) -> Worker:
        return Worker(
            client,
            task_queue=TaskQueue.UPKEEP,
            workflows=[ReplayPage, ReplayWebhooks],
            activities=[self.finish, self.queue, self.step, self.take_back, self.untried],
        )


async def histories(client: Client) -> dict[str, WorkflowHistory]:
    kept = {name: await _replay(client, steps) for name, steps in _REPLAYS.items()}
    kept["webhook-replay-continued-as-new"] = await _continued(client)
    kept["webhook-replay-page"] = await _page(client)
    return kept


async def _replay(client: Client, steps: Sequence[Step]) -> WorkflowHistory:
    """Woken when it is paused, as by whoever resumes it."""
    replay = ScriptedReplay(steps)
    async with replay.worker(client):
        await WebhookReplays(client).wake(_REPLAY)
        handle = client.get_workflow_handle(f"webhook-replay/{_REPLAY.id}")
        if any(step.state == "paused" for step in steps):
            await replay.is_paused.wait()
            await handle.signal("wake")
        await handle.result()
        return await handle.fetch_history()


async def _continued(client: Client) -> WorkflowHistory:
    async with ScriptedReplay([*_THROUGH, *_DONE[1:]]).worker(client):
        handle = await client.start_workflow(
            ReplayWebhooks.run,
            ReplayRun(_REPLAY, pages=2),
            id=f"webhook-replay/{_REPLAY.id}",
            task_queue=TaskQueue.UPKEEP,
        )
        await handle.result()
        return await client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id).fetch_history()


async def _page(client: Client) -> WorkflowHistory:
    async with ScriptedReplay([], untried=[7, 3]).worker(client):
        handle = await client.start_workflow(
            ReplayPage.run,
            ReplaySpan(_REPLAY, "", "01B"),
            id=f"webhook-replay/{_REPLAY.id}/page",
            task_queue=TaskQueue.UPKEEP,
        )
        await handle.result()
        return await handle.fetch_history()

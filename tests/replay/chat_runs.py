"""The paths of `chat.run` whose histories are kept."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta

from temporalio import activity
from temporalio.client import Client, WorkflowHistory
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities.chat_run import ChatRun, RoundMade, RunEnding, RunRound, RunUse
from gateway.harness.run import MOST_ROUNDS
from workflows.chat_run import ChatWorkflows, RunChat, workflow_id
from workflows.queues import TaskQueue

_USES: Mapping[str, Sequence[int]] = {
    "chat-run-of-one-round": [0],
    "chat-run-with-tools": [2, 1, 0],
    "chat-run-that-never-stops": [1] * MOST_ROUNDS,
    "chat-run-with-a-failure": [1],
    "chat-run-after-a-failure": [1, 0],
    "chat-run-cancelled": [1],
    "chat-run-that-is-over": [],
}
"""How many tools each round asks for."""


class ScriptedChats:
    """Stands in for the activities of runs: a tool fails where the name of its run says so."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.rounds: list[RunRound] = []
        self.uses: list[RunUse] = []
        self.endings: list[RunEnding] = []

    @activity.defn(name="chat.begin")
    async def begin(self, run: ChatRun) -> bool:
        return run.id != "chat-run-that-is-over"

    @activity.defn(name="chat.round")
    async def round(self, step: RunRound) -> RoundMade:
        self.rounds.append(step)
        return RoundMade(_USES[step.run.id][step.number])

    @activity.defn(name="chat.tool")
    async def tool(self, step: RunUse) -> None:
        self.uses.append(step)
        if step.run.id == "chat-run-cancelled":
            self.began.set()
            while True:
                activity.heartbeat()
                await asyncio.sleep(0.05)
        if step.run.id == "chat-run-with-a-failure":
            raise ApplicationError("refused", type="AI_CREDITS_EXHAUSTED", non_retryable=True)
        if step.run.id == "chat-run-after-a-failure" and activity.info().attempt == 1:
            raise ApplicationError("away", type="INFERENCE_UNAVAILABLE")

    @activity.defn(name="chat.finish")
    async def finish(self, ending: RunEnding) -> None:
        self.endings.append(ending)


def working(client: Client, scripted: ScriptedChats) -> tuple[Worker, Worker]:
    soon = timedelta(milliseconds=100)
    steps, calls = [scripted.begin, scripted.finish], [scripted.round, scripted.tool]
    return (
        Worker(client, task_queue=TaskQueue.UPKEEP, workflows=[RunChat], activities=steps),
        Worker(client, task_queue=TaskQueue.INFERENCE, activities=calls, max_heartbeat_throttle_interval=soon),
    )


async def histories(client: Client) -> dict[str, WorkflowHistory]:
    scripted = ScriptedChats()
    workflows, calls = working(client, scripted)
    async with workflows, calls:
        recorded = await asyncio.gather(*(_run(client, name, scripted) for name in _USES))
    return dict(zip(_USES, recorded, strict=True))


async def _run(client: Client, name: str, scripted: ScriptedChats) -> WorkflowHistory:
    runs, run = ChatWorkflows(client), ChatRun("01ORG", name)
    await runs.start(run)
    if name == "chat-run-cancelled":
        await scripted.began.wait()
        await runs.cancel(run)
    handle = client.get_workflow_handle(workflow_id(name))
    await handle.result()
    return await handle.fetch_history()

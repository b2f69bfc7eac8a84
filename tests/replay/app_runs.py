"""The paths of `app.run` whose histories are kept."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta

from temporalio import activity
from temporalio.client import Client, WorkflowHistory
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities.app_run import AppJob, AppStep, Ending, Plan
from workflows.app_run import AppWorkflows, RunApp, workflow_id
from workflows.queues import TaskQueue

_TWO_AND_ONE: Sequence[Sequence[int]] = [[], [], [0, 1]]
_PLANS: Mapping[str, Sequence[Sequence[int]] | None] = {
    "app-run-three-steps": _TWO_AND_ONE,
    "app-run-with-a-failure": _TWO_AND_ONE,
    "app-run-after-a-failure": _TWO_AND_ONE,
    "app-run-cancelled": _TWO_AND_ONE,
    "app-run-of-a-job-that-is-over": None,
}


class ScriptedApps:
    """Stands in for the activities of jobs: the middle step fails where the name of its job says so."""

    def __init__(self) -> None:
        self.began = asyncio.Event()

    @activity.defn(name="app.begin")
    async def begin(self, job: AppJob) -> Plan:
        return Plan(_PLANS[job.id])

    @activity.defn(name="app.step")
    async def step(self, step: AppStep) -> None:
        if step.job.id == "app-run-cancelled":
            self.began.set()
            while True:
                activity.heartbeat()
                await asyncio.sleep(0.05)
        if step.place == 1 and step.job.id == "app-run-with-a-failure":
            raise ApplicationError("refused", type="PROVIDER_REJECTED", non_retryable=True)
        if step.place == 1 and step.job.id == "app-run-after-a-failure" and activity.info().attempt == 1:
            raise ApplicationError("away", type="INFERENCE_UNAVAILABLE")

    @activity.defn(name="app.finish")
    async def finish(self, ending: Ending) -> None:
        """Nothing to be written down."""


async def histories(client: Client) -> dict[str, WorkflowHistory]:
    scripted, soon = ScriptedApps(), timedelta(milliseconds=100)
    steps = [scripted.begin, scripted.finish]
    async with (
        Worker(client, task_queue=TaskQueue.UPKEEP, workflows=[RunApp], activities=steps),
        Worker(
            client, task_queue=TaskQueue.INFERENCE, activities=[scripted.step], max_heartbeat_throttle_interval=soon
        ),
    ):
        recorded = await asyncio.gather(*(_run(client, name, scripted) for name in _PLANS))
    return dict(zip(_PLANS, recorded, strict=True))


async def _run(client: Client, name: str, scripted: ScriptedApps) -> WorkflowHistory:
    runs, job = AppWorkflows(client), AppJob("01ORG", name)
    await runs.start(job)
    if name == "app-run-cancelled":
        await scripted.began.wait()
        await runs.cancel(job)
    handle = client.get_workflow_handle(workflow_id(name))
    await handle.result()
    return await handle.fetch_history()

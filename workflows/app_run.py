"""`app.run`: the steps of a workflow, each as soon as those that it waits for are done."""

import asyncio
from collections.abc import Sequence

from temporalio import workflow
from temporalio.client import Client
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import ActivityError, ApplicationError, WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from activities.app_run import AppJob, AppRunActivities, AppStep, Ending
    from gateway.apps.jobs import JobState
    from gateway.errors import InternalError, NotFoundError, UnavailableError
    from gateway.ids import OrganizationId
    from workflows import search_attributes
    from workflows.options import APP_STEP, QUICK_WRITE
    from workflows.queues import TaskQueue
    from workflows.search_attributes import KIND, ORGANIZATION, State


@workflow.defn(name="app.run")
class RunApp:
    """Ends when every step is done, one has failed and those beside it are done, or nobody wants it any more."""

    @workflow.init
    def __init__(self, job: AppJob) -> None:
        self._job = job
        self._is_cancelled = False
        self._failure: Ending | None = None
        self._running: dict[int, workflow.ActivityHandle[None]] = {}
        self._done: set[int] = set()

    @workflow.run
    async def run(self, job: AppJob) -> str:
        search_attributes.declare(OrganizationId(job.org))
        plan = await workflow.execute_activity_method(AppRunActivities.begin, job, **QUICK_WRITE)
        ending = self._over() if plan.waits_for is None else await self._ended(plan.waits_for)
        await workflow.execute_activity_method(AppRunActivities.finish, ending, **QUICK_WRITE)
        search_attributes.enter(_SHOWN[JobState(ending.state)])
        return ending.state

    @workflow.signal
    def cancel(self) -> None:
        """Steps that run are ended; what was answered by then is paid for."""
        self._is_cancelled = True
        for handle in self._running.values():
            handle.cancel()

    async def _ended(self, plan: Sequence[Sequence[int]]) -> Ending:
        await asyncio.gather(*(self._step(place, waits_for) for place, waits_for in enumerate(plan)))
        if self._is_cancelled:
            return Ending(self._job, JobState.CANCELLED)
        return self._failure or Ending(self._job, JobState.COMPLETED)

    async def _step(self, place: int, waits_for: Sequence[int]) -> None:
        await workflow.wait_condition(lambda: self._is_ending or self._done.issuperset(waits_for))
        if self._is_ending:
            return
        step = AppStep(self._job, place)
        handle = self._running[place] = workflow.start_activity_method(AppRunActivities.step, step, **APP_STEP)
        try:
            await handle
        except ActivityError as failure:
            self._failure = self._failure or _failed(self._job, place, failure)
        else:
            self._done.add(place)
        finally:
            del self._running[place]

    @property
    def _is_ending(self) -> bool:
        return self._is_cancelled or self._failure is not None

    def _over(self) -> Ending:
        """Of a job that has ended before it began, which stays as it is, or whose content was destroyed."""
        gone = NotFoundError("What the job was asked for is not kept any more.")
        return Ending(self._job, JobState.FAILED, code=gone.code, message=gone.text)


_SHOWN = {
    JobState.COMPLETED: State.DONE,
    JobState.FAILED: State.FAILED,
    JobState.CANCELLED: State.CANCELLED,
}


def _failed(job: AppJob, place: int, failure: ActivityError) -> Ending:
    match failure.cause:
        case ApplicationError(type=str(code)) as cause if code.isupper():
            return Ending(job, JobState.FAILED, place, code, cause.message)
        case ApplicationError():
            error = InternalError()
        case _:
            error = UnavailableError()
    return Ending(job, JobState.FAILED, place, error.code, error.text)


class AppWorkflows:
    """Implements `activities.app_run.AppRuns` on Temporal."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def start(self, job: AppJob) -> None:
        """Raises `RPCError` when Temporal is not there."""
        try:
            await self._client.start_workflow(
                RunApp.run,
                job,
                id=workflow_id(job.id),
                task_queue=TaskQueue.UPKEEP,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                search_attributes=_findable(job),
            )
        except WorkflowAlreadyStartedError:
            return

    async def cancel(self, job: AppJob) -> None:
        """Raises `RPCError` when Temporal is not there."""
        try:
            await self._client.start_workflow(
                RunApp.run,
                job,
                id=workflow_id(job.id),
                task_queue=TaskQueue.UPKEEP,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                search_attributes=_findable(job),
                start_signal="cancel",
            )
        except WorkflowAlreadyStartedError:
            return


def workflow_id(job: str) -> str:
    return f"app-run/{job}"


def _findable(job: AppJob) -> TypedSearchAttributes:
    return TypedSearchAttributes([SearchAttributePair(ORGANIZATION, job.org), SearchAttributePair(KIND, "app.run")])

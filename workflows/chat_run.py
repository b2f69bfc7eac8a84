"""`chat.run`: a chat in the background, round after round, each round and each use of a tool a step of its own."""

import asyncio
from datetime import timedelta

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
    from activities.chat_run import ChatRun, ChatRunActivities, RoundMade, RunEnding, RunRound, RunUse
    from gateway.errors import InternalError, NotFoundError, UnavailableError
    from gateway.harness.background import RunState
    from gateway.harness.run import MOST_ROUNDS
    from gateway.ids import OrganizationId
    from workflows import search_attributes
    from workflows.options import CHAT_ROUND, CHAT_TOOL, QUICK_WRITE
    from workflows.queues import TaskQueue
    from workflows.search_attributes import KIND, ORGANIZATION, State

LONGEST = timedelta(minutes=30)
"""After so long the model is to answer with what it has."""


@workflow.defn(name="chat.run")
class RunChat:
    """Ends when the model has answered, a step has failed for good, or nobody wants it any more."""

    @workflow.init
    def __init__(self, run: ChatRun) -> None:
        self._run = run
        self._is_cancelled = False
        self._running: set[workflow.ActivityHandle[None] | workflow.ActivityHandle[RoundMade]] = set()

    @workflow.run
    async def run(self, run: ChatRun) -> str:
        search_attributes.declare(OrganizationId(run.org))
        begun = await workflow.execute_activity_method(ChatRunActivities.begin, run, **QUICK_WRITE)
        ending = await self._ended() if begun else _gone(run)
        await workflow.execute_activity_method(ChatRunActivities.finish, ending, **QUICK_WRITE)
        search_attributes.enter(_SHOWN[RunState(ending.state)])
        return ending.state

    @workflow.signal
    def cancel(self) -> None:
        """What runs is ended; what was answered by then is paid for."""
        self._is_cancelled = True
        for handle in self._running:
            handle.cancel()

    async def _ended(self) -> RunEnding:
        try:
            return await self._answered()
        except ActivityError as failure:
            return RunEnding(self._run, RunState.CANCELLED) if self._is_cancelled else _failed(self._run, failure)

    async def _answered(self) -> RunEnding:
        began = workflow.now()
        for number in range(MOST_ROUNDS):
            if self._is_cancelled:
                return RunEnding(self._run, RunState.CANCELLED)
            is_last = number == MOST_ROUNDS - 1 or workflow.now() - began > LONGEST
            asked = RunRound(self._run, number, is_last=is_last)
            made = await self._watched(workflow.start_activity_method(ChatRunActivities.round, asked, **CHAT_ROUND))
            if made.uses is None:
                return _gone(self._run)
            if made.uses == 0 or is_last:
                break
            uses = [RunUse(self._run, number, each) for each in range(made.uses)]
            if self._is_cancelled:
                return RunEnding(self._run, RunState.CANCELLED)
            handles = [workflow.start_activity_method(ChatRunActivities.tool, use, **CHAT_TOOL) for use in uses]
            await asyncio.gather(*map(self._seen_to_its_end, handles))
        return RunEnding(self._run, RunState.COMPLETED)

    async def _watched(self, handle: workflow.ActivityHandle[RoundMade]) -> RoundMade:
        self._running.add(handle)
        try:
            return await handle
        finally:
            self._running.discard(handle)

    async def _seen_to_its_end(self, handle: workflow.ActivityHandle[None]) -> None:
        self._running.add(handle)
        try:
            await handle
        finally:
            self._running.discard(handle)


_SHOWN = {
    RunState.COMPLETED: State.DONE,
    RunState.FAILED: State.FAILED,
    RunState.CANCELLED: State.CANCELLED,
}


def _gone(run: ChatRun) -> RunEnding:
    """Of a run that has ended before it began, which stays as it is, or whose content was destroyed."""
    gone = NotFoundError("What the run was asked for is not kept any more.")
    return RunEnding(run, RunState.FAILED, gone.code, gone.text)


def _failed(run: ChatRun, failure: ActivityError) -> RunEnding:
    match failure.cause:
        case ApplicationError(type=str(code)) as cause if code.isupper():
            return RunEnding(run, RunState.FAILED, code, cause.message)
        case ApplicationError():
            error = InternalError()
        case _:
            error = UnavailableError()
    return RunEnding(run, RunState.FAILED, error.code, error.text)


class ChatWorkflows:
    """Implements `activities.chat_run.ChatRuns` on Temporal."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def start(self, run: ChatRun) -> None:
        """Raises `RPCError` when Temporal is not there."""
        try:
            await self._client.start_workflow(
                RunChat.run,
                run,
                id=workflow_id(run.id),
                task_queue=TaskQueue.UPKEEP,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                search_attributes=_findable(run),
            )
        except WorkflowAlreadyStartedError:
            return

    async def cancel(self, run: ChatRun) -> None:
        """Raises `RPCError` when Temporal is not there."""
        try:
            await self._client.start_workflow(
                RunChat.run,
                run,
                id=workflow_id(run.id),
                task_queue=TaskQueue.UPKEEP,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                search_attributes=_findable(run),
                start_signal="cancel",
            )
        except WorkflowAlreadyStartedError:
            return


def workflow_id(run: str) -> str:
    return f"chat-run/{run}"


def _findable(run: ChatRun) -> TypedSearchAttributes:
    return TypedSearchAttributes([SearchAttributePair(ORGANIZATION, run.org), SearchAttributePair(KIND, "chat.run")])

"""`credential.cascade`: what a revocation denied at once is marked, told of and accounted for, one by one.

Nothing waits for it but its receipt: all that it goes over is refused since the transaction that began it. A day after
it is done, somebody looks by another way whether anything is left.
"""

from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

with workflow.unsafe.imports_passed_through():
    from activities.credential_cascade import Begun, CascadeStanding, CredentialCascadeActivities, SweepWanted
    from gateway.ids import OrganizationId
    from workflows import search_attributes
    from workflows.options import QUICK_WRITE
    from workflows.queues import TaskQueue
    from workflows.search_attributes import State

_SHORTEST_WAIT = timedelta(seconds=1)
_LONGEST_WAIT = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class CascadeRun:
    """A cascade, gone over from `after` on. `pages`: at most, of one history."""

    cascade: Begun
    after: str = ""
    woken: str | None = ""
    """Lives up to there were told; None: all."""
    wait_s: float = _SHORTEST_WAIT.total_seconds()
    pages: int = 500


@workflow.defn(name="credential.cascade")
class CredentialCascade:
    """Ends when the cascade is done and was looked at once more."""

    @workflow.init
    def __init__(self, run: CascadeRun) -> None:
        self._cascade = run.cascade
        self._after = run.after
        self._woken = run.woken
        self._is_swept = False
        self._wait = timedelta(seconds=run.wait_s)
        self._pages = 0
        self._shown = State.RUNNING
        self._has_alarm = False

    @workflow.run
    async def run(self, run: CascadeRun) -> None:
        search_attributes.declare(OrganizationId(run.cascade.org))
        while not await self._go_on():
            if self._pages >= run.pages or workflow.info().is_continue_as_new_suggested():
                wait_s = self._wait.total_seconds()
                workflow.continue_as_new(
                    CascadeRun(run.cascade, self._after, self._woken, wait_s=wait_s, pages=run.pages)
                )
        search_attributes.enter(State.ALARM if self._has_alarm else State.DONE)

    @workflow.query
    def state(self) -> str:
        return self._shown

    async def _go_on(self) -> bool:
        """One step; whether it was the last."""
        if self._after:
            await self._sweep()
            return False
        seen = await workflow.execute_activity_method(CredentialCascadeActivities.look, self._cascade, **QUICK_WRITE)
        if not seen.is_done:
            await self._work(seen)
        elif self._woken is not None:
            await self._wake(self._woken)
        elif not seen.is_rechecked:
            await self._recheck(seen)
        return seen.is_done and seen.is_rechecked and self._woken is None

    async def _work(self, seen: CascadeStanding) -> None:
        if not seen.is_pending:
            await workflow.execute_activity_method(CredentialCascadeActivities.finish, self._cascade, **QUICK_WRITE)
            return
        self._show(State.IRREVOCABLE if seen.is_irrevocable else State.RUNNING)
        if self._is_swept:
            await workflow.sleep(self._wait)
            self._wait = min(2 * self._wait, _LONGEST_WAIT)
        await self._sweep()

    async def _sweep(self) -> None:
        wanted = SweepWanted(self._cascade, self._after)
        swept = await workflow.execute_activity_method(CredentialCascadeActivities.sweep, wanted, **QUICK_WRITE)
        self._pages += 1
        self._after = swept.upto or ""
        self._is_swept = not self._after

    async def _wake(self, after: str) -> None:
        """Have lives end that it ended. Not before it is done: they are as many, and would be in its way."""
        wanted = SweepWanted(self._cascade, after)
        woken = await workflow.execute_activity_method(CredentialCascadeActivities.wake, wanted, **QUICK_WRITE)
        self._pages += 1
        self._woken = woken.upto

    async def _recheck(self, seen: CascadeStanding) -> None:
        self._show(State.WAITING_FOR_RECHECK)
        if seen.rechecked_in_s > 0:
            await workflow.sleep(timedelta(seconds=seen.rechecked_in_s))
        else:
            found = await workflow.execute_activity_method(
                CredentialCascadeActivities.recheck, self._cascade, **QUICK_WRITE
            )
            self._has_alarm = found.left > 0

    def _show(self, state: State) -> None:
        if state is not self._shown:
            search_attributes.enter(state)
            self._shown = state


class Cascades:
    """Implements `activities.credential_cascade.CascadeWorkflows` on Temporal."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def start(self, cascade: Begun) -> None:
        """Raises `RPCError` when Temporal is not there. One that ended is started anew: it finds what is done."""
        await self._client.start_workflow(
            CredentialCascade.run,
            CascadeRun(cascade),
            id=workflow_id(cascade.id),
            task_queue=TaskQueue.UPKEEP,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        )


def workflow_id(cascade: str) -> str:
    return f"credential-cascade/{cascade}"

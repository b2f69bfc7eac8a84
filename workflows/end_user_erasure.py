"""`gdpr.erasure`: a person is restricted, shredded, emptied, looked for, and certified as erased; or held.

A process knows a name and a key for a minute: so long it waits before the key is destroyed, that nothing is sealed
under it any more, and after, that nothing opens.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.workflow import ActivityConfig

with workflow.unsafe.imports_passed_through():
    from activities.end_user_erasure import EndUserErasureActivities, ErasureStep, ErasureWanted
    from gateway.end_users.erasure import SETTLING, ErasureState
    from gateway.ids import OrganizationId
    from workflows import search_attributes
    from workflows.options import ERASING, QUICK_WRITE, SIGNING
    from workflows.queues import TaskQueue
    from workflows.search_attributes import KIND, ORGANIZATION, State

_LOOKS_AGAIN = timedelta(days=30)
"""How long it rests at most: what has it wait may be changed meanwhile."""
_FIRST_REST, _LONGEST_REST = timedelta(minutes=1), timedelta(hours=1)
"""Between a scan that found something and the next try."""

_SHOWN = {
    ErasureState.WAITING: State.WAITING_FOR_RETENTION,
    ErasureState.RESTRICTED: State.RESTRICTED,
    ErasureState.SHREDDED: State.SHREDDED,
    ErasureState.HELD: State.HELD,
    ErasureState.DONE: State.DONE,
}

Step = Callable[[EndUserErasureActivities, ErasureWanted], Coroutine[Any, Any, ErasureStep]]


@dataclass(frozen=True, slots=True)
class Progress:
    """The step that is being done, or was done last, and how far the erasure is."""

    step: str
    state: str


@workflow.defn(name="gdpr.erasure")
class EraseEndUser:
    """Ends with the certificate, or held. A scan that finds something has it taken away again, and is an `alarm`."""

    @workflow.init
    def __init__(self, wanted: ErasureWanted) -> None:
        self._wanted = wanted
        self._progress = Progress("restrict", ErasureState.REQUESTED)

    @workflow.run
    async def run(self, wanted: ErasureWanted) -> Progress:
        search_attributes.declare(OrganizationId(wanted.org))
        if not await self._is_over(EndUserErasureActivities.restrict):
            await workflow.sleep(SETTLING)
            if not await self._is_over(EndUserErasureActivities.shred):
                await workflow.sleep(SETTLING)
                await self._empty()
                await self._take(EndUserErasureActivities.certify, SIGNING)
        return self._progress

    @workflow.query
    def progress(self) -> Progress:
        return self._progress

    async def _is_over(self, step: Step) -> bool:
        """Whether something holds it; or it was done by an earlier run."""
        return ErasureState((await self._take(step, QUICK_WRITE)).state).is_over

    async def _empty(self) -> None:
        """Take away and look, until there is nothing."""
        rest = _FIRST_REST
        while True:
            await self._take(EndUserErasureActivities.remove, ERASING)
            if not (await self._take(EndUserErasureActivities.scan, ERASING)).found:
                return
            search_attributes.enter(State.ALARM)
            await self._rest(rest)
            rest = min(rest * 2, _LONGEST_REST)

    async def _take(self, step: Step, config: ActivityConfig) -> ErasureStep:
        """The step as it was done in the end, however often it had to be put off."""
        while True:
            self._progress = Progress(step.__name__, self._progress.state)
            taken = await workflow.execute_activity_method(step, self._wanted, **config)
            self._enter(Progress(step.__name__, taken.state))
            if not taken.wait_s:
                return taken
            await self._rest(min(timedelta(seconds=taken.wait_s), _LOOKS_AGAIN))

    async def _rest(self, time: timedelta) -> None:
        await workflow.sleep(time)
        if workflow.info().is_continue_as_new_suggested():
            workflow.continue_as_new(self._wanted)

    def _enter(self, progress: Progress) -> None:
        before, self._progress = self._progress.state, progress
        if progress.state != before and (shown := _SHOWN.get(ErasureState(progress.state))):
            search_attributes.enter(shown)


class ErasureWorkflows:
    """Implements `activities.end_user_erasure.ErasureRuns` on Temporal."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def start(self, wanted: ErasureWanted) -> None:
        """Raises `RPCError` when Temporal is not there."""
        findable = [SearchAttributePair(ORGANIZATION, wanted.org), SearchAttributePair(KIND, "gdpr.erasure")]
        try:
            await self._client.start_workflow(
                EraseEndUser.run,
                wanted,
                id=workflow_id(wanted.id),
                task_queue=TaskQueue.UPKEEP,
                # Again after it ended: a restored database may not know what was done. One that does has nothing done.
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                search_attributes=TypedSearchAttributes(findable),
            )
        except WorkflowAlreadyStartedError:
            return


def workflow_id(erasure: str) -> str:
    return f"gdpr-erasure/{erasure}"

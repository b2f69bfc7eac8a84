"""`credential.lifecycle`: a credential's life, one workflow for each, from its issue to its end.

It warns, and notes the end; it does not make it: whoever is let in is decided by the credential's row and the clock.
So the row is asked at every step, and a decision about the credential only has the workflow look again.
"""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import StrEnum

from temporalio import workflow
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

with workflow.unsafe.imports_passed_through():
    from activities.credential_lifecycle import CredentialLifecycleActivities, Issued
    from gateway.ids import AgentId, CredentialId, OrganizationId
    from workflows import search_attributes
    from workflows.options import QUICK_WRITE
    from workflows.queues import TaskQueue
    from workflows.search_attributes import State

_SHORTEST = timedelta(milliseconds=50)
"""Between two looks at what was due by Temporal's clock and was not by ours."""


_CLOCKS_DIFFER = timedelta(seconds=1)


_UNFIT, _ROTATED, _ENDED = "VALIDATION_FAILED", "AGENT_CREDENTIAL_ALREADY_ROTATED", "AGENT_CREDENTIAL_ENDED"
_REFUSED = {_UNFIT, _ROTATED, _ENDED}
"""What validators say: such a decision changes nothing, now or later."""


class Stage(StrEnum):
    ACTIVE = "active"
    EXPIRING = "expiring"
    """It was told that it ends."""
    OVERLAPPING = "overlapping"
    """It has a successor."""
    REVOKED = "revoked"
    EXPIRED = "expired"


_SHOWN = {
    Stage.ACTIVE: State.RUNNING,
    Stage.EXPIRING: State.EXPIRING,
    Stage.OVERLAPPING: State.OVERLAPPING,
    Stage.REVOKED: State.REVOKED,
    Stage.EXPIRED: State.EXPIRED,
}


@workflow.defn(name="credential.lifecycle")
class CredentialLifecycle:
    """Ends with the credential."""

    @workflow.init
    def __init__(self, issued: Issued) -> None:
        self._issued = issued
        self._stage = Stage.ACTIVE
        self._is_woken = False
        self._ends_at: datetime | None = None

    @workflow.run
    async def run(self, issued: Issued) -> Stage:
        search_attributes.declare_credential(OrganizationId(issued.org), AgentId(issued.agent))
        while not self._is_over():
            await self._step()
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._stage

    @workflow.query
    def state(self) -> Stage:
        return self._stage

    @workflow.update
    def retire(self, at: str) -> Stage:
        """It has a successor, and ends at `at`, ISO 8601 with an offset."""
        self._ends_at = datetime.fromisoformat(at)
        self._enter(Stage.OVERLAPPING)
        self._is_woken = True
        return self._stage

    @retire.validator
    def _may_retire(self, at: str) -> None:
        self._require_life()
        wanted = _read(at)
        if self._stage is Stage.OVERLAPPING:
            raise ApplicationError("it has a successor already", type=_ROTATED)
        if self._ends_at is not None and wanted > self._ends_at + _CLOCKS_DIFFER:
            raise ApplicationError("later than it ends", type=_UNFIT)

    @workflow.update
    def revoke(self) -> Stage:
        """It was revoked."""
        self._is_woken = True
        return self._stage

    @revoke.validator
    def _may_revoke(self) -> None:
        self._require_life()

    @workflow.signal
    def wake(self) -> None:
        """Something was decided about it: what tells many at once does not wait for each."""
        self._is_woken = True

    def _require_life(self) -> None:
        if self._is_over():
            raise ApplicationError("it has ended", type=_ENDED)

    def _is_over(self) -> bool:
        return self._stage in {Stage.REVOKED, Stage.EXPIRED}

    async def _step(self) -> None:
        """Do what is due, or wait for what is next."""
        self._is_woken = False
        seen = await workflow.execute_activity_method(CredentialLifecycleActivities.look, self._issued, **QUICK_WRITE)
        self._ends_at = workflow.now() + timedelta(seconds=seen.ends_in_s)
        if seen.is_over:
            self._enter(Stage.REVOKED if seen.is_revoked else Stage.EXPIRED)
        elif seen.ends_in_s <= 0:
            await workflow.execute_activity_method(CredentialLifecycleActivities.end, self._issued, **QUICK_WRITE)
        elif seen.warned_in_s is not None and seen.warned_in_s <= 0:
            await workflow.execute_activity_method(CredentialLifecycleActivities.warn, self._issued, **QUICK_WRITE)
            self._enter(Stage.EXPIRING)
        else:
            ahead = seen.ends_in_s if seen.warned_in_s is None else min(seen.ends_in_s, seen.warned_in_s)
            await self._rest(timedelta(seconds=ahead))

    async def _rest(self, at_most: timedelta) -> None:
        try:
            await workflow.wait_condition(lambda: self._is_woken, timeout=max(at_most, _SHORTEST))
        except TimeoutError:
            return

    def _enter(self, stage: Stage) -> None:
        # What has a successor is not called expiring: nothing ends for those who use it.
        if stage is not self._stage and not (stage is Stage.EXPIRING and self._stage is Stage.OVERLAPPING):
            self._stage = stage
            search_attributes.enter(_SHOWN[stage])


class Lifecycles:
    """Implements `activities.credential_lifecycle.CredentialLifecycles` on Temporal."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def start(self, issued: Issued) -> None:
        """Raises `RPCError` when Temporal is not there. One that ended is started anew: it finds what is done."""
        await self._client.start_workflow(
            CredentialLifecycle.run,
            issued,
            id=workflow_id(issued.credential),
            task_queue=TaskQueue.UPKEEP,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        )

    async def retire(self, issued: Issued, at: datetime) -> None:
        """Raises `RPCError` when Temporal is not there."""
        await self._update(issued, "retire", at.isoformat())

    async def revoke(self, issued: Issued) -> None:
        """Raises `RPCError` when Temporal is not there."""
        await self._update(issued, "revoke")

    async def wake(self, credential: CredentialId) -> None:
        """Raises `RPCError` when Temporal is not there."""
        with _unless_absent():
            await self._client.get_workflow_handle(workflow_id(credential)).signal(CredentialLifecycle.wake)

    async def _update(self, issued: Issued, name: str, *about: str) -> None:
        """Of one that is over, or was told already, or has not begun and will see for itself, nothing is wanted."""
        handle = self._client.get_workflow_handle(workflow_id(issued.credential))
        with _unless_absent(), _unless_refused():
            await handle.execute_update(name, args=about)  # pyright: ignore[reportUnknownMemberType]


def _read(at: str) -> datetime:
    try:
        read = datetime.fromisoformat(at)
    except ValueError:
        read = None
    if read is None or read.tzinfo is None:
        raise ApplicationError("not a time with an offset", type=_UNFIT)
    return read


@contextmanager
def _unless_refused() -> Generator[None]:
    try:
        yield
    except WorkflowUpdateFailedError as failure:
        if not isinstance(failure.cause, ApplicationError) or failure.cause.type not in _REFUSED:
            raise


@contextmanager
def _unless_absent() -> Generator[None]:
    try:
        yield
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise


def workflow_id(credential: str) -> str:
    return f"credential/{credential}"

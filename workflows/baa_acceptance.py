"""`baa.acceptance`: what was accepted is typeset, signed, kept, and put in force.

It ends there. That an agreement nears its end, or ends, is up to `baa.upkeep` and the agreement's own row: such a wait
lasts years, over which code, keys and the end itself change, and a row follows all three without a signal, a version
check or a history to keep.
"""

from temporalio import workflow
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

with workflow.unsafe.imports_passed_through():
    from activities.baa import Accepted, BaaActivities
    from gateway.ids import AcceptanceId, OrganizationId
    from workflows import search_attributes
    from workflows.options import QUICK_WRITE, SIGNING
    from workflows.queues import TaskQueue
    from workflows.search_attributes import State


@workflow.defn(name="baa.acceptance")
class BaaAcceptance:
    """No document, no agreement: what cannot be signed stays pending, and is tried again until it can."""

    @workflow.run
    async def run(self, accepted: Accepted) -> None:
        search_attributes.declare(OrganizationId(accepted.org))
        await workflow.execute_activity_method(BaaActivities.make_document, accepted, **SIGNING)
        await workflow.execute_activity_method(BaaActivities.activate, accepted, **QUICK_WRITE)
        search_attributes.enter(State.DONE)


def workflow_id(acceptance: AcceptanceId) -> str:
    return f"baa-acceptance/{acceptance}"


class BaaAcceptances:
    """Implements `activities.baa.AcceptanceWorkflows` on Temporal."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def start(self, org: OrganizationId, acceptance: AcceptanceId) -> None:
        """Raises `RPCError` when Temporal is not there. One that ended is started anew: it finds what is done."""
        await self._client.start_workflow(
            BaaAcceptance.run,
            Accepted(org, acceptance),
            id=workflow_id(acceptance),
            task_queue=TaskQueue.UPKEEP,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        )

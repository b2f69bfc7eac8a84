"""`budget.reset`: an organisation's ended periods are closed, and the one of now is open."""

from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.budget import Budget, BudgetActivities
    from gateway.ids import OrganizationId
    from workflows import search_attributes
    from workflows.options import QUICK_WRITE
    from workflows.search_attributes import ORGANIZATION, State

MOST_STEPS = 200
"""Keeps a history small; a new one goes on from there."""


@dataclass(frozen=True, slots=True)
class Reset:
    closed: int


@workflow.defn(name="budget.reset")
class BudgetReset:
    """Closes one period after another, oldest first, waiting for those whose calls still run.

    Whose budget it is comes as the search attribute `HaspOrganization`: a schedule keeps what it starts with for
    years, and as a payload that would need its codec key as long.
    """

    @workflow.run
    async def run(self) -> Reset:
        org = _organization()
        search_attributes.declare(org)
        closed = 0
        for _ in range(MOST_STEPS):
            step = await workflow.execute_activity_method(BudgetActivities.close_period, Budget(org), **QUICK_WRITE)
            if step.closed:
                closed += 1
            elif step.wait_s:
                await workflow.sleep(timedelta(seconds=step.wait_s))
            else:
                break
        else:
            workflow.continue_as_new()
        search_attributes.enter(State.DONE)
        return Reset(closed)


def _organization() -> OrganizationId:
    named = workflow.info().typed_search_attributes.get(ORGANIZATION)
    if named is None:
        raise ApplicationError("started without HaspOrganization", type="NO_ORGANIZATION", non_retryable=True)
    return OrganizationId(named)

"""What operators may list workflows by. Temporal never encrypts these: ids and fixed words only."""

from enum import StrEnum

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributeUpdate

with workflow.unsafe.imports_passed_through():
    from gateway.ids import OrganizationId

ORGANIZATION = SearchAttributeKey.for_keyword("HaspOrganization")
KIND = SearchAttributeKey.for_keyword("HaspKind")
STATE = SearchAttributeKey.for_keyword("HaspState")


class State(StrEnum):
    RUNNING = "running"
    DONE = "done"
    ALARM = "alarm"
    """Done, and somebody has to look at what came of it."""


def declare(org: OrganizationId) -> None:
    """Make the current workflow findable, as running. Its first act, so that it holds however it was started."""
    kind = workflow.info().workflow_type
    _upsert(ORGANIZATION.value_set(org), KIND.value_set(kind), STATE.value_set(State.RUNNING))


def enter(state: State) -> None:
    _upsert(STATE.value_set(state))


def _upsert(*updates: SearchAttributeUpdate[str]) -> None:
    workflow.upsert_search_attributes(updates)  # pyright: ignore[reportUnknownMemberType] - the SDK leaves it open

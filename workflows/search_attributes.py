"""What operators may list workflows by. Temporal never encrypts these: ids and fixed words only."""

from enum import StrEnum

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributeUpdate

with workflow.unsafe.imports_passed_through():
    from gateway.ids import AgentId, EndpointId, EventId, OrganizationId

ORGANIZATION = SearchAttributeKey.for_keyword("HaspOrganization")
KIND = SearchAttributeKey.for_keyword("HaspKind")
STATE = SearchAttributeKey.for_keyword("HaspState")
ENDPOINT = SearchAttributeKey.for_keyword("HaspEndpoint")
EVENT = SearchAttributeKey.for_keyword("HaspEvent")
AGENT = SearchAttributeKey.for_keyword("HaspAgent")


class State(StrEnum):
    RUNNING = "running"
    WAITING_FOR_DELIVERIES = "waiting_for_deliveries"
    """Of a replay: all is queued, and not all of it settled."""
    PAUSED = "paused"
    CANCELLED = "cancelled"
    DONE = "done"
    ALARM = "alarm"
    """Done, and somebody has to look at what came of it."""
    WAITING_TO_RETRY = "waiting_to_retry"
    """A delivery, until its ladder says that it is tried again."""
    ENDPOINT_RESTING = "endpoint_resting"
    """A delivery whose turn has come while its endpoint takes nothing: it only fails, asked for time, or has a rate."""
    ENDPOINT_PAUSED = "endpoint_paused"
    """A delivery that is left until its endpoint is active again."""
    DELIVERED = "delivered"
    FAILED = "failed"
    """A delivery after its last try."""
    SKIPPED = "skipped"
    """A delivery whose endpoint was disabled or deleted."""
    EXPIRING = "expiring"
    """A credential that was told to end."""
    OVERLAPPING = "overlapping"
    """A credential with a successor."""
    READY = "ready"
    """An export that may be downloaded, until it expires."""
    REVOKED = "revoked"
    EXPIRED = "expired"
    IRREVOCABLE = "irrevocable"
    """A cascade: a process that does not answer holds a call that it should have ended."""
    WAITING_FOR_RETENTION = "waiting_for_retention"
    """An erasure: restricted, until what must be kept need not be kept any more."""
    RESTRICTED = "restricted"
    """An erasure whose key is destroyed next."""
    SHREDDED = "shredded"
    """An erasure whose key is destroyed; what does not open any more is being taken away."""
    HELD = "held"
    """An erasure that was not done: a hold forbids it."""
    WAITING_FOR_RECHECK = "waiting_for_recheck"
    """A cascade that is done, until somebody looks once more."""


def declare(org: OrganizationId) -> None:
    """Make the current workflow findable, as running. Its first act, so that it holds however it was started."""
    kind = workflow.info().workflow_type
    _upsert(ORGANIZATION.value_set(org), KIND.value_set(kind), STATE.value_set(State.RUNNING))


def declare_delivery(org: OrganizationId, endpoint: EndpointId, event: EventId, state: State) -> None:
    """As `declare`, for one delivery."""
    kind = workflow.info().workflow_type
    found = (ORGANIZATION.value_set(org), KIND.value_set(kind), STATE.value_set(state))
    _upsert(*found, ENDPOINT.value_set(endpoint), EVENT.value_set(event))


def declare_credential(org: OrganizationId, agent: AgentId) -> None:
    """As `declare`, for what follows a credential of `agent`."""
    kind = workflow.info().workflow_type
    _upsert(ORGANIZATION.value_set(org), KIND.value_set(kind), STATE.value_set(State.RUNNING), AGENT.value_set(agent))


def enter(state: State) -> None:
    _upsert(STATE.value_set(state))


def _upsert(*updates: SearchAttributeUpdate[str]) -> None:
    workflow.upsert_search_attributes(updates)  # pyright: ignore[reportUnknownMemberType] - the SDK leaves it open

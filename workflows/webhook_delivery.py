"""`webhook.delivery`: a delivery whose first try failed, tried again until it arrives or its ladder ends."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.webhook_delivery import Retries, Tried, Try, WebhookDeliveryActivities
    from gateway.ids import EndpointId, EventId, OrganizationId
    from gateway.webhooks import ladder
    from gateway.webhooks.deliveries import DeliveryState
    from workflows import search_attributes
    from workflows.options import WEBHOOK_ATTEMPT
    from workflows.search_attributes import State


@dataclass(frozen=True, slots=True)
class Standing:
    """What the query `state` tells: why the delivery waits, how often it was tried, and until when (ISO 8601)."""

    state: str
    tried: int
    until: str


@dataclass(frozen=True, slots=True)
class Ended:
    state: str
    tried: int


_ENDS = {
    DeliveryState.DELIVERED: State.DELIVERED,
    DeliveryState.FAILED: State.FAILED,
    DeliveryState.SKIPPED: State.SKIPPED,
    DeliveryState.PENDING: State.ENDPOINT_PAUSED,
}
"""What is pending again is its dispatcher's: its endpoint was paused, or a replay begins another chain."""


@workflow.defn(name="webhook.delivery")
class WebhookDelivery:
    """Waits, tries, waits longer. Whoever delivers first tells it, at its start or while it runs, of the newest try."""

    @workflow.init
    def __init__(self, retries: Retries) -> None:
        self._retries = retries
        self._state = State.WAITING_TO_RETRY
        self._at_once = False
        """It was put off once: now neither circuit nor rate holds it up."""

    @workflow.run
    async def run(self, retries: Retries) -> Ended:
        search_attributes.declare_delivery(
            OrganizationId(retries.org), EndpointId(retries.endpoint), EventId(retries.event), self._state
        )
        while True:
            await self._wait()
            asked = self._retries
            tried = await workflow.execute_activity_method(
                WebhookDeliveryActivities.attempt,
                Try(asked.org, asked.delivery, asked.tried + 1, asked.waits_s, self._at_once),
                **WEBHOOK_ATTEMPT,
            )
            if tried.state != DeliveryState.RETRYING:
                self._enter(_ENDS[DeliveryState(tried.state)])
                return Ended(tried.state, tried.tried)
            # Somebody may have told of a later one meanwhile, of another chain.
            if self._retries is asked:
                self._plan(tried)

    @workflow.signal
    def tell(self, retries: Retries) -> None:
        """Of a try that failed. One that is known already changes nothing."""
        if retries.tried > self._retries.tried:
            self._retries = retries
            self._at_once = False

    @workflow.query
    def state(self) -> Standing:
        return Standing(self._state, self._retries.tried, self._retries.due_at)

    async def _wait(self) -> None:
        """Until the next try is due, which may change meanwhile."""
        while (left := datetime.fromisoformat(self._retries.due_at) - workflow.now()) > timedelta():
            known = self._retries
            try:
                await workflow.wait_condition(lambda known=known: self._retries is not known, timeout=left)
            except TimeoutError:
                return

    def _plan(self, tried: Tried) -> None:
        """The next try."""
        self._at_once = tried.put_off_s is not None
        wait = tried.put_off_s
        if wait is None:
            wait = ladder.wait_s(
                self._retries.waits_s, self._retries.delivery, tried.tried, tried.wish, before=tried.before
            )
        due_at = workflow.now() + timedelta(seconds=wait or 0)
        self._retries = replace(self._retries, tried=tried.tried, before=tried.before, due_at=due_at.isoformat())
        self._enter(State.ENDPOINT_RESTING if self._at_once else State.WAITING_TO_RETRY)

    def _enter(self, state: State) -> None:
        if state is not self._state:
            self._state = state
            search_attributes.enter(state)

"""Counting a prompt's tokens: no answer and no charge, but the prompt may still reach a vendor's counter."""

from dataclasses import dataclass

from gateway.agents.running import Running
from gateway.agents.scope import require_tools
from gateway.audit.compliance import ComplianceEvent
from gateway.catalog import Catalog, Model
from gateway.clock import Clock
from gateway.conversation import Conversation
from gateway.errors import ProviderRejectedError
from gateway.inference.admission import needs_opt_in, require_agreement, require_model
from gateway.inference.explaining import explained
from gateway.phi.guard import Guard
from gateway.phi.report import PhiReport
from gateway.providers.abilities import require_able
from gateway.routing.dispatch import Dispatcher
from gateway.routing.route import Sender
from gateway.tenancy import Access


@dataclass(frozen=True, slots=True)
class Countable:
    """A prompt with every gate behind it. It may reach a vendor's counter: record it before it does."""

    conversation: Conversation
    """As it may be sent."""
    model: Model
    access: Access
    report: PhiReport
    passed: tuple[ComplianceEvent, ...]
    """What fired at the gates behind it."""


class TokenCounter:
    """Counts behind the same gates as an inference, in the same order, but for credits."""

    def __init__(self, *, catalog: Catalog, guard: Guard, dispatcher: Dispatcher, clock: Clock, baa_url: str) -> None:
        self._catalog = catalog
        self._guard = guard
        self._dispatcher = dispatcher
        self._clock = clock
        self._baa_url = baa_url

    async def admit(self, conversation: Conversation, model_id: str, access: Access) -> Countable:
        """`conversation` as the model would see it. Raises `GatewayError`; audits nothing itself."""
        now = self._clock.now()
        require_tools(conversation, access.principal.delegation)
        require_agreement(access.policy, now=now, baa_url=self._baa_url)
        model = self._catalog.get(model_id, now=now)
        require_model(model, access, baa_url=self._baa_url)
        require_able(conversation, model)
        self._dispatcher.require(model, access.principal.mode)
        screened = await self._guard.screen(conversation, access)
        passed = [ComplianceEvent.BAA_VERIFIED]
        if needs_opt_in(model):
            passed.append(ComplianceEvent.MODEL_OPT_IN_VERIFIED)
        return Countable(screened.conversation, model, access, screened.report, tuple(passed))

    async def count(self, prompt: Countable, running: Running) -> int:
        """Input tokens of `prompt`. Raises `GatewayError`, also why `running` was ended meanwhile."""
        principal = prompt.access.principal
        try:
            sender = Sender(principal.mode, principal.org)
            return await running.unless_ended(
                lambda: self._dispatcher.count_tokens(prompt.conversation, prompt.model, sender)
            )
        except ProviderRejectedError as failure:
            raise await explained(failure, self._guard) from failure

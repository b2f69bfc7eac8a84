"""Counting a prompt's tokens: no answer and no charge, but the prompt may still reach a vendor's counter."""

from dataclasses import dataclass

from gateway.catalog import Catalog
from gateway.clock import Clock
from gateway.conversation import Conversation
from gateway.errors import ProviderRejectedError
from gateway.inference.admission import require_agreement, require_model
from gateway.inference.explaining import explained
from gateway.phi.guard import Guard
from gateway.phi.report import PhiReport
from gateway.providers.abilities import require_able
from gateway.routing.dispatch import Dispatcher
from gateway.routing.route import Sender
from gateway.tenancy import Access


@dataclass(frozen=True, slots=True)
class Counted:
    """Input tokens, the catalog's id of the model, and what the guard found and did before they were counted."""

    tokens: int
    model: str
    report: PhiReport


class TokenCounter:
    """Counts behind the same gates as an inference, in the same order, but for credits."""

    def __init__(self, *, catalog: Catalog, guard: Guard, dispatcher: Dispatcher, clock: Clock, baa_url: str) -> None:
        self._catalog = catalog
        self._guard = guard
        self._dispatcher = dispatcher
        self._clock = clock
        self._baa_url = baa_url

    async def count(self, conversation: Conversation, model_id: str, access: Access) -> Counted:
        """Counts `conversation` as the model would see it. Raises `GatewayError`; audits nothing itself."""
        now = self._clock.now()
        require_agreement(access.policy, now=now, baa_url=self._baa_url)
        model = self._catalog.get(model_id, now=now)
        require_model(model, access.policy, baa_url=self._baa_url)
        require_able(conversation, model)
        self._dispatcher.require(model, access.principal.mode)
        screened = await self._guard.screen(conversation, access)
        try:
            tokens = await self._dispatcher.count_tokens(
                screened.conversation, model, Sender(access.principal.mode, access.principal.org)
            )
        except ProviderRejectedError as failure:
            raise await explained(failure, self._guard) from failure
        return Counted(tokens, model.id, screened.report)

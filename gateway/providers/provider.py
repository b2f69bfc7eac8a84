"""What the pipeline asks of a model vendor."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from gateway.catalog import Model
from gateway.completion import Completion, StreamEvent
from gateway.conversation import Conversation


class Provider(Protocol):
    """One vendor. Calls raise `GatewayError`s of kind upstream, or `ProviderRejectedError`; no vendor body leaks."""

    async def complete(self, conversation: Conversation, model: Model) -> Completion:
        """The whole answer."""
        ...

    def stream(
        self, conversation: Conversation, model: Model
    ) -> AbstractAsyncContextManager[AsyncIterator[Sequence[StreamEvent]]]:
        """The answer as events, grouped as they arrived from the network.

        Entering the context sends the request and raises what the vendor
        refuses before its first event. Leaving it early closes the connection,
        which ends generation. Once iterating, a broken stream raises; a
        complete one ends with `Stopped`.
        """
        ...

    async def count_tokens(self, conversation: Conversation, model: Model) -> int:
        """Input tokens of `conversation`, by the vendor's counter or a documented local estimate."""
        ...

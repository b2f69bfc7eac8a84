"""What events ask for is started as they leave the outbox."""

from collections.abc import Awaitable, Callable, Mapping

from activities.outbox import EventSink
from storage.outbox import OutboxEvent

Start = Callable[[OutboxEvent], Awaitable[None]]
"""Has done what an event asks for. Called twice for one event, it is done once."""


class Starting:
    """An `EventSink` before another one: an act and its event are one transaction, so nothing asked for is forgotten.

    The outbox offers an event until it was received: no crash between an act and what it asks for loses either.
    """

    def __init__(self, starts: Mapping[str, Start], then: EventSink) -> None:
        """`starts`: by type of event."""
        self._starts = starts
        self._then = then

    async def receive(self, event: OutboxEvent) -> None:
        start = self._starts.get(event.type)
        if start is not None:
            await start(event)
        await self._then.receive(event)

"""The pipeline's ports in memory. Each writes what it was asked to one shared list, so that order can be read off."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager

from gateway.catalog import Model
from gateway.completion import (
    BlockDelta,
    BlockStarted,
    BlockStopped,
    Completion,
    Finishing,
    Started,
    Stopped,
    StopReason,
    StreamEvent,
    TextDelta,
    Usage,
)
from gateway.conversation import Conversation, Text, Turn
from gateway.errors import GatewayError
from gateway.ids import ConversationId
from gateway.inference.call import Call, Outcome
from gateway.inference.ports import Refusal
from gateway.phi.detector import DetectorError, Span
from gateway.providers.provider import Provider
from gateway.tenancy import Access, KeyMode

Steps = list[str]

ANSWER = "Hello there."
USAGE = Usage(input=20, output=4)


class FakeJournal:
    """Remembers outcomes; `failing` names the methods that raise instead."""

    def __init__(self, steps: Steps, *, failing: dict[str, GatewayError] | None = None) -> None:
        self.steps = steps
        self.outcomes: list[Outcome] = []
        self.refusals: list[Refusal] = []
        self.reached = asyncio.Event()
        """Set when `open` was asked."""
        self.opening: asyncio.Event | None = None
        """What `open` waits for, if anything."""
        self._failing = failing or {}

    async def history(self, access: Access, thread: ConversationId) -> tuple[Turn, ...]:
        self._take("history")
        return (Turn("user", (Text("Earlier"),), plain=True), Turn("assistant", (Text("Indeed"),)))

    async def open(self, call: Call, model: Model, ceiling: int) -> None:
        self._take("open")
        self.reached.set()
        if self.opening:
            await self.opening.wait()

    async def close(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self._take(f"close:{outcome.status}")

    async def refuse(self, refusal: Refusal) -> None:
        self.refusals.append(refusal)
        self._take(f"refuse:{refusal.error.code}")

    def _take(self, step: str) -> None:
        self.steps.append(step)
        if error := self._failing.get(step.partition(":")[0]):
            raise error


class FakeDetector:
    def __init__(self, steps: Steps, *, spans: Sequence[Span] = (), broken: bool = False) -> None:
        self.steps = steps
        self._spans = spans
        self._broken = broken

    async def detect(self, texts: Sequence[str]) -> Sequence[Sequence[Span]]:
        self.steps.append("scan")
        if self._broken:
            raise DetectorError
        return [self._spans if index == 0 else () for index in range(len(texts))]


class ScriptedProvider:
    """Says `ANSWER`, or raises: before the answer, or after `breaks_after` batches of a stream."""

    def __init__(self, steps: Steps, *, error: Exception | None = None, breaks_after: int | None = None) -> None:
        self.steps = steps
        self.asked: list[Conversation] = []
        self._error = error
        self._breaks_after = breaks_after

    async def complete(self, conversation: Conversation, model: Model) -> Completion:
        self._ask(conversation)
        return Completion(model.upstream, (Text(ANSWER),), StopReason.END_TURN, USAGE)

    @asynccontextmanager
    async def stream(
        self, conversation: Conversation, model: Model
    ) -> AsyncGenerator[AsyncIterator[Sequence[StreamEvent]]]:
        self._ask(conversation)
        try:
            yield self._batches(model)
        finally:
            self.steps.append("hang up")

    async def count_tokens(self, conversation: Conversation, model: Model) -> int:
        self._ask(conversation)
        return USAGE.input

    async def _batches(self, model: Model) -> AsyncIterator[Sequence[StreamEvent]]:
        batches: list[list[StreamEvent]] = [
            [Started(model.upstream, Usage(input=20)), BlockStarted(0, Text(""))],
            [BlockDelta(0, TextDelta("Hello "))],
            [BlockDelta(0, TextDelta("there."))],
            [BlockStopped(0), Finishing(StopReason.END_TURN, USAGE)],
            [Stopped()],
        ]
        for number, batch in enumerate(batches):
            if number == self._breaks_after and self._error:
                raise self._error
            yield batch

    def _ask(self, conversation: Conversation) -> None:
        self.steps.append("provider")
        self.asked.append(conversation)
        if self._error and self._breaks_after is None:
            raise self._error


class FakeProviders:
    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def provider_for(self, model: Model, mode: KeyMode) -> Provider:
        return self._provider

    def is_sandboxed(self, model: Model, mode: KeyMode) -> bool:
        return mode is KeyMode.TEST

"""The pipeline's ports in memory. Each writes what it was asked to one shared list, so that order can be read off."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
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
from gateway.errors import CreditsExhaustedError, GatewayError
from gateway.ids import ConversationId
from gateway.inference.call import Call, Outcome
from gateway.inference.ports import History, Refusal
from gateway.phi.detector import DetectorError, Span
from gateway.providers.provider import Provider
from gateway.tenancy import Access, KeyMode


class Steps(list[str]):
    """What was asked, in order. At the step `pause_at`, the one who asks waits: for tests that hang up there."""

    def __init__(self) -> None:
        super().__init__()
        self.pause_at: str | None = None
        self.reached = asyncio.Event()
        self.resume = asyncio.Event()

    def move_pause_to(self, step: str) -> None:
        """Let whoever waits go on, up to `step`."""
        waited_for = self.resume
        self.pause_at, self.reached, self.resume = step, asyncio.Event(), asyncio.Event()
        waited_for.set()

    async def take(self, step: str) -> None:
        self.append(step)
        if step == self.pause_at:
            self.reached.set()
            await self.resume.wait()


ANSWER = "Hello there."
USAGE = Usage(input=20, output=4)


class FakeJournal:
    """Remembers holds and outcomes; `failing` names the methods that raise instead."""

    def __init__(
        self, steps: Steps, *, failing: dict[str, GatewayError] | None = None, credits_left: int | None = None
    ) -> None:
        self.steps = steps
        self.held: list[int] = []
        self._credits_left = credits_left
        self.outcomes: list[Outcome] = []
        self.refusals: list[Refusal] = []
        self._failing = failing or {}

    async def history(self, access: Access, thread: ConversationId) -> History:
        await self._take("history")
        return History((Turn("user", (Text("Earlier"),), plain=True), Turn("assistant", (Text("Indeed"),))), {})

    async def placeholders(self, access: Access, seals: Sequence[str]) -> Mapping[str, str]:
        await self._take("placeholders")
        return {"NAME_7": "Maria"} if seals else {}

    async def open(self, call: Call, model: Model, ceiling: int) -> None:
        await self._take("open")
        if self._credits_left is not None and ceiling > self._credits_left:
            raise CreditsExhaustedError
        self.held.append(ceiling)

    async def close(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        await self._take(f"close:{outcome.status}")

    async def refuse(self, refusal: Refusal) -> None:
        self.refusals.append(refusal)
        await self._take(f"refuse:{refusal.error.code}")

    async def _take(self, step: str) -> None:
        await self.steps.take(step)
        if error := self._failing.get(step.partition(":")[0]):
            raise error


class FakeDetector:
    """Finds `spans` in the first text of a prompt and `in_answer` in `ANSWER`; breaks at any text or at that one."""

    def __init__(
        self,
        steps: Steps,
        *,
        spans: Sequence[Span] = (),
        in_answer: Sequence[Span] = (),
        broken: bool = False,
        broken_at_answer: bool = False,
    ) -> None:
        self.steps = steps
        self._spans = spans
        self._in_answer = in_answer
        self._broken = broken
        self._broken_at_answer = broken_at_answer

    async def detect(self, texts: Sequence[str]) -> Sequence[Sequence[Span]]:
        await self.steps.take("scan")
        if self._broken or (self._broken_at_answer and ANSWER in texts):
            raise DetectorError
        if ANSWER in texts:
            return [self._in_answer for _ in texts]
        return [self._spans if index == 0 else () for index in range(len(texts))]


class ScriptedProvider:
    """Says `ANSWER`, or raises: before the answer, or after `breaks_after` batches of a stream."""

    def __init__(self, steps: Steps, *, error: Exception | None = None, breaks_after: int | None = None) -> None:
        self.steps = steps
        self.asked: list[Conversation] = []
        self.silent_before: int | None = None
        """The batch before which it takes the step `silence`."""
        self._error = error
        self._breaks_after = breaks_after

    async def complete(self, conversation: Conversation, model: Model) -> Completion:
        await self._ask(conversation)
        return Completion(model.upstream, (Text(ANSWER),), StopReason.END_TURN, USAGE)

    @asynccontextmanager
    async def stream(
        self, conversation: Conversation, model: Model
    ) -> AsyncGenerator[AsyncIterator[Sequence[StreamEvent]]]:
        await self._ask(conversation)
        try:
            yield self._batches(model)
        finally:
            self.steps.append("hang up")

    async def count_tokens(self, conversation: Conversation, model: Model) -> int:
        await self._ask(conversation)
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
            if number == self.silent_before:
                await self.steps.take("silence")
            if number == self._breaks_after and self._error:
                raise self._error
            yield batch

    async def _ask(self, conversation: Conversation) -> None:
        await self.steps.take("provider")
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

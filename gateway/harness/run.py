"""A model and our tools, round after round, until it has answered (spec U26).

Each round is a call of the pipeline's with an id of its own, derived from the
run's: gates, guard, credits, audit and record are asked anew each time.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from gateway.agents.running import Running
from gateway.clock import Clock
from gateway.completion import (
    BlockDelta,
    BlockStarted,
    Completion,
    StopReason,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
)
from gateway.conversation import Conversation, Text, Thinking, Tool, ToolChoice, ToolResult, ToolUse, Turn
from gateway.harness.events import Answered, Called, Ended, HarnessEvent, Round, Said, Thought, ToolUsed
from gateway.harness.tool import ServerTool
from gateway.harness.tries import round_tries, use_tries
from gateway.harness.using import ToolUses, Used, Wanted
from gateway.idempotency import TO_BE_OPENED
from gateway.ids import FileId, InferenceId
from gateway.inference.call import Answer, Call
from gateway.inference.pipeline import InferencePipeline
from gateway.inference.streaming import AnswerStream
from gateway.limits.limiter import Quota

MOST_ROUNDS = 8
LONGEST_S = 120.0
"""After so long no more tools are run: the model answers with what it has."""

_BROKEN_OFF = frozenset({StopReason.MAX_TOKENS, StopReason.REFUSAL, StopReason.CONTEXT_EXCEEDED})
_AT_ONCE = 4
"""Uses of tools that one answer may have under way."""

Batch = list[HarnessEvent]


@dataclass(frozen=True, slots=True)
class Asked:
    """`call` is the first round's, under the run's own id; `quota` makes what each further round counts against."""

    call: Call
    tools: Mapping[str, ServerTool]
    quota: Callable[[], Quota]
    files: tuple[FileId, ...] = ()


@dataclass(slots=True)
class _Progress:
    """What a run has come to."""

    conversation: Conversation
    known: Mapping[str, str] = field(repr=False)
    rounds: list[Round] = field(default_factory=list[Round])
    uses: list[ToolUsed] = field(default_factory=list[ToolUsed])
    sandboxed: bool = False
    spoke_in: int | None = None
    """The round in which something was said last."""


class Harness:
    """Runs what is asked of it; one instance serves all requests of a process and keeps nothing of any."""

    def __init__(self, pipeline: InferencePipeline, uses: ToolUses, clock: Clock) -> None:
        self._pipeline = pipeline
        self._uses = uses
        self._clock = clock

    async def events(self, asked: Asked) -> AsyncGenerator[Batch]:
        """All that happens, the last of it an `Ended`. Raises as the pipeline does, also amid it.

        What was asked to stream arrives as it is made. Must be closed: that is what settles a round that is under way.
        """
        began = asyncio.get_running_loop().time()
        progress = _Progress(asked.call.conversation, asked.call.known)
        for number in range(MOST_ROUNDS):
            left_s = LONGEST_S - (asyncio.get_running_loop().time() - began)
            is_last = number == MOST_ROUNDS - 1 or left_s <= 0
            call = self._round(asked, progress, number, without_tools=is_last and number > 0)
            answered: list[Completion] = []
            async with aclosing(self._answered(call, progress, answered)) as batches:
                async for batch in batches:
                    yield batch
            (completion,) = answered
            wanted = uses_of(completion)
            if not wanted or is_last:
                yield [Ended(completion.stop_reason, progress.rounds, progress.uses, progress.sandboxed)]
                return
            yield [Called(use.id, use.name) for use in wanted]
            used = await self._used(asked, call.id, wanted, progress.known, left_s)
            yield self._taken_in(progress, completion, wanted, used)

    def _round(self, asked: Asked, progress: _Progress, number: int, *, without_tools: bool) -> Call:
        if number == 0:
            return asked.call
        conversation = progress.conversation
        if without_tools:
            conversation = replace(conversation, tool_choice=ToolChoice("none"))
        now = self._clock.now()
        return replace(
            asked.call,
            id=round_tries(asked.call.id, number)[0],
            conversation=conversation,
            known=progress.known,
            received_at=now,
            open_by=now + TO_BE_OPENED,
            quota=asked.quota(),
            running=Running(),
        )

    async def _answered(self, call: Call, progress: _Progress, answered: list[Completion]) -> AsyncGenerator[Batch]:
        """What the model says in one round; the whole of it is put into `answered`."""
        if call.stream:
            stream = await self._pipeline.stream(call)
            try:
                async for batch in _told(stream, progress):
                    yield batch
            finally:
                await stream.aclose()
            outcome: Answer | AnswerStream = stream
        else:
            outcome = await self._pipeline.complete(call)
            yield _whole(outcome.completion, progress)
        completion = outcome.completion
        if completion is None:
            raise RuntimeError("The stream ended without its answer.")
        progress.known = outcome.placeholders
        progress.sandboxed = progress.sandboxed or outcome.sandboxed
        progress.rounds.append(
            Round(call.id, outcome.model.id, completion.usage, outcome.charge, outcome.cost_micro_usd)
        )
        answered.append(completion)

    async def _used(
        self,
        asked: Asked,
        answer: InferenceId,
        wanted: Sequence[ToolUse],
        known: Mapping[str, str],
        left_s: float,
    ) -> Sequence[Used]:
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(number: int, use: ToolUse) -> Used:
            call = asked.call
            record = use_tries(answer, number)[0]
            person = call.conversation.end_user
            place = Wanted(call.access, answer, record, use, person, asked.files, call.ip_address, known)
            async with gate:
                return await self._uses.make(place, asked.tools.get(use.name), within_s=max(left_s, 1.0))

        tasks = [asyncio.create_task(one(number, use)) for number, use in enumerate(wanted)]
        try:
            return await asyncio.gather(*tasks)
        finally:
            # Whatever kept one from being made keeps the answer from being given.
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def _taken_in(
        self, progress: _Progress, completion: Completion, wanted: Sequence[ToolUse], used: Sequence[Used]
    ) -> Batch:
        results: tuple[ToolResult, ...] = tuple(each.result for each in used)
        progress.uses += [each.record for each in used if each.record is not None]
        turns = (*progress.conversation.turns, Turn("assistant", completion.blocks), Turn("user", results))
        progress.conversation = replace(progress.conversation, turns=turns, tool_choice=None)
        return [Answered(use.id, use.name, each.result.is_error) for use, each in zip(wanted, used, strict=True)]


def uses_of(completion: Completion) -> tuple[ToolUse, ...]:
    """What an answer asks of tools; nothing where it was cut or refused: what it asks for may be half of it."""
    if completion.stop_reason in _BROKEN_OFF:
        return ()
    return tuple(block for block in completion.blocks if isinstance(block, ToolUse))


def offered(tool: ServerTool) -> Tool:
    """`tool` as a model is told of it."""
    return Tool(name=tool.name, schema=tool.schema, description=tool.description)


async def _told(stream: AnswerStream, progress: _Progress) -> AsyncIterator[Batch]:
    async for batch in stream.events():
        told = [event for each in batch for event in _of(each, progress)]
        if told:
            yield told


def _of(event: StreamEvent, progress: _Progress) -> Batch:
    match event:
        case BlockDelta(delta=TextDelta(text)) | BlockStarted(block=Text(text)) if text:
            return _said(text, progress)
        case BlockDelta(delta=ThinkingDelta(text)) | BlockStarted(block=Thinking(thinking=text)) if text:
            return [Thought(text)]
        case _:
            return []


def _whole(completion: Completion, progress: _Progress) -> Batch:
    told: Batch = []
    for block in completion.blocks:
        if isinstance(block, Thinking) and block.thinking:
            told.append(Thought(block.thinking))
        elif isinstance(block, Text) and block.text:
            told += _said(block.text, progress)
    return told


def _said(text: str, progress: _Progress) -> Batch:
    """What is said after tools were used begins a paragraph of its own."""
    begins = progress.spoke_in not in (None, len(progress.rounds))
    progress.spoke_in = len(progress.rounds)
    return [Said("\n\n"), Said(text)] if begins else [Said(text)]

"""An answer given again: rebuilt from its record, whole or as a stream, for whoever asks under the same key."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from gateway import ids
from gateway.catalog import Catalog, Model
from gateway.completion import (
    AnswerBlock,
    BlockDelta,
    BlockStarted,
    BlockStopped,
    CitationDelta,
    Completion,
    Delta,
    Finishing,
    InputDelta,
    SignatureDelta,
    Started,
    Stopped,
    StopReason,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    Usage,
    tool_input_text,
)
from gateway.conversation import RedactedThinking, Text, Thinking, ToolUse
from gateway.errors import IdempotencyNotReplayableError
from gateway.inference.call import Call
from gateway.inference.records import Content, InferenceRecord
from gateway.phi.report import Action, PhiReport
from gateway.routing.dispatch import Dispatcher
from gateway.routing.route import Delivery
from gateway.transcript import load_block


@dataclass(frozen=True, slots=True)
class Replay:
    """A completed call's answer, as its caller had it: one object for both ways to give it."""

    call: Call
    """As asked again, with the original's ids."""
    delivery: Delivery
    completion: Completion
    report: PhiReport
    charge: int
    cost_micro_usd: int | None
    sandboxed: bool

    @property
    def model(self) -> Model:
        return self.delivery.model

    async def events(self) -> AsyncIterator[list[StreamEvent]]:
        """The whole answer at once: the same blocks in as few deltas as they take."""
        usage = self.completion.usage
        batch: list[StreamEvent] = [Started(self.completion.model, replace(usage, output=0, reasoning=0))]
        for index, block in enumerate(self.completion.blocks):
            start, deltas = _taken_apart(block)
            batch += [BlockStarted(index, start), *(BlockDelta(index, delta) for delta in deltas), BlockStopped(index)]
        ending = self.completion
        batch += [Finishing(ending.stop_reason, usage, ending.stop_sequence, ending.stop_details), Stopped()]
        yield batch

    async def aclose(self) -> None:
        """Nothing is open."""


class Replays:
    """Makes replays of records; keeps nothing of any."""

    def __init__(self, catalog: Catalog, dispatcher: Dispatcher) -> None:
        self._catalog = catalog
        self._dispatcher = dispatcher

    def of(self, call: Call, record: InferenceRecord) -> Replay:
        """What `record`, of a call that asked the same as `call`, answered.

        Raises `IdempotencyNotReplayableError` where its content was not kept, or its model has left the catalog.
        """
        model = self._catalog.find(record.model)
        content, usage = record.content, record.usage
        if content is None or usage is None or model is None or record.phi_mode is None:
            raise IdempotencyNotReplayableError(
                details={"message_id": ids.message_id(record.id), "request_id": ids.request_id(record.id)}
            )
        asked = self._catalog.find(call.model) or model
        return Replay(
            call=replace(call, id=record.id, thread=record.conversation),
            delivery=Delivery(model, asked),
            completion=_completion(record, content, usage),
            report=PhiReport(
                record.phi_mode, _action(record), record.entity_types, record.redaction_count, record.findings
            ),
            charge=record.credits,
            cost_micro_usd=record.cost_micro_usd,
            sandboxed=self._dispatcher.is_sandboxed(asked, call.access.principal.mode),
        )


def _completion(record: InferenceRecord, content: Content, usage: Usage) -> Completion:
    return Completion(
        model=record.model,
        blocks=tuple(block for each in content.answer if isinstance(block := load_block(each), AnswerBlock)),
        stop_reason=StopReason(record.stop_reason),
        usage=usage,
        stop_sequence=content.stop_sequence,
        stop_details=content.stop_details,
    )


def _action(record: InferenceRecord) -> Action:
    match record.phi_action:
        case "redacted" | "allowed" as action:
            return action
        case _:
            return "none"


def _taken_apart(block: AnswerBlock) -> tuple[AnswerBlock, list[Delta]]:
    """A block's start, and what it then says."""
    match block:
        case Text(text, cache, citations):
            said: list[Delta] = [TextDelta(text)] if text else []
            return Text("", cache), [*said, *map(CitationDelta, citations)]
        case ToolUse():
            return replace(block, input={}), [InputDelta(tool_input_text(block.input))]
        case Thinking(thinking, signature):
            return Thinking("", ""), [ThinkingDelta(thinking), SignatureDelta(signature)]
        case RedactedThinking():
            return block, []

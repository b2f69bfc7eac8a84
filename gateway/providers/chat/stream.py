"""A Chat Completions stream, chunk by chunk. No I/O.

Servers agree on the chunks' form and on little else: usage comes in any chunk
or in none, `[DONE]` may be missing, and what is not known is skipped.
"""

from collections.abc import Iterable

from gateway.catalog import Model
from gateway.completion import Finishing, Started, Stopped, StopReason, StreamEvent, TextDelta, ThinkingDelta, Usage
from gateway.conversation import Conversation
from gateway.errors import UpstreamFailureError
from gateway.providers.chat.blocks import BlockQueue
from gateway.providers.chat.ending import stop_reason_of, stop_sequence_of, usage_of
from gateway.providers.chat.errors import error_of_frame
from gateway.providers.chat.ids import CallIds
from gateway.providers.estimate import estimate_tokens
from gateway.providers.wire import WireObject, children, optional_child, optional_text, parse_object

_DONE = b"[DONE]"


class ChatFrames:
    """Decodes chunks in the order they come.

    The events of the end are held until usage can no longer come: servers send
    it after the chunk that says why they stopped.
    """

    __slots__ = (
        "_asked_tokens",
        "_blocks",
        "_conversation",
        "_counted",
        "_ended",
        "_hides_reasoning",
        "_model",
        "_refused",
        "finished",
    )

    def __init__(self, conversation: Conversation, model: Model) -> None:
        """`conversation` is what was asked: it is charged by an estimate where the server counts nothing."""
        self.finished = False
        self._conversation = conversation
        self._model = model.upstream
        thinking = conversation.sampling.thinking
        # Asked of us: these servers know no such setting.
        self._hides_reasoning = thinking is not None and thinking.display == "omitted"
        self._blocks = BlockQueue(CallIds(conversation.turns))
        self._asked_tokens: int | None = None
        self._counted: WireObject = {}
        self._ended: WireObject | None = None
        self._refused = False

    def decode(self, data: bytes) -> Iterable[StreamEvent]:
        said = data.strip()
        if not said:
            return ()
        if said == _DONE:
            return self._end(self._ended or {})
        return self._chunk(parse_object(said))

    def close(self) -> Iterable[StreamEvent]:
        return () if self._ended is None else self._end(self._ended)

    def decode_whole(self, answer: WireObject) -> Iterable[StreamEvent]:
        """A plain answer as the stream it could have been. It is whole, so it need not say why it stopped."""
        events = list(self._chunk(answer))
        return [*events, *self._end(self._ended or {})]

    def _chunk(self, frame: WireObject) -> list[StreamEvent]:
        error = error_of_frame(frame)
        if error is not None:
            raise error
        counted = optional_child(frame, "usage")
        self._counted = counted or self._counted
        choices = children(frame, "choices")
        if counted and not choices and self._ended is not None:
            return self._end(self._ended)
        # Only one was asked for.
        first = [choice for choice in choices if choice.get("index") in (None, 0)]
        return [event for choice in first for event in self._choice(frame, choice)]

    def _choice(self, frame: WireObject, choice: WireObject) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        if self._asked_tokens is None:
            self._asked_tokens = estimate_tokens(self._conversation)
            events.append(self._started(frame, self._asked_tokens))
        events += self._said(optional_child(choice, "delta"))
        if choice.get("finish_reason"):
            self._ended = choice
        return events

    def _started(self, frame: WireObject, asked_tokens: int) -> Started:
        model, answer_id = frame.get("model"), frame.get("id")
        return Started(
            model if isinstance(model, str) and model else self._model,
            Usage(input=asked_tokens, estimated=True),
            answer_id if isinstance(answer_id, str) and answer_id else None,
        )

    def _said(self, delta: WireObject) -> list[StreamEvent]:
        refusal = optional_text(delta, "refusal") or ""
        self._refused = self._refused or bool(refusal)
        # Under both names at once by servers that rename it.
        reasoning = optional_text(delta, "reasoning_content") or optional_text(delta, "reasoning") or ""
        if self._hides_reasoning:
            self._blocks.leave_out(reasoning)
            reasoning = ""
        events = self._blocks.say(ThinkingDelta, reasoning)
        events += self._blocks.say(TextDelta, optional_text(delta, "content") or "")
        events += self._blocks.say(TextDelta, refusal)
        for call in children(delta, "tool_calls"):
            events += self._blocks.call(call)
        return events

    def _end(self, choice: WireObject) -> list[StreamEvent]:
        if self._asked_tokens is None:
            raise UpstreamFailureError
        events = self._blocks.close()
        reason = stop_reason_of(choice, called=self._blocks.called, refused=self._refused)
        met = stop_sequence_of(choice, self._conversation.sampling) if reason is StopReason.END_TURN else None
        usage = usage_of(self._counted, asked_tokens=self._asked_tokens, produced_bytes=self._blocks.size_bytes)
        self.finished = True
        return [*events, Finishing(StopReason.STOP_SEQUENCE if met else reason, usage, met), Stopped()]

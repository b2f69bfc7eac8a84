"""Providers that need no network: one answers with a given completion, the other decodes given bytes."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import orjson

from gateway.catalog import Model
from gateway.completion import (
    BlockDelta,
    BlockStarted,
    BlockStopped,
    CitationDelta,
    Completion,
    Finishing,
    InputDelta,
    SignatureDelta,
    Started,
    Stopped,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from gateway.conversation import Conversation, RedactedThinking, Text, Thinking, ToolUse
from gateway.providers.frames import EventReader


class Streaming:
    """A `Provider` whose streams come in the batches that are given; nothing else is asked of it."""

    def __init__(self, batches: Iterator[Sequence[StreamEvent]], whole: Completion | None = None) -> None:
        self._batches = batches
        self._whole = whole

    async def complete(self, conversation: Conversation, model: Model) -> Completion:
        assert self._whole is not None
        return self._whole

    @asynccontextmanager
    async def stream(
        self, conversation: Conversation, model: Model
    ) -> AsyncGenerator[AsyncIterator[Sequence[StreamEvent]]]:
        async def arriving() -> AsyncIterator[Sequence[StreamEvent]]:
            for batch in self._batches:
                yield batch

        yield arriving()

    async def count_tokens(self, conversation: Conversation, model: Model) -> int:
        raise AssertionError


def saying(completion: Completion) -> Streaming:
    """Answers with `completion`, whole or one event at a time."""
    return Streaming(([event] for event in events_of(completion)), completion)


def replaying(reader: EventReader, pieces: Sequence[bytes]) -> Streaming:
    """Streams what `reader` makes of `pieces`, which are all there is."""
    return Streaming(_read(reader, pieces))


def _read(reader: EventReader, pieces: Sequence[bytes]) -> Iterator[Sequence[StreamEvent]]:
    for piece in pieces:
        if events := reader.feed(piece):
            yield events
    reader.check()
    if not reader.finished and (last := reader.close()):
        yield last


def events_of(completion: Completion) -> Iterator[StreamEvent]:
    """`completion` as a stream that folds to it, texts in pieces of three characters."""
    usage = completion.usage
    opening = Usage(usage.input, 0, usage.cache_read, usage.cache_write_5m, usage.cache_write_1h)
    yield Started(completion.model, opening, completion.upstream_id)
    for index, block in enumerate(completion.blocks):
        match block:
            case Text(text, _, citations):
                yield BlockStarted(index, Text(""))
                yield from (BlockDelta(index, CitationDelta(citation)) for citation in citations)
                yield from (BlockDelta(index, TextDelta(piece)) for piece in _pieces(text))
            case ToolUse(id=tool_id, name=name):
                yield BlockStarted(index, ToolUse(tool_id, name, {}))
                written = orjson.dumps(block.input).decode()
                yield from (BlockDelta(index, InputDelta(piece)) for piece in _pieces(written))
            case Thinking(thinking, signature):
                yield BlockStarted(index, Thinking("", ""))
                yield from (BlockDelta(index, ThinkingDelta(piece)) for piece in _pieces(thinking))
                yield BlockDelta(index, SignatureDelta(signature))
            case RedactedThinking():
                yield BlockStarted(index, block)
        yield BlockStopped(index)
    yield Finishing(completion.stop_reason, usage, completion.stop_sequence, completion.stop_details)
    yield Stopped()


def _pieces(text: str) -> Iterator[str]:
    return (text[at : at + 3] for at in range(0, len(text), 3))

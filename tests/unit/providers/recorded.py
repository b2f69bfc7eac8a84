"""The recorded streams of every dialect, as JSON frames to tamper with, and what the decoders make of them."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from gateway.catalog import Dialect
from gateway.completion import Completion, CompletionFold, StreamEvent
from gateway.errors import GatewayError
from gateway.providers.frames import EventReader
from tests.golden.dialects import DIALECTS
from tests.golden.expectations import sources

Json = dict[str, Any]
Recording = tuple[Dialect, bytes]

RECORDINGS: dict[str, Recording] = {
    f"{path.parent.name}-{path.stem}": (Dialect(path.parent.name), path.read_bytes()) for path in sources("streams")
}


def reader_of(dialect: Dialect) -> EventReader:
    return EventReader(DIALECTS[dialect].frames())


def read(dialect: Dialect, pieces: Iterable[bytes]) -> tuple[list[StreamEvent], str | None]:
    """The events of a stream that comes in `pieces`, and the name of the failure that ended it."""
    return read_with(reader_of(dialect), pieces)


def read_with(reader: EventReader, pieces: Iterable[bytes]) -> tuple[list[StreamEvent], str | None]:
    events: list[StreamEvent] = []
    try:
        for piece in pieces:
            events += reader.feed(piece)
        events += reader.close()
    except GatewayError as failure:
        return events, type(failure).__name__
    return events, None


def is_whole(recording: Recording) -> bool:
    return read(recording[0], [recording[1]])[1] is None


def folded(events: Sequence[StreamEvent]) -> Completion:
    fold = CompletionFold()
    for event in events:
        fold.add(event)
    return fold.completion()


def frames_of(stream: bytes) -> list[Json]:
    """The JSON of each frame. Only for recordings that hold nothing else."""
    return [orjson.loads(line.removeprefix(b"data: ")) for line in stream.split(b"\n") if line.startswith(b"data: {")]


def stream_of(frames: Iterable[Json]) -> bytes:
    return b"".join(_named(frame) + b"data: %b\n\n" % orjson.dumps(frame) for frame in frames)


def _named(frame: Json) -> bytes:
    return b"event: %b\n" % str(frame["type"]).encode() if "type" in frame else b""

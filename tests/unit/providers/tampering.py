"""Recorded streams and bodies with a few things changed in them: what hostile or broken peers send."""

from collections.abc import Sequence
from typing import Any, cast

import orjson
from hypothesis import strategies as st

from tests import strategies
from tests.golden.expectations import sources
from tests.unit.providers.recorded import RECORDINGS, Json, Recording, frames_of, stream_of

JUNK: list[Any] = [
    None,
    True,
    -1,
    0,
    2**63,
    1e300,
    "",
    "text",
    "x" * 5_000,
    [],
    {},
    [[]],
    {"type": "text"},
    "response.completed",
    "message_stop",
    "tool_use",
    "input_json_delta",
    "function_call",
    "\\ud800",
]
values = st.sampled_from(JUNK) | strategies.json_values


REQUESTS = [path.read_bytes() for path in sources("requests")]


@st.composite
def tampered_requests(draw: st.DrawFn) -> bytes:
    """A recorded body for `/v1/messages` with a few values in it replaced or removed."""
    body = [orjson.loads(draw(st.sampled_from(REQUESTS)))]
    for _ in range(draw(st.integers(1, 4))):
        draw(st.sampled_from([replace, remove]))(draw, body)
    return orjson.dumps(body[0])


@st.composite
def tampered_streams(draw: st.DrawFn) -> Recording:
    """A recorded stream with frames moved, values changed or bytes flipped."""
    dialect, stream = draw(st.sampled_from([*RECORDINGS.values()]))
    frames = frames_of(stream) if b'{"type":\n' not in stream else frames_of(RECORDINGS[f"{dialect}-basic"][1])
    for _ in range(draw(st.integers(1, 4))):
        if frames:
            draw(st.sampled_from([drop, repeat, swap, replace, remove]))(draw, frames)
    return dialect, draw(st.sampled_from([whole, truncated, flipped]))(draw, stream_of(frames))


def at(draw: st.DrawFn, items: Sequence[Any]) -> int:
    return draw(st.integers(0, len(items) - 1))


def drop(draw: st.DrawFn, frames: list[Json]) -> None:
    del frames[at(draw, frames)]


def repeat(draw: st.DrawFn, frames: list[Json]) -> None:
    frames.insert(at(draw, frames), frames[at(draw, frames)])


def swap(draw: st.DrawFn, frames: list[Json]) -> None:
    one, other = at(draw, frames), at(draw, frames)
    frames[one], frames[other] = frames[other], frames[one]


def replace(draw: st.DrawFn, frames: list[Json]) -> None:
    if place := one_place(draw, frames):
        holder, key = place
        holder[key] = draw(values)


def remove(draw: st.DrawFn, frames: list[Json]) -> None:
    if place := one_place(draw, frames):
        holder, key = place
        del holder[key]


def one_place(draw: st.DrawFn, frames: list[Json]) -> tuple[Any, Any] | None:
    """A value inside a frame, as what holds it and where. The frame is a copy: others may be the same one."""
    changed = at(draw, frames)
    frames[changed] = orjson.loads(orjson.dumps(frames[changed]))
    found = places(frames[changed])
    return draw(st.sampled_from(found)) if found else None


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every value inside, as what holds it and where."""
    found: list[tuple[Any, Any]] = []
    for key in keys_of(value):
        found += [(value, key), *places(value[key])]
    return found


def keys_of(value: Any) -> list[Any]:
    match value:
        case dict():
            return [*cast("Json", value)]
        case list():
            return [*range(len(cast("list[Any]", value)))]
        case _:
            return []


def whole(draw: st.DrawFn, stream: bytes) -> bytes:
    return stream


def truncated(draw: st.DrawFn, stream: bytes) -> bytes:
    return stream[: draw(st.integers(0, len(stream)))]


def flipped(draw: st.DrawFn, stream: bytes) -> bytes:
    if not stream:
        return stream
    changed = bytearray(stream)
    for _ in range(draw(st.integers(1, 5))):
        changed[at(draw, stream)] ^= draw(st.integers(1, 255))
    return bytes(changed)

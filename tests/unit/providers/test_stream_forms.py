"""Every recorded stream means the same however the network cut it and whatever its vendor adds to it."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.catalog import Dialect
from gateway.providers.sse import SseSplitter
from tests.golden.dialects import DIALECTS
from tests.golden.expectations import ROOT
from tests.unit.providers.recorded import (
    RECORDINGS,
    Json,
    Recording,
    folded,
    frames_of,
    is_whole,
    read,
    stream_of,
)

every_recording = pytest.mark.parametrize("recording", RECORDINGS.values(), ids=RECORDINGS.keys())
WHOLE = {name: recording for name, recording in RECORDINGS.items() if is_whole(recording)}
every_whole_one = pytest.mark.parametrize("recording", WHOLE.values(), ids=WHOLE.keys())


@every_recording
def test_a_cut_at_any_byte_leaves_the_frames_as_they_are(recording: Recording) -> None:
    _, stream = recording
    whole = SseSplitter().feed(stream)

    for cut in range(len(stream) + 1):
        splitter = SseSplitter()
        assert [*splitter.feed(stream[:cut]), *splitter.feed(stream[cut:])] == whole


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@every_recording
def test_a_stream_that_comes_byte_by_byte_is_the_same_stream(recording: Recording, end: bytes) -> None:
    dialect, stream = recording
    ended = stream.replace(b"\n", end)

    assert read(dialect, (ended[at:to] for at, to in pairwise(range(len(ended) + 1)))) == read(dialect, [stream])


@given(
    st.sampled_from([*RECORDINGS.values()]),
    st.lists(st.integers(0, 20_000), max_size=12),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
)
@settings(max_examples=300, deadline=None)
def test_a_stream_cut_anywhere_is_the_same_stream(recording: Recording, cuts: list[int], end: bytes) -> None:
    dialect, stream = recording
    ended = stream.replace(b"\n", end)
    bounds = sorted({0, len(ended), *(cut for cut in cuts if cut < len(ended))})

    assert read(dialect, [ended[at:to] for at, to in pairwise(bounds)]) == read(dialect, [stream])


def with_comments(stream: bytes) -> bytes:
    return b": hello\n\n" + stream.replace(b"data: ", b": a comment\nretry: 3\nid: 7\ndata: ") + b": bye\n\n"


def without_event_names(stream: bytes) -> bytes:
    lines = stream.split(b"\n")
    return b"\n".join(line for line in lines if not line.startswith(b"event: "))


def with_a_byte_order_mark(stream: bytes) -> bytes:
    return b"\xef\xbb\xbf" + without_event_names(stream)


def without_spaces_after_colons(stream: bytes) -> bytes:
    return stream.replace(b"\ndata: ", b"\ndata:").replace(b"\nevent: ", b"\nevent:")


def with_data_over_many_lines(stream: bytes) -> bytes:
    frames = (orjson.dumps(frame, option=orjson.OPT_INDENT_2) for frame in frames_of(stream))
    return b"".join(b"data: %b\n\n" % frame.replace(b"\n", b"\ndata: ") for frame in frames)


def with_unknown_events(stream: bytes) -> bytes:
    unknown: Json = {"type": "an_event_of_the_future", "index": 0, "delta": {"type": "text_delta", "text": "x"}}
    return stream_of(each for frame in frames_of(stream) for each in (unknown, frame))


def with_unknown_fields(stream: bytes) -> bytes:
    return stream_of(_widened(frame) for frame in frames_of(stream))


_OPAQUE = {"input", "citation", "citations", "metadata"}
"""Objects that are passed on as they are: a field in them is content."""


def _widened(value: Any) -> Any:
    if isinstance(value, list):
        return [_widened(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(value, dict):
        return value
    fields: Json = {
        name: held if name in _OPAQUE else _widened(held)
        for name, held in value.items()  # pyright: ignore[reportUnknownVariableType]
    }
    return {"a_field_of_the_future": [{"type": "x"}]} | fields | {"another": None}


FORMS: list[Callable[[bytes], bytes]] = [
    with_comments,
    without_event_names,
    with_a_byte_order_mark,
    without_spaces_after_colons,
    with_data_over_many_lines,
    with_unknown_events,
    with_unknown_fields,
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
@every_whole_one
def test_another_form_of_a_stream_means_the_same(recording: Recording, form: Callable[[bytes], bytes]) -> None:
    dialect, stream = recording

    assert read(dialect, [form(stream)]) == read(dialect, [stream])


ANSWERED = [name for name in WHOLE if (ROOT / "answers" / f"{name.replace('-', '/', 1)}.json").exists()]


@pytest.mark.parametrize("name", ANSWERED)
def test_a_stream_folds_to_the_answer_that_is_not_streamed(name: str) -> None:
    dialect, stream = WHOLE[name]
    answer = ROOT / "answers" / f"{name.replace('-', '/', 1)}.json"

    assert folded(read(dialect, [stream])[0]) == DIALECTS[dialect].decode(answer.read_bytes())


def test_a_delta_that_is_not_known_is_passed_over() -> None:
    dialect, stream = RECORDINGS["anthropic-unknown_delta"]
    _, without = RECORDINGS["anthropic-tools_parallel"]

    assert read(dialect, [stream]) == read(dialect, [without])


@pytest.mark.parametrize("name", ["anthropic-unknown_block", "openai-unknown_item"])
def test_a_block_that_is_not_known_fails_the_call(name: str) -> None:
    dialect, stream = RECORDINGS[name]

    assert read(dialect, [stream])[1] == "UpstreamFailureError"


def test_a_vendor_s_numbers_of_blocks_are_not_ours() -> None:
    stream = RECORDINGS["anthropic-tools_parallel"][1]
    renumbered = [
        frame | {"index": 7 + 2 * frame["index"]} if "index" in frame else frame for frame in frames_of(stream)
    ]

    assert read(Dialect.ANTHROPIC, [stream_of(renumbered)]) == read(Dialect.ANTHROPIC, [stream])

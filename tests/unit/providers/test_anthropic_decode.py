from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from gateway.completion import (
    BlockDelta,
    BlockStarted,
    Completion,
    CompletionFold,
    Finishing,
    InputDelta,
    Ping,
    Started,
    StopDetails,
    Stopped,
    StopReason,
    StreamEvent,
    Usage,
)
from gateway.conversation import RedactedThinking, Text, Thinking, ToolUse
from gateway.errors import (
    GatewayError,
    ProviderRejectedError,
    UpstreamBusyError,
    UpstreamFailureError,
    UpstreamTimeoutError,
)
from gateway.providers.anthropic.decode import decode_completion, decode_count
from gateway.providers.anthropic.stream import AnthropicFrames
from gateway.providers.frames import EventReader

CITATION = {"type": "char_location", "cited_text": "Note", "document_index": 0}
MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-6",
    "content": [
        {"type": "thinking", "thinking": "Hm, æ€🍒.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "b3BhcXVl"},
        {"type": "text", "text": "Let me look, 🍒.", "citations": [CITATION]},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}},
        {"type": "tool_use", "id": "toolu_2", "name": "clock", "input": {}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "stop_details": {"type": "refusal", "category": "bio", "explanation": "It may be harmful."},
    "usage": {
        "input_tokens": 10,
        "cache_read_input_tokens": 5,
        "cache_creation_input_tokens": 7,
        "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4},
        "output_tokens": 20,
        "output_tokens_details": {"thinking_tokens": 6},
        "service_tier": "standard",
        "inference_geo": "us",
        "speed": "standard",
    },
}
COMPLETION = Completion(
    model="claude-sonnet-4-6",
    blocks=(
        Thinking("Hm, æ€🍒.", "c2ln"),
        RedactedThinking("b3BhcXVl"),
        Text("Let me look, 🍒.", citations=(CITATION,)),
        ToolUse("toolu_1", "weather", {"city": "Oslo"}),
        ToolUse("toolu_2", "clock", {}),
    ),
    stop_reason=StopReason.TOOL_USE,
    usage=Usage(10, 20, 5, 3, 4, reasoning=6, service_tier="standard", inference_geo="us", speed="standard"),
    upstream_id="msg_1",
    stop_details=StopDetails("bio", "It may be harmful."),
)


def frame(kind: str, **fields: Any) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + orjson.dumps({"type": kind, **fields}) + b"\n\n"


def delta(index: int, kind: str, **fields: Any) -> bytes:
    return frame("content_block_delta", index=index, delta={"type": kind, **fields})


START = frame("message_start", message=MESSAGE | {"content": [], "stop_reason": None})
TEXT_START = frame("content_block_start", index=0, content_block={"type": "text", "text": ""})
STREAM = b"".join(
    [
        START,
        frame("ping"),
        frame("content_block_start", index=0, content_block={"type": "thinking", "thinking": "", "signature": ""}),
        delta(0, "thinking_delta", thinking="Hm, æ"),
        delta(0, "thinking_delta", thinking="€🍒."),
        delta(0, "signature_delta", signature="c2ln"),
        frame("content_block_stop", index=0),
        frame("content_block_start", index=1, content_block={"type": "redacted_thinking", "data": "b3BhcXVl"}),
        frame("content_block_stop", index=1),
        frame("content_block_start", index=2, content_block={"type": "text", "text": ""}),
        delta(2, "text_delta", text="Let me "),
        frame("an_event_of_the_future", index=2),
        delta(2, "citations_delta", citation=CITATION),
        delta(2, "text_delta", text="look, 🍒."),
        frame("content_block_stop", index=2),
        frame(
            "content_block_start",
            index=3,
            content_block={"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}},
        ),
        delta(3, "input_json_delta", partial_json=""),
        delta(3, "input_json_delta", partial_json='{"city": "Os'),
        delta(3, "input_json_delta", partial_json='lo"}'),
        frame("content_block_stop", index=3),
        frame(
            "content_block_start",
            index=4,
            content_block={"type": "tool_use", "id": "toolu_2", "name": "clock", "input": {}},
        ),
        frame("content_block_stop", index=4),
        frame(
            "message_delta",
            delta={"stop_reason": "tool_use", "stop_sequence": None, "stop_details": MESSAGE["stop_details"]},
            usage={"output_tokens": 20, "cache_creation_input_tokens": 7},
        ),
        frame("message_stop"),
    ]
)


def read(*pieces: bytes) -> list[StreamEvent]:
    reader = EventReader(AnthropicFrames())
    events = [event for piece in pieces for event in reader.feed(piece)]
    reader.close()
    return events


def fold(events: Sequence[StreamEvent]) -> Completion:
    folded = CompletionFold()
    for event in events:
        folded.add(event)
    return folded.completion()


def test_a_message_is_decoded_whole() -> None:
    assert decode_completion(orjson.dumps(MESSAGE)) == COMPLETION


def test_a_stream_folds_to_the_same_completion() -> None:
    assert fold(read(STREAM)) == COMPLETION


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_stream_cut_at_any_byte_is_the_same_stream(end: bytes) -> None:
    stream = STREAM.replace(b"\n", end)
    whole = read(stream)

    for cut in range(len(stream) + 1):
        assert read(stream[:cut], stream[cut:]) == whole
    assert read(*(stream[at : at + 1] for at in range(len(stream)))) == whole


def test_what_a_block_starts_with_becomes_its_first_deltas() -> None:
    events = read(
        START,
        frame("content_block_start", index=0, content_block={"type": "text", "text": "Hi", "citations": [CITATION]}),
        frame("content_block_stop", index=0),
        frame(
            "content_block_start",
            index=1,
            content_block={"type": "tool_use", "id": "t", "name": "n", "input": {"a": 1}},
        ),
        frame("content_block_stop", index=1),
        frame("content_block_start", index=2, content_block={"type": "thinking", "thinking": "Hm", "signature": "s"}),
        frame("content_block_stop", index=2),
        frame("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 1}),
        frame("message_stop"),
    )

    assert BlockStarted(1, ToolUse("t", "n", {})) in events
    assert BlockDelta(1, InputDelta('{"a":1}')) in events
    assert fold(events).blocks == (Text("Hi", citations=(CITATION,)), ToolUse("t", "n", {"a": 1}), Thinking("Hm", "s"))


def test_events_are_the_grammar_s() -> None:
    events = read(STREAM)

    assert isinstance(events[0], Started)
    assert events[1] == Ping()
    assert isinstance(events[-2], Finishing)
    assert events[-1] == Stopped()


def test_what_follows_the_end_is_nobody_s() -> None:
    assert read(STREAM + b"data: not even JSON\n\n") == read(STREAM)


@pytest.mark.parametrize("reason", list(StopReason))
def test_every_stop_reason_is_known(reason: StopReason) -> None:
    assert decode_completion(orjson.dumps(MESSAGE | {"stop_reason": reason.value})).stop_reason is reason


OTHER_FORMS: list[dict[str, Any]] = [
    {"stop_reason": "a_reason_of_the_future"},
    {"stop_reason": None},
    {"content": [{"type": "a_block_of_the_future"}]},
    {"content": [{"type": "text", "text": 7}]},
    {"content": [7]},
    {"content": "text"},
    {"content": [{"type": "tool_use", "id": "t", "name": "n", "input": []}]},
    {"usage": None},
    {"usage": {"input_tokens": -1}},
    {"usage": {"input_tokens": True}},
    {"usage": {"input_tokens": "many"}},
    {"model": None},
]


@pytest.mark.parametrize("change", OTHER_FORMS)
def test_an_answer_of_another_form_is_a_failure(change: dict[str, Any]) -> None:
    with pytest.raises(UpstreamFailureError):
        decode_completion(orjson.dumps(MESSAGE | change))


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'"text"', b"\xff"])
def test_an_answer_that_is_no_object_is_a_failure(body: bytes) -> None:
    with pytest.raises(UpstreamFailureError):
        decode_completion(body)
    with pytest.raises(UpstreamFailureError):
        decode_count(body)


def test_cache_writes_without_a_split_are_five_minute_ones() -> None:
    usage = {"input_tokens": 1, "output_tokens": 2, "cache_creation_input_tokens": 9}

    assert decode_completion(orjson.dumps(MESSAGE | {"usage": usage})).usage == Usage(1, 2, cache_write_5m=9)


TEXT_DELTA = delta(0, "text_delta", text="Hi")
TEXT_STOP = frame("content_block_stop", index=0)
FINISH = frame("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 1})
END = frame("message_stop")


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [START],
        [START, TEXT_START, TEXT_DELTA, TEXT_STOP, FINISH],
        [TEXT_START],
        [START, START],
        [START, TEXT_DELTA],
        [START, TEXT_STOP],
        [START, TEXT_START, TEXT_START],
        [START, TEXT_START, delta(0, "input_json_delta", partial_json="{}")],
        [START, TEXT_START, delta(0, "a_delta_of_the_future")],
        [START, TEXT_START, delta(0, "text_delta", text=None)],
        [START, frame("content_block_start", index=0, content_block={"type": "a_block_of_the_future"})],
        [START, frame("content_block_start", index="0", content_block={"type": "text", "text": ""})],
        [START, TEXT_START, FINISH],
        [START, END],
        [END],
        [FINISH],
        [START, FINISH, TEXT_START],
        [START, FINISH, b"data: {\n\n"],
    ],
)
def test_a_stream_of_another_grammar_is_a_failure(frames: list[bytes]) -> None:
    with pytest.raises(UpstreamFailureError):
        read(*frames)
    with pytest.raises(UpstreamFailureError):
        read(b"".join(frames))


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("overloaded_error", UpstreamBusyError),
        ("rate_limit_error", UpstreamBusyError),
        ("timeout_error", UpstreamTimeoutError),
        ("invalid_request_error", ProviderRejectedError),
        ("authentication_error", UpstreamFailureError),
        ("api_error", UpstreamFailureError),
        ("an_error_of_the_future", UpstreamFailureError),
    ],
)
def test_an_error_event_raises_what_it_means(kind: str, error: type[GatewayError]) -> None:
    with pytest.raises(error) as raised:
        read(START, frame("error", error={"type": kind, "message": "Jane Roe"}))

    assert "Jane" not in repr(raised.value)


def test_events_before_an_error_in_the_same_bytes_are_given_out_first() -> None:
    reader = EventReader(AnthropicFrames())

    events = reader.feed(START + TEXT_START + TEXT_DELTA + frame("error", error={"type": "overloaded_error"}))

    assert len(events) == 3
    with pytest.raises(UpstreamBusyError):
        reader.feed(b"")
    with pytest.raises(UpstreamBusyError):
        reader.close()

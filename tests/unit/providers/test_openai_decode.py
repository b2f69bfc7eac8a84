from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from gateway.completion import Completion, CompletionFold, StopReason, StreamEvent, Usage
from gateway.conversation import Text, Thinking, ToolUse
from gateway.errors import (
    GatewayError,
    ProviderRejectedError,
    UpstreamBusyError,
    UpstreamFailureError,
    UpstreamTimeoutError,
)
from gateway.providers.frames import EventReader
from gateway.providers.openai import reasoning
from gateway.providers.openai.decode import decode_completion
from gateway.providers.openai.stream import OpenAiFrames

REASONING: dict[str, Any] = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "Hm, æ€🍒."}, {"type": "summary_text", "text": "So."}],
    "encrypted_content": "b3BhcXVl",
}
TEXT: dict[str, Any] = {"type": "output_text", "text": "Let me look, 🍒.", "annotations": [], "logprobs": []}
MESSAGE: dict[str, Any] = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [TEXT],
}
CALL: dict[str, Any] = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "weather",
    "arguments": '{"city":"Oslo"}',
    "status": "completed",
}
USAGE = {
    "input_tokens": 100,
    "input_tokens_details": {
        "cached_tokens": 40,
        "cache_write_tokens": 20,
        "cache_write_tokens_details": {"ttl_12h_tokens": 5, "ttl_30m_tokens": 15},
    },
    "output_tokens": 30,
    "output_tokens_details": {"reasoning_tokens": 12},
    "total_tokens": 130,
}
RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "model": "gpt-5.4",
    "service_tier": "default",
    "error": None,
    "incomplete_details": None,
    "output": [REASONING, MESSAGE, CALL],
    "usage": USAGE,
}
COMPLETION = Completion(
    model="gpt-5.4",
    blocks=(
        Thinking("Hm, æ€🍒.\n\nSo.", reasoning.pack(REASONING)),
        Text("Let me look, 🍒."),
        ToolUse("call_1", "weather", {"city": "Oslo"}),
    ),
    stop_reason=StopReason.TOOL_USE,
    usage=Usage(40, 30, 40, 15, 5, reasoning=12, service_tier="default"),
    upstream_id="resp_1",
)


def frame(kind: str, **fields: Any) -> bytes:
    data = {"type": kind, "sequence_number": 0, "output_index": 0, **fields}
    return b"event: " + kind.encode() + b"\ndata: " + orjson.dumps(data) + b"\n\n"


def ended(**changes: Any) -> bytes:
    response = RESPONSE | changes
    return frame(f"response.{response['status']}", response=response)


CREATED = frame("response.created", response=RESPONSE | {"status": "in_progress", "output": [], "usage": None})
ITEM_ADDED = frame("response.output_item.added", item=MESSAGE | {"content": []})
PART_ADDED = frame("response.content_part.added", part=TEXT | {"text": ""})
PART_DONE = frame("response.content_part.done", part=TEXT)
ITEM_DONE = frame("response.output_item.done", item=MESSAGE)
CALL_ADDED = frame("response.output_item.added", item=CALL | {"arguments": ""})
CALL_DONE = frame("response.output_item.done", item=CALL)
SUMMARY = "response.reasoning_summary_text"
STREAM = b"".join(
    [
        CREATED,
        frame("response.in_progress", response={}),
        frame("response.output_item.added", item={"type": "reasoning", "id": "rs_1", "summary": []}),
        frame("response.reasoning_summary_part.added", summary_index=0, part={"type": "summary_text", "text": ""}),
        frame(f"{SUMMARY}.delta", summary_index=0, delta="Hm, æ"),
        frame(f"{SUMMARY}.delta", summary_index=0, delta="€🍒."),
        frame(f"{SUMMARY}.done", summary_index=0, text="Hm, æ€🍒."),
        frame("response.reasoning_summary_part.done", summary_index=0),
        frame("response.reasoning_summary_part.added", summary_index=1, part={"type": "summary_text", "text": ""}),
        frame(f"{SUMMARY}.delta", summary_index=1, delta="So."),
        frame("response.output_item.done", item=REASONING),
        ITEM_ADDED,
        PART_ADDED,
        frame("response.output_text.delta", delta="Let me ", logprobs=[]),
        frame("response.an_event_of_the_future"),
        frame("response.output_text.delta", delta="look, 🍒.", logprobs=[]),
        frame("response.output_text.done", text="Let me look, 🍒."),
        PART_DONE,
        ITEM_DONE,
        CALL_ADDED,
        frame("response.function_call_arguments.delta", delta='{"city":'),
        frame("response.function_call_arguments.delta", delta='"Oslo"}'),
        frame("response.function_call_arguments.done", arguments='{"city":"Oslo"}'),
        CALL_DONE,
        ended(),
    ]
)


def read(*pieces: bytes) -> list[StreamEvent]:
    reader = EventReader(OpenAiFrames(7))
    events = [event for piece in pieces for event in reader.feed(piece)]
    reader.close()
    return events


def fold(events: Sequence[StreamEvent]) -> Completion:
    folded = CompletionFold()
    for event in events:
        folded.add(event)
    return folded.completion()


def test_a_response_is_decoded_whole() -> None:
    assert decode_completion(orjson.dumps(RESPONSE)) == COMPLETION


def test_a_stream_folds_to_the_same_completion() -> None:
    assert fold(read(STREAM)) == COMPLETION


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_stream_cut_at_any_byte_is_the_same_stream(end: bytes) -> None:
    stream = STREAM.replace(b"\n", end)
    whole = read(stream)

    for cut in range(len(stream) + 1):
        assert read(stream[:cut], stream[cut:]) == whole
    assert read(*(stream[at : at + 1] for at in range(len(stream)))) == whole


def test_blocks_that_come_without_deltas_are_not_lost() -> None:
    reasoning_added = frame("response.output_item.added", item=REASONING | {"summary": []})
    reasoning_done = frame("response.output_item.done", item=REASONING)

    events = read(
        CREATED,
        *(reasoning_added, reasoning_done),
        *(ITEM_ADDED, PART_ADDED, PART_DONE, ITEM_DONE),
        *(CALL_ADDED, CALL_DONE),
        ended(),
    )

    assert fold(events) == COMPLETION


def test_an_open_model_s_raw_reasoning_is_passed_over() -> None:
    raw = {"type": "reasoning_text", "text": "raw"}
    events = read(
        CREATED,
        frame("response.output_item.added", item=REASONING | {"summary": []}),
        frame("response.content_part.added", part=raw),
        frame("response.reasoning_text.delta", delta="raw"),
        frame("response.content_part.done", part=raw),
        frame("response.output_item.done", item=REASONING),
        ended(),
    )

    assert fold(events).blocks == COMPLETION.blocks[:1]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"output": [MESSAGE]}, StopReason.END_TURN),
        ({"output": [CALL]}, StopReason.TOOL_USE),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, "output": [MESSAGE]},
            StopReason.MAX_TOKENS,
        ),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}, "output": [MESSAGE]},
            StopReason.REFUSAL,
        ),
    ],
)
def test_stop_reasons_are_told_from_status_and_output(changes: dict[str, Any], reason: StopReason) -> None:
    assert decode_completion(orjson.dumps(RESPONSE | changes)).stop_reason is reason


def test_a_refusal_is_said_as_text() -> None:
    part = {"type": "refusal", "refusal": "I cannot."}
    response = RESPONSE | {"output": [MESSAGE | {"content": [part]}]}

    plain = decode_completion(orjson.dumps(response))
    streamed = fold(
        read(
            CREATED,
            ITEM_ADDED,
            frame("response.content_part.added", part=part | {"refusal": ""}),
            frame("response.refusal.delta", delta="I cannot."),
            frame("response.content_part.done", part=part),
            ITEM_DONE,
            ended(),
        )
    )

    assert plain == streamed
    assert plain.blocks == (Text("I cannot."),)
    assert plain.stop_reason is StopReason.REFUSAL


def test_an_answer_cut_in_a_call_keeps_what_there_was_of_it() -> None:
    cut = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    half = CALL | {"arguments": '{"city":', "status": "incomplete"}

    plain = decode_completion(orjson.dumps(RESPONSE | cut | {"output": [half]}))
    streamed = fold(
        read(CREATED, CALL_ADDED, frame("response.function_call_arguments.delta", delta='{"city":'), ended(**cut))
    )

    assert plain == streamed
    assert plain.blocks == (ToolUse("call_1", "weather", {"_unparsed": '{"city":'}),)
    assert plain.stop_reason is StopReason.MAX_TOKENS


OTHER_FORMS: list[dict[str, Any]] = [
    {"status": "in_progress"},
    {"status": "incomplete", "incomplete_details": {"reason": "a_reason_of_the_future"}},
    {"output": [{"type": "web_search_call"}]},
    {"output": [MESSAGE | {"content": [{"type": "a_part_of_the_future"}]}]},
    {"output": [CALL | {"arguments": {}}]},
    {"usage": None},
    {"usage": {"input_tokens": 1}},
    {"model": 7},
]


@pytest.mark.parametrize("change", OTHER_FORMS)
def test_an_answer_of_another_form_is_a_failure(change: dict[str, Any]) -> None:
    with pytest.raises(UpstreamFailureError):
        decode_completion(orjson.dumps(RESPONSE | change))


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [CREATED],
        [CREATED, ITEM_ADDED, PART_ADDED, PART_DONE, ITEM_DONE],
        [CREATED, CREATED],
        [CALL_ADDED],
        [ended()],
        [CREATED, frame("response.output_item.added", item={"type": "web_search_call"})],
        [CREATED, frame("response.output_text.delta", delta="Hi")],
        [CREATED, CALL_ADDED, frame("response.output_text.delta", delta="Hi")],
        [CREATED, CALL_ADDED, CALL_ADDED],
        [CREATED, CALL_DONE],
        [CREATED, ITEM_ADDED, PART_ADDED, frame("response.output_text.delta", delta=7)],
        [CREATED, ended(usage=None)],
        [CREATED, b"data: [DONE]\n\n"],
    ],
)
def test_a_stream_of_another_grammar_is_a_failure(frames: list[bytes]) -> None:
    with pytest.raises(UpstreamFailureError):
        read(*frames)
    with pytest.raises(UpstreamFailureError):
        read(b"".join(frames))


ERRORS = [
    ("rate_limit_exceeded", UpstreamBusyError),
    ("server_error", UpstreamFailureError),
    ("vector_store_timeout", UpstreamTimeoutError),
    ("invalid_prompt", ProviderRejectedError),
    ("image_too_large", ProviderRejectedError),
    ("context_length_exceeded", ProviderRejectedError),
    ("model_not_found", UpstreamFailureError),
    ("a_code_of_the_future", UpstreamFailureError),
]


@pytest.mark.parametrize(("code", "error"), ERRORS)
def test_a_failed_response_raises_what_it_means(code: str, error: type[GatewayError]) -> None:
    failed = RESPONSE | {"status": "failed", "error": {"code": code, "message": "Jane Roe"}}

    for pieces in ([frame("response.failed", response=failed)], [frame("error", code=code, message="Jane Roe")]):
        with pytest.raises(error) as raised:
            read(CREATED, *pieces)
        assert "Jane" not in repr(raised.value)
    with pytest.raises(error):
        read(CREATED, frame("error", error={"code": code, "message": "Jane Roe"}))
    with pytest.raises(error):
        decode_completion(orjson.dumps(failed))

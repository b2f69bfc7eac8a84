from typing import Any

import pytest

from gateway.completion import (
    BlockDelta,
    BlockStarted,
    BlockStopped,
    Finishing,
    InputDelta,
    Started,
    Stopped,
    StopReason,
    TextDelta,
    Usage,
)
from gateway.conversation import Conversation, Sampling, Text, Thinking, ThinkingConfig, ToolUse, Turn
from gateway.errors import (
    UpstreamFailureError,
)
from gateway.providers.chat.ids import MAX_ID_CHARS
from gateway.providers.chat.stream import ChatFrames
from gateway.providers.estimate import estimate_tokens
from gateway.providers.frames import EventReader
from tests.unit.providers.cases import conversation, tool_loop
from tests.unit.providers.chat import (
    COUNTED,
    DONE,
    QWEN,
    ROLE,
    STOP,
    call,
    chunk,
    delta,
    fold,
    plain,
    read,
    sse,
    stream,
)


def calls(*entries: dict[str, Any], told: Conversation | None = None) -> tuple[Any, ...]:
    """The blocks of a stream in which each entry is a chunk of its own."""
    return stream(ROLE, *(delta(tool_calls=[entry]) for entry in entries), STOP, DONE, told=told).blocks


def test_events_come_as_they_arrive_and_the_end_waits_for_usage() -> None:
    reader = EventReader(ChatFrames(conversation(), QWEN))
    started = Started("Qwen/Qwen3-8B", Usage(estimate_tokens(conversation()), estimated=True), "chatcmpl-1")

    assert reader.feed(sse(ROLE)) == [started]
    assert reader.feed(sse(delta(content="Ra"))) == [BlockStarted(0, Text("")), BlockDelta(0, TextDelta("Ra"))]
    assert reader.feed(sse(delta(content="in"))) == [BlockDelta(0, TextDelta("in"))]
    assert reader.feed(sse(STOP)) == []
    assert reader.feed(sse(chunk(usage=COUNTED))) == [
        BlockStopped(0),
        Finishing(StopReason.END_TURN, Usage(10, 4)),
        Stopped(),
    ]
    assert reader.finished


def test_a_call_s_arguments_are_told_as_they_arrive() -> None:
    reader = EventReader(ChatFrames(conversation(), QWEN))
    reader.feed(sse(ROLE))

    assert reader.feed(sse(delta(tool_calls=[call(0, '{"city":', "weather", id="a")]))) == [
        BlockStarted(0, ToolUse("a", "weather", {})),
        BlockDelta(0, InputDelta('{"city":')),
    ]
    assert reader.feed(sse(delta(tool_calls=[call(0, '"Oslo"}')]))) == [BlockDelta(0, InputDelta('"Oslo"}'))]
    assert reader.feed(sse(delta(tool_calls=[call(1, "{}", "now", id="b")]))) == [
        BlockStopped(0),
        BlockStarted(1, ToolUse("b", "now", {})),
        BlockDelta(1, InputDelta("{}")),
    ]


OSLO = ToolUse("a", "weather", {"city": "Oslo"})
BERGEN = ToolUse("b", "weather", {"city": "Bergen"})


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param(
            [call(0, '{"city":"Oslo"}', "weather", id="a"), call(1, '{"city":"Bergen"}', "weather", id="b")],
            id="whole",
        ),
        pytest.param(
            [
                call(0, "", "weather", id="a"),
                call(1, "", "weather", id="b"),
                call(0, '{"city":'),
                call(1, '{"city":'),
                call(0, '"Oslo"}'),
                call(1, '"Bergen"}'),
            ],
            id="interleaved",
        ),
        pytest.param(
            [
                call(0, '{"city":"Oslo"}'),
                call(0, name="weather", id="a"),
                call(1, id="b"),
                call(1, '{"city":"Bergen"}', "weather"),
            ],
            id="named later",
        ),
        pytest.param(
            [
                call(0, '{"city":', "weather", id="a"),
                call(0, '"Oslo"}', "weather", id="a"),
                call(1, '{"city":"Bergen"}', "weather", id="b"),
                call(0, " "),
            ],
            id="named again",
        ),
        pytest.param(
            [call(0, '{"city":"Oslo"}', "weather", id="a"), call(0, '{"city":"Bergen"}', "weather", id="b")],
            id="all of one index",
        ),
        pytest.param(
            [
                call(None, '{"city":', "weather", id="a"),
                call(None, '"Oslo"}'),
                call(None, '{"city":"Bergen"}', "weather", id="b"),
            ],
            id="without index",
        ),
        pytest.param(
            [call(0, {"city": "Oslo"}, "weather", id="a"), call(1, {"city": "Bergen"}, "weather", id="b")],
            id="objects",
        ),
        pytest.param(
            [
                call(3, '{"city":"Oslo"}', "weather", id="a"),
                call(7, '{"city":"Bergen"}', "weather", id="b"),
                call(9, "", "", id=""),
            ],
            id="gaps and nothing",
        ),
    ],
)
def test_no_argument_is_lost_however_calls_are_written(entries: list[dict[str, Any]]) -> None:
    assert calls(*entries) == (OSLO, BERGEN)
    assert stream(delta(role="assistant", tool_calls=entries), STOP).blocks == (OSLO, BERGEN)


def test_calls_without_index_and_id_are_told_apart_by_their_names() -> None:
    entries = [call(None, "{}", "weather"), call(None, "{}", "weather"), call(None, "{}", "now")]

    assert [(each.id, each.name) for each in calls(*entries)] == [
        ("call_1", "weather"),
        ("call_2", "weather"),
        ("call_3", "now"),
    ]


def test_calls_without_arguments_have_an_empty_object() -> None:
    entries = [call(0, None, "now", id="a"), call(1, "", "now", id="b"), call(2, "{}", "now", id="c")]

    assert [each.input for each in calls(*entries)] == [{}, {}, {}]
    assert [each.input for each in plain({"tool_calls": entries}).blocks if isinstance(each, ToolUse)] == [{}, {}, {}]


def test_text_between_and_after_calls_is_a_block_of_its_own() -> None:
    events = read(
        sse(
            delta(reasoning_content="Hm."),
            delta(content="Look."),
            delta(tool_calls=[call(0, '{"city":"Oslo"}', "weather", id="a")]),
            delta(content="\n"),
            delta(content="Also."),
            delta(tool_calls=[call(1, '{"city":"Bergen"}', "weather", id="b")]),
            delta(reasoning="Hm?"),
            STOP,
        )
    )

    assert fold(events).blocks == (
        Thinking("Hm.", ""),
        Text("Look."),
        OSLO,
        Text("\nAlso."),
        BERGEN,
        Thinking("Hm?", ""),
    )
    order = [(type(event), event.index) for event in events if isinstance(event, BlockStarted | BlockStopped)]
    assert order == [(kind, at) for at in range(6) for kind in (BlockStarted, BlockStopped)]


def test_text_amid_a_call_waits_for_the_call() -> None:
    blocks = stream(
        delta(tool_calls=[call(0, '{"city":', "weather", id="a")]),
        delta(content="Also."),
        delta(tool_calls=[call(0, '"Oslo"}')]),
        STOP,
    ).blocks

    assert blocks == (OSLO, Text("Also."))


def test_white_space_alone_is_no_block() -> None:
    blank = delta(reasoning_content="\n\n"), delta(content="\n\n")
    oslo = delta(tool_calls=[call(0, '{"city":"Oslo"}', "weather", id="a")])
    spaced = {"reasoning_content": "\n", "content": " ", "tool_calls": [call(0, '{"city":"Oslo"}', "weather", id="a")]}

    assert stream(*blank, oslo, delta(content="\n"), STOP).blocks == (OSLO,)
    assert stream(*blank, STOP).blocks == ()
    assert plain(spaced).blocks == (OSLO,)


def test_reasoning_under_both_its_names_is_said_once() -> None:
    both = {"reasoning": "Hm.", "reasoning_content": "Hm.", "content": "So."}

    assert stream(delta(**both), STOP).blocks == plain(both).blocks == (Thinking("Hm.", ""), Text("So."))


def test_reasoning_that_was_not_to_be_shown_is_paid_for_and_left_out() -> None:
    told = conversation(sampling=Sampling(99, thinking=ThinkingConfig("adaptive", display="omitted")))
    said = {"reasoning": "x" * 8, "content": "So."}

    completion = stream(delta(**said), STOP, told=told)

    assert completion.blocks == plain(said, told=told).blocks == (Text("So."),)
    assert completion.usage.output == 3


def test_made_ids_are_unlike_each_other_and_all_that_were_sent() -> None:
    told = conversation(*tool_loop(), Turn("assistant", (ToolUse("call_3", "now", {}),)))
    entries = [call(at, "{}", "now", id=given) for at, given in enumerate(["", "call_1", "x", "x", "y" * 999])]

    ids = [each.id for each in calls(*entries, told=told)]

    assert ids == ["call_2", "call_4", "x", "call_5", "call_6"]
    assert [each.id for each in plain({"tool_calls": entries}, told=told).blocks if isinstance(each, ToolUse)] == ids
    assert calls(call(0, "{}", "now", id="y" * MAX_ID_CHARS))[0].id == "y" * MAX_ID_CHARS


@pytest.mark.parametrize("absent", [{}, {"content": None}, {"content": "", "tool_calls": None}, {"tool_calls": []}])
def test_an_empty_answer_has_no_blocks(absent: dict[str, Any]) -> None:
    assert plain(absent).blocks == ()
    assert stream(delta(**absent), STOP).blocks == ()


@pytest.mark.parametrize(
    ("reason", "called", "expected"),
    [
        ("stop", False, StopReason.END_TURN),
        ("stop", True, StopReason.TOOL_USE),
        ("tool_calls", True, StopReason.TOOL_USE),
        ("tool_calls", False, StopReason.END_TURN),
        ("function_call", True, StopReason.TOOL_USE),
        ("length", False, StopReason.MAX_TOKENS),
        ("length", True, StopReason.MAX_TOKENS),
        ("content_filter", False, StopReason.REFUSAL),
        ("eos_token", False, StopReason.END_TURN),
        (None, False, StopReason.END_TURN),
        (None, True, StopReason.TOOL_USE),
    ],
)
def test_stop_reasons_are_told_from_reason_and_calls(reason: str | None, called: bool, expected: StopReason) -> None:
    said: dict[str, Any] = {"tool_calls": [call(0, "{}", "now")]} if called else {"content": "Rain"}

    assert plain(said, finish_reason=reason).stop_reason is expected
    assert stream(delta(**said), chunk(delta={}, finish_reason=reason), DONE).stop_reason is expected
    assert stream(chunk(delta=said, finish_reason=reason), DONE).stop_reason is expected


@pytest.mark.parametrize("reason", ["abort", "error", "a_reason_of_the_future", 7, {"a": 1}])
def test_a_reason_that_is_not_known_is_a_failure(reason: Any) -> None:
    end = chunk(delta={}, finish_reason=reason)

    with pytest.raises(UpstreamFailureError):
        stream(delta(content="Rain"), end, DONE)


@pytest.mark.parametrize("field", ["stop_reason", "matched_stop"])
@pytest.mark.parametrize(("met", "expected"), [("END", "END"), ("<|eot|>", None), (128009, None), (None, None)])
def test_a_stop_sequence_is_the_caller_s_own(field: str, met: Any, expected: str | None) -> None:
    told = conversation(sampling=Sampling(9, stop_sequences=("END",)))
    end = {"finish_reason": "stop", field: met}

    completion = stream(delta(content="Rain"), chunk(delta={}, **end), DONE, told=told)

    assert completion.stop_sequence == expected
    assert completion.stop_reason is (StopReason.STOP_SEQUENCE if expected else StopReason.END_TURN)


def test_a_refusal_is_said_as_text() -> None:
    streamed = stream(delta(refusal="I "), delta(refusal="cannot."), STOP, chunk(usage=COUNTED))

    assert streamed == plain({"content": None, "refusal": "I cannot."})
    assert streamed.blocks == (Text("I cannot."),)
    assert streamed.stop_reason is StopReason.REFUSAL


def test_an_answer_cut_in_a_call_keeps_what_there_was_of_it() -> None:
    half = call(0, '{"city":', "weather", id="a")
    streamed = stream(delta(tool_calls=[half]), chunk(delta={}, finish_reason="length"), chunk(usage=COUNTED))

    assert streamed == plain({"tool_calls": [half]}, finish_reason="length")
    assert streamed.blocks == (ToolUse("a", "weather", {"_unparsed": '{"city":'}),)


USAGES: list[tuple[Any, Usage]] = [
    (COUNTED, Usage(10, 4)),
    (
        COUNTED | {"prompt_tokens_details": {"cached_tokens": 7}, "completion_tokens_details": {"reasoning_tokens": 3}},
        Usage(3, 4, cache_read=7, reasoning=3),
    ),
    (COUNTED | {"prompt_tokens_details": {"cached_tokens": 70}}, Usage(0, 4, cache_read=10)),
    (COUNTED | {"prompt_tokens_details": None, "completion_tokens_details": None}, Usage(10, 4)),
    (None, Usage(6, 3, estimated=True)),
    ({}, Usage(6, 3, estimated=True)),
    ({"prompt_tokens": 0, "completion_tokens": 4}, Usage(6, 4, estimated=True)),
    ({"prompt_tokens": 10, "completion_tokens": None}, Usage(10, 3, estimated=True)),
    ({"prompt_tokens": 10, "completion_tokens": 0}, Usage(10, 3, estimated=True)),
]


@pytest.mark.parametrize(("counted", "expected"), USAGES)
def test_what_the_server_does_not_count_is_estimated(counted: Any, expected: Usage) -> None:
    said = {"content": "Rain, again."}  # 12 bytes

    assert estimate_tokens(conversation()) == 6
    assert plain(said, usage=counted).usage == expected
    assert stream(delta(**said), STOP, chunk(usage=counted), DONE).usage == expected
    assert stream(delta(**said), chunk(delta={}, finish_reason="stop") | {"usage": counted}).usage == expected


def test_an_answer_of_nothing_costs_its_input() -> None:
    assert plain({"content": ""}, usage={"prompt_tokens": 10, "completion_tokens": 0}).usage == Usage(10)


def test_an_estimate_counts_all_that_was_produced() -> None:
    said = {"reasoning": "é" * 8, "content": "x" * 8, "tool_calls": [call(0, '{"a":12}', "now")]}

    assert plain(said, usage=None).usage.output == 8
    assert stream(delta(**said), STOP).usage.output == 8


def test_other_choices_and_unknown_frames_are_skipped() -> None:
    other = chunk(index=1, delta={"content": "No"}, finish_reason="length")

    assert stream({"choices": [], "prompt_filter_results": []}, {}, delta(content="Yes"), other, STOP, DONE).blocks == (
        Text("Yes"),
    )


def test_an_early_stream_s_end_without_a_reason_is_its_end_all_the_same() -> None:
    assert stream(delta(content="Rain"), DONE).stop_reason is StopReason.END_TURN

"""Answers and streams get their values back, however they are cut."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from gateway.completion import (
    BlockDelta,
    BlockStarted,
    BlockStopped,
    CitationDelta,
    Completion,
    CompletionFold,
    Finishing,
    InputDelta,
    Started,
    StopDetails,
    Stopped,
    StopReason,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    Usage,
)
from gateway.conversation import Text, Thinking, ToolUse
from gateway.phi.restore import Restorer

VALUES = {
    "NAME_1": 'Anaïs "Nan" O\'Neil \\ Müller',
    "NAME_12": "Bob",
    "SSN_1": "917-44-8123",
    "DATE_3": "03/04/1980",
}
RESTORER = Restorer(VALUES)
PIECES = st.lists(
    st.sampled_from(
        [
            "[NAME_1]",
            "[name_1]",
            "\\[NAME\\_1\\]",
            "[ NAME_1 ]",
            "[NAME 12]",
            "[NAME_12]",
            "[NAME_2]",
            "[SSN_1]",
            "[",
            "]",
            "\\",
            "\\\\",
            "[[",
            "[NAME",
            "_1]",
            "1]",
            "[DATE-3]'s",
            " ",
            "a",
            "é",
            '"',
            "\n",
            "[x](y)",
            "[1]",
            "NAME_1",
            "\\[",
        ]
    ),
    max_size=12,
).map("".join)


def answered(text: str) -> str:
    (block,) = RESTORER.completion(Completion("m", (Text(text),), StopReason.END_TURN, Usage())).blocks
    assert isinstance(block, Text)
    return block.text


def fold(events: list[StreamEvent]) -> Completion:
    folded = CompletionFold()
    for event in events:
        folded.add(event)
    return folded.completion()


def text_stream(*pieces: str) -> list[StreamEvent]:
    deltas = [BlockDelta(0, TextDelta(piece)) for piece in pieces]
    return [
        Started("m", Usage()),
        BlockStarted(0, Text("")),
        *deltas,
        BlockStopped(0),
        Finishing(StopReason.END_TURN, Usage()),
        Stopped(),
    ]


def input_stream(*pieces: str) -> list[StreamEvent]:
    deltas = [BlockDelta(0, InputDelta(piece)) for piece in pieces]
    return [Started("m", Usage()), BlockStarted(0, ToolUse("t", "look", {})), *deltas, BlockStopped(0), Stopped()]


def streamed(events: list[StreamEvent]) -> Completion:
    restorer = RESTORER.stream()
    return fold([out for event in events for out in restorer.feed([event])] + restorer.flush())


@pytest.mark.parametrize(
    ("text", "restored"),
    [
        ("Hello [NAME_12]!", "Hello Bob!"),
        ("[NAME_12]'s SSN is [SSN_1]", "Bob's SSN is 917-44-8123"),
        ("\\[NAME\\_12\\]", "Bob"),
        ("[name_12] [ NAME_12 ] [Name 12]", "Bob Bob Bob"),
        ("[NAME_2] [NAME_123] [OTHER_1] [NAME] []", "[NAME_2] [NAME_123] [OTHER_1] [NAME] []"),
        ("[[NAME_12]]", "[Bob]"),
    ],
)
def test_live_placeholders_are_restored_and_others_stay(text: str, restored: str) -> None:
    assert answered(text) == restored


@pytest.mark.parametrize(
    "text", ["Hi [NAME_1], b. \\[DATE\\_3\\]. [NAME_2]! [NAME_1", "a\\[b [NAME_12]\\", "[[NAME_12]]\\\\[SSN_1]"]
)
def test_every_cut_of_a_stream_gives_the_same_text(text: str) -> None:
    expected = answered(text)
    for first in range(len(text) + 1):
        for second in range(first, len(text) + 1):
            answer = streamed(text_stream(text[:first], text[first:second], text[second:]))
            assert answer.blocks == (Text(expected),)


@given(PIECES, st.lists(st.integers(0, 200), max_size=8))
def test_any_text_in_any_pieces_equals_the_whole(text: str, cuts: list[int]) -> None:
    edges = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    pieces = [text[a:b] for a, b in pairwise(edges)]
    assert streamed(text_stream(*pieces)).blocks == (Text(answered(text)),)


@given(
    st.dictionaries(PIECES, st.one_of(PIECES, st.lists(PIECES, max_size=3)), max_size=3),
    st.lists(st.integers(0, 400), max_size=8),
)
def test_streamed_tool_inputs_parse_to_the_restored_values(value: dict[str, JsonValue], cuts: list[int]) -> None:
    text = json.dumps(value, ensure_ascii=False)
    edges = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    pieces = [text[a:b] for a, b in pairwise(edges)]
    whole = Completion("m", (ToolUse("t", "look", value),), StopReason.END_TURN, Usage())
    assert streamed(input_stream(*pieces)).blocks == RESTORER.completion(whole).blocks


def test_every_cut_of_a_tool_input_gives_valid_json() -> None:
    text = json.dumps({"who": "\\[NAME\\_1\\] and [NAME_12]", "[SSN_1]": ["[DATE_3]", 1, [2]]})
    for cut in range(len(text) + 1):
        (block,) = streamed(input_stream(text[:cut], text[cut:])).blocks
        assert isinstance(block, ToolUse)
        assert block.input == {"who": f"{VALUES['NAME_1']} and Bob", "917-44-8123": ["03/04/1980", 1, [2]]}


def test_text_without_a_bracket_passes_at_once_as_the_same_event() -> None:
    stream = RESTORER.stream()
    event = BlockDelta(0, TextDelta("Take it twice a day."))
    assert stream.feed([event])[0] is event


def test_only_what_could_become_a_live_placeholder_is_held_back() -> None:
    stream = RESTORER.stream()
    assert stream.feed([BlockDelta(0, TextDelta("see [NA"))]) == [BlockDelta(0, TextDelta("see "))]
    assert stream.feed([BlockDelta(0, TextDelta("ME_7"))]) == [BlockDelta(0, TextDelta("[NAME_7"))]
    assert stream.feed([BlockDelta(0, TextDelta(" [PHONE"))]) == [BlockDelta(0, TextDelta(" [PHONE"))]


def test_a_broken_stream_gives_up_its_tail() -> None:
    stream = RESTORER.stream()
    assert stream.feed([BlockDelta(0, TextDelta("I am [NAME_1"))]) == [BlockDelta(0, TextDelta("I am "))]
    assert stream.flush() == [BlockDelta(0, TextDelta("[NAME_1"))]
    assert stream.flush() == []


def test_blocks_that_interleave_do_not_mix() -> None:
    stream = RESTORER.stream()
    fed = stream.feed(
        [
            BlockDelta(0, TextDelta("[NAME_")),
            BlockDelta(1, InputDelta('{"a":"[NAME_1')),
            BlockDelta(0, TextDelta("12]")),
            BlockDelta(1, InputDelta('2]"}')),
        ]
    )
    assert fed == [
        BlockDelta(1, InputDelta('{"a":"')),
        BlockDelta(0, TextDelta("Bob")),
        BlockDelta(1, InputDelta('Bob"}')),
    ]


def test_thinking_is_never_restored() -> None:
    event = BlockDelta(0, ThinkingDelta("about [NAME_12]"))
    assert RESTORER.stream().feed([event]) == [event]
    completion = Completion("m", (Thinking("about [NAME_12]", "sig"),), StopReason.END_TURN, Usage())
    assert RESTORER.completion(completion).blocks == completion.blocks


def test_citations_and_stop_sequences_are_restored() -> None:
    assert RESTORER.stream().feed([BlockDelta(0, CitationDelta({"cited_text": "[NAME_12]"}))]) == [
        BlockDelta(0, CitationDelta({"cited_text": "Bob"}))
    ]
    stopped = Completion("m", (), StopReason.STOP_SEQUENCE, Usage(), stop_sequence="[NAME_12]:")
    assert RESTORER.completion(stopped).stop_sequence == "Bob:"


def test_why_a_model_refused_is_restored_like_the_answer_it_stands_for() -> None:
    masked, restored = (StopDetails("bio", f"It is about {name}.") for name in ("[NAME_12]", "Bob"))
    refused = Completion("m", (), StopReason.REFUSAL, Usage(), stop_details=masked)

    assert RESTORER.completion(refused).stop_details == restored
    assert RESTORER.stream().feed([Finishing(StopReason.REFUSAL, Usage(), stop_details=masked)]) == [
        Finishing(StopReason.REFUSAL, Usage(), stop_details=restored)
    ]


def test_nothing_happens_when_nothing_was_masked() -> None:
    idle = Restorer({})
    events = text_stream("[NAME_1] and \\")
    completion = Completion("m", (Text("[NAME_1]"),), StopReason.END_TURN, Usage())
    assert not idle.active
    assert all(a is b for a, b in zip(idle.stream().feed(events), events, strict=True))
    assert idle.completion(completion) is completion


STRUCTURED = Restorer(VALUES, structured=True)


@given(st.data())
def test_structured_output_stays_json_however_it_is_cut(data: st.DataObject) -> None:
    text = json.dumps({"patient": "[NAME_1]", "note": "about [NAME_12] \\ [SSN_1]"})
    cuts = sorted({0, len(text), *data.draw(st.lists(st.integers(0, len(text)), max_size=len(text)))})
    restorer = STRUCTURED.stream()
    pieces = [text[start:end] for start, end in pairwise(cuts)]
    folded = fold([out for event in text_stream(*pieces) for out in restorer.feed([event])] + restorer.flush())
    whole = STRUCTURED.completion(Completion("m", (Text(text),), StopReason.END_TURN, Usage()))
    assert folded.blocks == whole.blocks
    (block,) = whole.blocks
    assert isinstance(block, Text)
    assert json.loads(block.text) == {"patient": VALUES["NAME_1"], "note": "about Bob \\ 917-44-8123"}

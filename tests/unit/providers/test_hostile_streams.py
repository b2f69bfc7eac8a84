"""Whatever a vendor sends, a caller gets whole events of the surface's own grammar and one end that says what it is."""

from itertools import pairwise

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.catalog import Dialect
from gateway.completion import BlockDelta, BlockStarted, CompletionFold, InputDelta, parse_tool_input, tool_input_text
from gateway.conversation import ToolUse
from gateway.errors import UpstreamFailureError
from tests import strategies
from tests.golden.dialects import DIALECTS
from tests.golden.expectations import ROOT
from tests.golden.surfaces import SURFACES, call_of, shown_stream
from tests.grammar import (
    Event,
    MessagesGrammar,
    NativeGrammar,
    assert_messages_stream,
    assert_native_stream,
    read_events,
)
from tests.unit.providers.cases import conversation
from tests.unit.providers.recorded import RECORDINGS, Json, Recording, folded, frames_of, read, reader_of, stream_of
from tests.unit.providers.replayed import replaying
from tests.unit.providers.tampering import tampered_streams


@given(tampered_streams(), st.lists(st.integers(0, 20_000), max_size=4))
@settings(max_examples=800, deadline=None)
def test_only_our_own_errors_come_out_and_what_came_before_folds(changed: Recording, cuts: list[int]) -> None:
    dialect, stream = changed
    bounds = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})

    events, failure = read(dialect, [stream[start:end] for start, end in pairwise(bounds)])

    assert (events, failure) == read(dialect, [stream])
    assert orjson.dumps([str(block) for block in folded(events).blocks])


@pytest.mark.parametrize("surface", SURFACES)
@given(tampered_streams())
@settings(max_examples=150, deadline=None)
async def test_every_surface_keeps_its_grammar_up_to_the_failure(surface: str, changed: Recording) -> None:
    dialect, stream = changed

    events = await shown(surface, dialect, stream)

    grammar = MessagesGrammar() if surface == "messages" else NativeGrammar()
    for event in events:
        grammar.feed(event)
    assert grammar.state in {"stopped", "failed", "run.completed", "run.failed"}


async def shown(surface: str, dialect: Dialect, *pieces: bytes) -> list[Event]:
    """What a caller of `surface` is shown of a vendor's stream."""
    shows = SURFACES[surface]
    call = call_of(shows, DIALECTS[dialect].model.id, conversation(), stream=True)
    return read_events(await shown_stream(shows, replaying(reader_of(dialect), pieces), call))


VENDOR_FAILURES: dict[Dialect, Json] = {
    Dialect.ANTHROPIC: {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
    Dialect.OPENAI: {
        "type": "response.failed",
        "response": {"status": "failed", "error": {"code": "server_error", "message": "Oops"}},
    },
    Dialect.OPENAI_CHAT: {"error": {"type": "server_error", "code": 500, "message": "Oops"}},
}
RICHEST = ["tools_parallel", "thinking_and_tool"]


def says_why_it_stopped(frame: Json) -> bool:
    """Of a recording that nobody tampered with."""
    if "choices" in frame:
        return any(choice["finish_reason"] for choice in frame["choices"])
    return frame["type"] in {"message_delta", "response.completed"}


def breaks(name: str) -> list[tuple[Dialect, list[Json], int]]:
    """Every place where a stream can break before it has said why it stopped."""
    dialect, stream = RECORDINGS[name]
    frames = frames_of(stream)
    told_at = next(at for at, frame in enumerate(frames) if says_why_it_stopped(frame))
    return [(dialect, frames, index) for index in range(told_at + 1)]


BROKEN = [each for dialect in DIALECTS for case in RICHEST for each in breaks(f"{dialect}-{case}")]


@pytest.mark.parametrize("says_why", [True, False])
@pytest.mark.parametrize("surface", SURFACES)
async def test_a_stream_that_breaks_anywhere_ends_in_one_event_that_says_so(surface: str, says_why: bool) -> None:
    for dialect, frames, index in BROKEN:
        failure = [VENDOR_FAILURES[dialect]] if says_why else []

        events = await shown(surface, dialect, stream_of([*frames[:index], *failure]))

        if surface == "messages":
            assert_messages_stream(events, fails=True)
        else:
            assert_native_stream(events, fails=True)
        assert [event.name for event in events].count(events[-1].name) == 1


@pytest.mark.parametrize("surface", SURFACES)
async def test_a_break_after_an_answer_said_why_it_stopped_breaks_nothing(surface: str) -> None:
    frames = frames_of(RECORDINGS["anthropic-tools_parallel"][1])

    events = await shown(surface, Dialect.ANTHROPIC, stream_of(frames[:-1]))

    assert [event.name for event in events] == [
        event.name for event in await shown(surface, Dialect.ANTHROPIC, stream_of(frames))
    ]


@pytest.mark.parametrize("surface", SURFACES)
async def test_what_comes_before_a_break_is_what_would_have_come_without_it(surface: str) -> None:
    for dialect, frames, index in BROKEN:
        unbroken = await shown(surface, dialect, stream_of(frames))
        broken = await shown(surface, dialect, stream_of([*frames[:index], VENDOR_FAILURES[dialect]]))

        before = [(event.name, told(event)) for event in broken[:-1]]
        assert before == [(event.name, told(event)) for event in unbroken[: len(before)]]


def told(event: Event) -> Json:
    """What an event says, without when."""
    return {name: said for name, said in event.data.items() if name not in {"id", "created"}}


@given(st.text(max_size=200) | st.integers(0, 5_000).map(lambda levels: '{"a":' * levels + "1" + "}" * levels))
@settings(max_examples=200, deadline=None)
def test_a_tool_s_input_can_be_any_text(text: str) -> None:
    parsed = parse_tool_input(text)

    assert orjson.dumps(parsed) if not has_surrogates(text) else parsed
    assert parse_tool_input(tool_input_text(parsed)) == parsed if not has_surrogates(text) else parsed


def has_surrogates(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


@pytest.mark.parametrize(
    "text",
    [
        '{"a":' * 101 + "1" + "}" * 101,
        '{"a":' * 5_000,
        '{"a":1e999}',
        '{"a":"\\ud800"}',
        '{"a":NaN}',
        "[" * 2_000 + "]" * 2_000,
        '"text"',
        "7",
        "\ufeff{}",
    ],
)
def test_an_input_that_is_no_object_of_ours_is_kept_as_it_came(text: str) -> None:
    assert parse_tool_input(text) == {"_unparsed": text}
    assert tool_input_text(parse_tool_input(text)) == text


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_an_input_of_nothing_is_an_empty_one(text: str) -> None:
    assert parse_tool_input(text) == {}


def test_whole_numbers_beyond_64_bits_keep_their_digits() -> None:
    assert parse_tool_input('{"a":18446744073709551615,"b":18446744073709551616}') == {
        "a": 18446744073709551615,
        "b": "18446744073709551616",
    }


@given(st.lists(strategies.words, max_size=8))
@settings(max_examples=100, deadline=None)
def test_a_tool_call_that_stopped_anywhere_folds(pieces: list[str]) -> None:
    fold = CompletionFold()
    fold.add(BlockStarted(0, ToolUse("t", "n", {})))
    for piece in pieces:
        fold.add(BlockDelta(0, InputDelta(piece)))

    (block,) = fold.completion().blocks

    assert isinstance(block, ToolUse)
    assert orjson.dumps(block.input)


DEEP = b"[" * 101 + b"]" * 101


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "field", [DEEP, DEEP[:101], b'"\\ud800"', b"1e999"], ids=["deep", "open", "surrogate", "infinite"]
)
def test_an_answer_too_deep_to_be_written_again_or_no_json_is_a_failure(dialect: Dialect, field: bytes) -> None:
    answer = (ROOT / "answers" / dialect / "basic.json").read_bytes()
    assert DIALECTS[dialect].decode(answer).blocks

    with pytest.raises(UpstreamFailureError):
        DIALECTS[dialect].decode(answer.replace(b"{", b'{"a_field": %b,' % field, 1))


@pytest.mark.parametrize(
    ("dialect", "kind"),
    [
        (Dialect.ANTHROPIC, "message_start"),
        (Dialect.ANTHROPIC, "content_block_start"),
        (Dialect.ANTHROPIC, "content_block_stop"),
        (Dialect.ANTHROPIC, "message_delta"),
        (Dialect.OPENAI, "response.created"),
        (Dialect.OPENAI, "response.output_item.added"),
        (Dialect.OPENAI, "response.content_part.added"),
    ],
)
def test_an_edge_that_comes_twice_fails_the_call(dialect: Dialect, kind: str) -> None:
    frames = frames_of(RECORDINGS[f"{dialect}-tools_parallel"][1])
    last = max(at for at, frame in enumerate(frames) if frame["type"] == kind)

    assert read(dialect, [stream_of([*frames[:last], frames[last], *frames[last:]])])[1] == "UpstreamFailureError"


def test_a_recording_is_what_the_tampering_starts_from() -> None:
    untouched: Recording = RECORDINGS["openai-tools_parallel"]

    assert read(untouched[0], [stream_of(frames_of(untouched[1]))]) == read(untouched[0], [untouched[1]])

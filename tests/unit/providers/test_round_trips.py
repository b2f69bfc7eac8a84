"""What one of our encoders wrote, the matching decoder reads as the same thing."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from api.anthropic.translate import create_message
from gateway.catalog import Dialect
from gateway.completion import AnswerBlock, Completion, CompletionFold, StreamEvent
from gateway.conversation import Conversation, Sampling, Text, Thinking, ToolUse, Turn
from gateway.packed_reasoning import PackedReasoning, pack
from gateway.providers.anthropic.decode import decode_completion as decode_message
from gateway.providers.anthropic.encode import encode_request
from gateway.providers.anthropic.stream import AnthropicFrames
from gateway.providers.chat.messages import encode_messages
from gateway.providers.frames import EventReader
from gateway.providers.openai.decode import decode_completion as decode_response
from gateway.providers.openai.items import encode_turns
from tests import strategies
from tests.golden.dialects import DIALECTS
from tests.golden.surfaces import SURFACES, call_of, shown_answer, shown_stream
from tests.unit.providers.cases import CLAUDE, conversation
from tests.unit.providers.replayed import saying

MESSAGES = SURFACES["messages"]


@given(strategies.conversations())
@settings(max_examples=150, deadline=None)
def test_a_conversation_that_anthropic_is_sent_reads_as_the_same_conversation(asked: Conversation) -> None:
    read = create_message(encode_request(asked, CLAUDE, stream=False)).conversation

    # By their spelling: equality takes 1 for 1.0 and for True, and minus zero for zero.
    assert repr(read) == repr(asked)


@given(strategies.completions)
@settings(max_examples=60, deadline=None)
async def test_an_answer_on_the_messages_surface_reads_as_the_same_answer(answer: Completion) -> None:
    call = call_of(MESSAGES, CLAUDE.id, conversation())

    read = decode_message(await shown_answer(MESSAGES, saying(answer), call))

    assert repr(anonymous(read)) == repr(answer)


@given(strategies.completions)
@settings(max_examples=60, deadline=None)
async def test_a_stream_on_the_messages_surface_folds_to_the_same_answer(answer: Completion) -> None:
    call = call_of(MESSAGES, CLAUDE.id, conversation(), stream=True)
    reader = EventReader(AnthropicFrames())

    events = reader.feed(await shown_stream(MESSAGES, saying(answer), call))

    assert reader.finished
    assert repr(anonymous(folded(events))) == repr(answer)


@st.composite
def reasonings(draw: st.DrawFn) -> Thinking:
    """OpenAI's reasoning, of one or more summary parts or none."""
    parts = draw(st.lists(strategies.words, max_size=3))
    item_id = f"rs_a{draw(st.integers(0, 2**64)):x}"
    packed = PackedReasoning(item_id, draw(strategies.words), tuple(len(part) for part in parts))
    return Thinking("\n\n".join(parts), pack(packed))


made_calls = st.builds(ToolUse, strategies.call_ids, strategies.ids, strategies.json_objects)
answers = st.lists(
    st.builds(Text, strategies.words)
    | made_calls
    | st.builds(
        ToolUse, strategies.call_ids, strategies.ids, strategies.said.map(lambda text: {"_unparsed": f"{{{text}"})
    )
    | reasonings(),
    min_size=1,
    max_size=5,
)


@given(answers)
@settings(max_examples=150, deadline=None)
def test_a_turn_that_openai_is_sent_again_is_the_turn_it_took(blocks: Sequence[AnswerBlock]) -> None:
    (*items,) = encode_turns([Turn("assistant", tuple(blocks))])

    assert repr(decode_response(response([*map(as_output, items)])).blocks) == repr(tuple(blocks))


calls = st.lists(made_calls, max_size=3, unique_by=lambda made: made.id)


@given(st.none() | strategies.said.filter(lambda text: not text.isspace()), calls)
@settings(max_examples=150, deadline=None)
def test_a_turn_that_a_self_hosted_server_is_sent_again_is_the_turn_it_took(
    text: str | None, made: Sequence[ToolUse]
) -> None:
    blocks = (*([] if text is None else [Text(text)]), *made)
    (message,) = encode_messages(Conversation((Turn("assistant", blocks),), Sampling(max_tokens=1)))
    answer = orjson.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})

    assert repr(DIALECTS[Dialect.OPENAI_CHAT].decode(answer).blocks) == repr(blocks)


def as_output(item: Any) -> dict[str, Any]:
    """An input item as the vendor would have said it: only messages differ, by a type that input may leave out."""
    return {"type": "message"} | item


def response(output: list[dict[str, Any]]) -> bytes:
    usage = {"input_tokens": 1, "output_tokens": 1}
    return orjson.dumps({"status": "completed", "model": "gpt-5.4", "output": output, "usage": usage})


def folded(events: Sequence[StreamEvent]) -> Completion:
    fold = CompletionFold()
    for event in events:
        fold.add(event)
    return fold.completion()


def anonymous(completion: Completion) -> Completion:
    """Without the id, which a surface gives anew."""
    return replace(completion, upstream_id=None)

"""What is sealed into records comes back as it was."""

import pytest

from gateway.conversation import (
    Block,
    CacheControl,
    Document,
    Image,
    RedactedThinking,
    SearchResult,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
    Turn,
)
from gateway.transcript import dump_turn, load_turn

CACHE = CacheControl("1h")
BLOCKS: list[Block] = [
    Text("Hello"),
    Text("Quoted", CACHE, ({"type": "char_location", "cited_text": "x"},)),
    Image("image/png", "aGk=", None, CACHE),
    Image(None, None, "https://example.org/a.png", oversized="error"),
    Document(text="Body", title="T", context="C", citations_enabled=True, cache=CacheControl()),
    Document(blocks=(Text("A"), Image("image/png", "aGk=", None))),
    Document(media_type="application/pdf", data="aGk="),
    Document(url="https://example.org/a.pdf"),
    SearchResult("src", "title", (Text("found"),), citations_enabled=False),
    ToolUse("toolu_1", "find", {"a": [1, {"b": None}]}, CACHE),
    ToolResult("toolu_1", (Text("ok"),), plain=True),
    ToolResult("toolu_1", (Text("no"), Image("image/png", "aGk=", None)), is_error=True, cache=CACHE),
    Thinking("hm", "sig"),
    RedactedThinking("opaque"),
]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: type(block).__name__)
def test_every_kind_of_block_comes_back(block: Block) -> None:
    turn = Turn("user", (block,))

    assert load_turn(dump_turn(turn)) == turn


def test_a_plain_turn_comes_back_plain() -> None:
    turn = Turn("assistant", (Text("Hello"),), plain=True)

    assert dump_turn(turn) == {"role": "assistant", "content": "Hello"}
    assert load_turn(dump_turn(turn)) == turn

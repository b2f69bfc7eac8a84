from dataclasses import replace

import pytest

from gateway.conversation import (
    Block,
    ClientTool,
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
from gateway.providers.estimate import TOKENS_PER_IMAGE, TOKENS_PER_ITEM, estimate_tokens, tokens_of_bytes
from tests.unit.providers.cases import WEATHER, conversation, says, tool_loop

BLOCKS: list[tuple[Block, int]] = [
    (Text("é" * 8), 4),
    (Image("image/png", "x" * 4000, None), TOKENS_PER_IMAGE),
    (Image(None, None, "https://example.org/a.png"), TOKENS_PER_IMAGE),
    (Document(text="x" * 8, title="title", context="c"), 2 + 2 + 1),
    (Document(blocks=(Text("x" * 8), Image(None, None, "u"))), 2 + TOKENS_PER_IMAGE),
    (Document(data="x" * 160), 30),
    (Document(url="https://example.org/a.pdf"), 0),
    (SearchResult("src", "Title", (Text("found"),)), 1 + 2 + 2),
    (ToolUse("call_1", "weather", {"a": 1}), TOKENS_PER_ITEM + 2 + 2),
    (ToolResult("call_1", (Text("Rain"), Text("Snow"))), TOKENS_PER_ITEM + 2),
    (Thinking("x" * 100, "y" * 100), 0),
    (RedactedThinking("x" * 100), 0),
]


@pytest.mark.parametrize(("block", "tokens"), BLOCKS)
def test_every_block_has_its_estimate(block: Block, tokens: int) -> None:
    assert estimate_tokens(conversation(Turn("user", (block,)))) == TOKENS_PER_ITEM + tokens


def test_system_and_tools_are_counted() -> None:
    bare = estimate_tokens(conversation(*tool_loop()))
    bash = replace(conversation(*tool_loop()), tools=(ClientTool("bash_20250124", "bash"),))

    assert estimate_tokens(conversation(*tool_loop(), system="Be brief.")) == bare + 3
    assert estimate_tokens(conversation(*tool_loop(), tools=(WEATHER,))) > bare + TOKENS_PER_ITEM + 20
    assert estimate_tokens(bash) == bare + TOKENS_PER_ITEM + 2


def test_a_piece_of_a_token_is_a_token() -> None:
    assert [tokens_of_bytes(size) for size in (0, 1, 4, 5)] == [0, 1, 1, 2]
    assert estimate_tokens(conversation(says(""))) == TOKENS_PER_ITEM

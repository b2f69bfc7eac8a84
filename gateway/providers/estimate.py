"""Tokens, estimated here: for providers without a counter, and for answers that come without a count.

Text counts one token for four bytes of UTF-8, rounded up; every turn, call,
result and tool four more for its framing; every image a flat 1,100, what a
megapixel costs at full detail; a file one token for four of its bytes.
Reasoning of earlier turns counts nothing: providers drop it.
"""

from collections.abc import Iterable

import orjson

from gateway.conversation import (
    Block,
    ClientTool,
    Conversation,
    Document,
    Image,
    RedactedThinking,
    SearchResult,
    Text,
    Thinking,
    Tool,
    ToolResult,
    ToolUse,
)

BYTES_PER_TOKEN = 4
TOKENS_PER_ITEM = 4
TOKENS_PER_IMAGE = 1_100


def estimate_tokens(conversation: Conversation) -> int:
    """Input tokens, near enough for limit checks; billed only where no provider's count came."""
    tools = sum(_of_tool(tool) for tool in conversation.tools)
    turns = sum(TOKENS_PER_ITEM + _of_blocks(turn.blocks) for turn in conversation.turns)
    return _of_blocks(conversation.system) + tools + turns


def tokens_of_bytes(size: int) -> int:
    """Tokens of that many bytes of text."""
    return -(-size // BYTES_PER_TOKEN)


def _of_tool(tool: Tool | ClientTool) -> int:
    told = tool.options if isinstance(tool, ClientTool) else tool.schema
    description = "" if isinstance(tool, ClientTool) else tool.description or ""
    return TOKENS_PER_ITEM + _of_text(tool.name) + _of_text(description) + tokens_of_bytes(len(orjson.dumps(told)))


def _of_blocks(blocks: Iterable[Block]) -> int:
    return sum(_of_block(block) for block in blocks)


def _of_block(block: Block) -> int:
    match block:
        case Text():
            return _of_text(block.text)
        case Image():
            return TOKENS_PER_IMAGE
        case Document():
            return _of_document(block)
        case SearchResult():
            return _of_text(block.source) + _of_text(block.title) + _of_blocks(block.content)
        case ToolUse():
            return TOKENS_PER_ITEM + _of_text(block.name) + tokens_of_bytes(len(orjson.dumps(block.input)))
        case ToolResult():
            return TOKENS_PER_ITEM + _of_blocks(block.content)
        case Thinking() | RedactedThinking():
            return 0


def _of_document(document: Document) -> int:
    # Base64 writes three bytes as four characters.
    file = len(document.data or "") * 3 // 4 // BYTES_PER_TOKEN
    said = (document.title, document.context, document.text)
    return file + sum(_of_text(text) for text in said if text) + _of_blocks(document.blocks)


def _of_text(text: str) -> int:
    return tokens_of_bytes(len(text.encode()))

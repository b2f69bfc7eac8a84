"""What a call costs: credits to hold before it, credits and dollars to charge after it (spec D11).

A credit is one Sonnet-equivalent token. Amounts are whole credits, rounded up
once per call; dollars are integer micro-dollars. No floats.
"""

from gateway.catalog import Model
from gateway.completion import Usage
from gateway.conversation import (
    Block,
    Conversation,
    Document,
    Image,
    RedactedThinking,
    SearchResult,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
)

_MILLI = 1000
_PER_MILLION = 1_000_000

# A token is at least one byte of UTF-8, so bytes bound tokens from above. What
# is not text is bounded by what the vendors document for it.
_IMAGE_TOKENS = 5_000
_FRAME_TOKENS = 32


def charge(model: Model, usage: Usage) -> int:
    """Credits for what was used: all tokens, at the model's ratio, rounded up."""
    return _credits(model, usage.total)


def ceiling(model: Model, conversation: Conversation) -> int:
    """Credits that cover the worst case: the input's upper bound and every output token asked for."""
    bound = min(_input_bound(conversation), model.context_tokens)
    return _credits(model, bound + conversation.sampling.max_tokens)


def cost_micro_usd(model: Model, usage: Usage) -> int | None:
    """The vendor's list price of `usage` in micro-dollars, rounded up; None for a model without prices."""
    prices = model.prices
    if prices is None:
        return None
    micro = (
        usage.input * prices.input
        + usage.output * prices.output
        + usage.cache_read * prices.cache_read
        + usage.cache_write_5m * prices.cache_write_5m
        + usage.cache_write_1h * prices.cache_write_1h
    )
    return -(-micro // _PER_MILLION)


def _credits(model: Model, tokens: int) -> int:
    return -(-tokens * model.ratio_milli // _MILLI)


def _input_bound(conversation: Conversation) -> int:
    turns = sum(_FRAME_TOKENS + sum(map(_bound, turn.blocks)) for turn in conversation.turns)
    system = sum(map(_bound, conversation.system))
    tools = sum(
        _FRAME_TOKENS + _bytes(tool.name) + _bytes(tool.description) + len(repr(tool.schema).encode())
        for tool in conversation.tools
    )
    schema = conversation.sampling.output_schema
    return turns + system + tools + (len(repr(schema).encode()) if schema else 0)


def _bound(block: Block) -> int:
    match block:
        case Text(text):
            return _bytes(text)
        case Image():
            return _IMAGE_TOKENS
        case Document():
            nested = sum(map(_bound, block.blocks))
            return _bytes(block.text) + _bytes(block.data) + _bytes(block.title) + _bytes(block.context) + nested
        case SearchResult():
            return _bytes(block.source) + _bytes(block.title) + sum(map(_bound, block.content))
        case ToolUse():
            return _bytes(block.name) + len(repr(block.input).encode())
        case ToolResult():
            return _FRAME_TOKENS + sum(map(_bound, block.content))
        case Thinking(thinking, signature):
            return _bytes(thinking) + _bytes(signature)
        case RedactedThinking(data):
            return _bytes(data)


def _bytes(text: str | None) -> int:
    return len(text.encode()) if text else 0

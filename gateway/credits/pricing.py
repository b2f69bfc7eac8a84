"""What a call costs: credits to hold before it, credits and dollars to charge after it (spec D11).

A credit is one Sonnet-equivalent token. Amounts are whole credits, rounded up
once per call; dollars are integer micro-dollars. No floats.
"""

from collections.abc import Mapping

import orjson
from pydantic import JsonValue

from gateway.catalog import Model
from gateway.completion import Usage
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
from gateway.errors import ValidationFailedError

_MILLI = 1000
_PER_MILLION = 1_000_000
_DEARER_REGION = "us"
"""Where Anthropic charges a tenth more for every kind of token, for the guarantee that a model runs nowhere else."""

# A token is at least one byte of UTF-8, so bytes bound tokens from above. What
# is not text is bounded by what the vendors document for it.
_IMAGE_TOKENS = 5_000
_FRAME_TOKENS = 32
_TOOLS_TOKENS = 1_000
"""The vendors' own instructions for tools, several hundred tokens when any are given."""
_CLIENT_TOOL_TOKENS = 2_000
"""A schema and a description that the vendor writes; it documents 245 tokens for bash and 700 for the text editor."""


def charge(model: Model, usage: Usage) -> int:
    """Credits for what was used: all tokens, at the model's ratios, rounded up once."""
    read_ratio = model.ratio_milli if model.cache_read_ratio_milli is None else model.cache_read_ratio_milli
    milli = (usage.total - usage.cache_read) * model.ratio_milli + usage.cache_read * read_ratio
    return -(-milli // _MILLI)


def ceiling(model: Model, conversation: Conversation) -> int:
    """Credits that cover the worst case."""
    return ceiling_of_tokens(model, worst_case(conversation))


def worst_case(conversation: Conversation) -> int:
    """Tokens: the input's upper bound and every output token asked for."""
    return _input_bound(conversation) + conversation.sampling.max_tokens


def ceiling_of_tokens(model: Model, tokens: int) -> int:
    """Credits that cover so many, of whatever kind."""
    dearest = max(model.ratio_milli, model.cache_read_ratio_milli or 0)
    return -(-tokens * dearest // _MILLI)


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
    if usage.inference_geo == _DEARER_REGION:
        micro = -(-micro * 11 // 10)
    return -(-micro // _PER_MILLION)


def _input_bound(conversation: Conversation) -> int:
    turns = sum(_FRAME_TOKENS + sum(map(_bound, turn.blocks)) for turn in conversation.turns)
    system = sum(map(_bound, conversation.system))
    tools = sum(map(_tool_bound, conversation.tools))
    preamble = _TOOLS_TOKENS + _FRAME_TOKENS * len(conversation.tools) if conversation.tools else 0
    return turns + system + tools + preamble + _json_bytes(conversation.sampling.output_schema)


def _tool_bound(tool: Tool | ClientTool) -> int:
    if isinstance(tool, ClientTool):
        return _CLIENT_TOOL_TOKENS + _json_bytes(tool.options)
    examples = sum(map(_json_bytes, tool.examples))
    return _bytes(tool.name) + _bytes(tool.description) + _json_bytes(tool.schema) + examples


def _bound(block: Block) -> int:
    match block:
        case Text():
            return _FRAME_TOKENS + _bytes(block.text) + sum(map(_json_bytes, block.citations))
        case Image():
            return _IMAGE_TOKENS
        case Document():
            nested = sum(map(_bound, block.blocks))
            said = _bytes(block.text) + _bytes(block.title) + _bytes(block.context)
            return _FRAME_TOKENS + said + _bytes(block.data) + nested
        case SearchResult():
            return _FRAME_TOKENS + _bytes(block.source) + _bytes(block.title) + sum(map(_bound, block.content))
        case ToolUse():
            return _FRAME_TOKENS + _bytes(block.id) + _bytes(block.name) + _json_bytes(block.input)
        case ToolResult():
            return _FRAME_TOKENS + _bytes(block.tool_use_id) + sum(map(_bound, block.content))
        case Thinking(thinking, signature):
            return _FRAME_TOKENS + _bytes(thinking) + _bytes(signature)
        case RedactedThinking(data):
            return _FRAME_TOKENS + _bytes(data)


def _bytes(text: str | None) -> int:
    return len(text.encode("utf-8", "surrogatepass")) if text else 0


def _json_bytes(value: Mapping[str, JsonValue] | None) -> int:
    """Length as JSON. Raises `ValidationFailedError` for what JSON cannot say."""
    if not value:
        return 0
    try:
        return len(orjson.dumps(value))
    except orjson.JSONEncodeError:
        raise ValidationFailedError("A JSON value is nested too deeply or is not valid Unicode.") from None

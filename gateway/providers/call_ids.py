"""Ids of tool calls in a form that both vendors take: another vendor or server, or the caller, may have made them."""

import re
from dataclasses import replace
from hashlib import sha256

from gateway.conversation import Block, ToolResult, ToolUse

# Anthropic's alphabet and OpenAI's length.
_TAKEN = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def fitted(call: str) -> str:
    """`call` when it can be sent; else one that can, the same each time and no other call's."""
    return call if _TAKEN.fullmatch(call) else f"call_{sha256(call.encode()).hexdigest()[:24]}"


def with_fitted_id(block: Block) -> Block:
    match block:
        case ToolUse():
            return replace(block, id=fitted(block.id))
        case ToolResult():
            return replace(block, tool_use_id=fitted(block.tool_use_id))
        case _:
            return block

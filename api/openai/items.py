"""Answers as the Responses API's output items: one item a block, so that a stream and its end say the same.

https://platform.openai.com/docs/api-reference/responses/object
"""

import re
from collections.abc import Sequence
from typing import Any, assert_never

from gateway.completion import AnswerBlock, StopDetails, StopReason, Usage, tool_input_text
from gateway.conversation import RedactedThinking, Text, Thinking, ToolUse
from gateway.ids import InferenceId

Json = dict[str, Any]

REDACTED = "redacted."
"""Before reasoning that only its vendor can read, so that it is known again when a client sends it back."""

REFUSED = "The model declined to answer."
"""Where neither the model nor its vendor says more."""

_INCOMPLETE = {
    StopReason.MAX_TOKENS: "max_output_tokens",
    StopReason.CONTEXT_EXCEEDED: "max_output_tokens",
    StopReason.REFUSAL: "content_filter",
}


_REFERENCE = re.compile(r"(?:msg|fc|rs)_([0-7][0-9A-HJKMNP-TV-Z]{25})(\d{4})\Z")


def place_of(identity: str) -> tuple[InferenceId, int] | None:
    """The answer that an item of `item_id`'s is of, and its place in it; None for what is no id of ours."""
    found = _REFERENCE.match(identity)
    return (InferenceId(found[1]), int(found[2])) if found else None


def item_id(block: AnswerBlock, call: str, index: int) -> str:
    """Of the item at `index`; the same however often the answer is given."""
    match block:
        case Text():
            prefix = "msg"
        case ToolUse():
            prefix = "fc"
        case Thinking() | RedactedThinking():
            prefix = "rs"
        case _:
            assert_never(block)
    return f"{prefix}_{call}{index:04d}"


def output(blocks: Sequence[AnswerBlock], call: str, *, stop: StopReason, details: StopDetails | None) -> list[Json]:
    """All items of an answer, whole. A refusal without a word of it is told as one."""
    items = [item(block, item_id(block, call, index)) for index, block in enumerate(blocks)]
    if stop is StopReason.REFUSAL and not any(isinstance(block, Text) and block.text for block in blocks):
        items.append(refusal(f"msg_{call}{len(items):04d}", details))
    return items


def item(block: AnswerBlock, identity: str, *, status: str = "completed") -> Json:
    match block:
        case Text():
            return message(identity, [text_part(block.text)], status=status)
        case ToolUse():
            return function_call(identity, block, tool_input_text(block.input), status=status)
        case Thinking():
            return reasoning(identity, block.thinking, block.signature)
        case RedactedThinking():
            return reasoning(identity, "", REDACTED + block.data)


def message(identity: str, content: list[Json], *, status: str) -> Json:
    return {"id": identity, "type": "message", "status": status, "role": "assistant", "content": content}


def text_part(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def function_call(identity: str, call: ToolUse, arguments: str, *, status: str) -> Json:
    return {
        "id": identity,
        "type": "function_call",
        "status": status,
        "call_id": call.id,
        "name": call.name,
        "arguments": arguments,
    }


def reasoning(identity: str, summary: str, encrypted: str | None) -> Json:
    shown = [{"type": "summary_text", "text": summary}] if summary else []
    return {"id": identity, "type": "reasoning", "summary": shown, "encrypted_content": encrypted or None}


def refusal(identity: str, details: StopDetails | None) -> Json:
    words = details.explanation if details and details.explanation else REFUSED
    return message(identity, [{"type": "refusal", "refusal": words}], status="completed")


def ending(stop: StopReason, blocks: Sequence[AnswerBlock]) -> tuple[str, Json | None]:
    """The response's `status` and `incomplete_details`."""
    reason = _INCOMPLETE.get(stop)
    if stop is StopReason.REFUSAL and not any(isinstance(block, Text) and block.text for block in blocks):
        reason = None  # told in full, as a refusal
    return ("completed", None) if reason is None else ("incomplete", {"reason": reason})


def usage(used: Usage) -> Json:
    return {
        "input_tokens": used.total_input,
        "input_tokens_details": {"cached_tokens": used.cache_read, "cache_write_tokens": used.cache_write},
        "output_tokens": used.output,
        "output_tokens_details": {"reasoning_tokens": used.reasoning},
        "total_tokens": used.total,
    }

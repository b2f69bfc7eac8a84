"""An answer as a chat completion (spec, hatz 13.3)."""

from collections.abc import Sequence
from typing import Any

from api.content import metering
from api.openai.items import REFUSED
from gateway import ids
from gateway.completion import AnswerBlock, StopDetails, StopReason, Usage, tool_input_text
from gateway.conversation import Text, Thinking, ToolUse
from gateway.inference.call import Answer, Call
from gateway.inference.replay import Replay

Json = dict[str, Any]

_FINISHED = {
    StopReason.END_TURN: "stop",
    StopReason.STOP_SEQUENCE: "stop",
    StopReason.PAUSE_TURN: "stop",
    StopReason.MAX_TOKENS: "length",
    StopReason.CONTEXT_EXCEEDED: "length",
    StopReason.TOOL_USE: "tool_calls",
    StopReason.REFUSAL: "content_filter",
}


def shell(call: Call, kind: str) -> Json:
    """What a completion and each of its chunks begin with."""
    return {
        "id": f"chatcmpl-{call.id}",
        "object": kind,
        "created": int(call.received_at.timestamp()),
        "model": call.model,
        "system_fingerprint": None,
    }


def whole(answer: Answer | Replay) -> Json:
    completion, call = answer.completion, answer.call
    choice = {
        "index": 0,
        "message": _message(completion.blocks, completion.stop_reason, completion.stop_details),
        "finish_reason": finish_reason(completion.stop_reason, said=has_text(completion.blocks)),
        "logprobs": None,
    }
    return {
        **shell(call, "chat.completion"),
        "choices": [choice],
        "usage": usage(completion.usage),
        "meta": {
            "request_id": ids.request_id(call.id),
            "usage": metering.usage_lines(answer.model.id, completion.usage, answer.charge, answer.cost_micro_usd),
        },
    }


def has_text(blocks: Sequence[AnswerBlock]) -> bool:
    return any(isinstance(block, Text) and block.text for block in blocks)


def finish_reason(stop: StopReason, *, said: bool) -> str:
    """A refusal without a word is told as one, and ends as answers do."""
    return "stop" if stop is StopReason.REFUSAL and not said else _FINISHED[stop]


def refusal(stop: StopReason, details: StopDetails | None, *, said: bool) -> str | None:
    """The words of a refusal of which the model said none."""
    if stop is not StopReason.REFUSAL or said:
        return None
    return details.explanation if details and details.explanation else REFUSED


def tool_call(index: int | None, call: ToolUse, arguments: str) -> Json:
    """`index` is for streams."""
    told: Json = {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}
    return told if index is None else {"index": index, **told}


def usage(used: Usage) -> Json:
    return {
        "prompt_tokens": used.total_input,
        "completion_tokens": used.output,
        "total_tokens": used.total,
        "prompt_tokens_details": {"cached_tokens": used.cache_read, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": used.reasoning, "audio_tokens": 0},
    }


def _message(blocks: Sequence[AnswerBlock], stop: StopReason, details: StopDetails | None) -> Json:
    text = "".join(block.text for block in blocks if isinstance(block, Text))
    thought = "".join(block.thinking for block in blocks if isinstance(block, Thinking))
    calls = [tool_call(None, block, tool_input_text(block.input)) for block in blocks if isinstance(block, ToolUse)]
    refused = refusal(stop, details, said=has_text(blocks))
    message: Json = {
        "role": "assistant",
        "content": None if not text and (calls or refused) else text,
        "refusal": refused,
        "annotations": [],
    }
    if thought:
        message["reasoning_content"] = thought
    if calls:
        message["tool_calls"] = calls
    return message

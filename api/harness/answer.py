"""A harness' answer, in the shape that its own clients read and with what OpenAI's look for (spec, hatz 6.3, U16)."""

from collections.abc import Sequence
from typing import Any

from api.content import metering
from gateway import ids
from gateway.completion import StopReason
from gateway.harness.events import Ended, HarnessEvent, Said
from gateway.inference.call import Call

Json = dict[str, Any]

_FINISHED = {
    StopReason.MAX_TOKENS: "length",
    StopReason.CONTEXT_EXCEEDED: "length",
    StopReason.REFUSAL: "content_filter",
}


def finish_reason(stop: StopReason) -> str:
    return _FINISHED.get(stop, "stop")


def whole(call: Call, events: Sequence[HarnessEvent], *, request_id: str) -> Json:
    """`events` are all of a run's, whose last is its end."""
    ended = events[-1]
    if not isinstance(ended, Ended):
        raise TypeError("a run ends with its end")
    return {
        "id": f"chatcmpl-{call.id}",
        "object": "chat.completion",
        "created": int(call.received_at.timestamp()),
        "model": ended.model,
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "".join(event.text for event in events if isinstance(event, Said)),
                },
                "finish_reason": finish_reason(ended.stop_reason),
            }
        ],
        "usage": usage(ended),
        "meta": meta(ended, request_id),
    }


def usage(ended: Ended) -> Json:
    """By both vendors' names."""
    return {
        "input_tokens": ended.input_tokens,
        "output_tokens": ended.output_tokens,
        "prompt_tokens": ended.input_tokens,
        "completion_tokens": ended.output_tokens,
        "total_tokens": ended.input_tokens + ended.output_tokens,
    }


def meta(ended: Ended, request_id: str) -> Json:
    """What all of it cost, round by round and use by use; each has a record of its own."""
    return {
        "request_id": request_id,
        "credits": ended.charge,
        "cost_usd": metering.dollars(ended.cost_micro_usd),
        "rounds": [
            {
                "message_id": ids.message_id(each.id),
                "usage": metering.usage_lines(each.model, each.usage, each.charge, each.cost_micro_usd),
            }
            for each in ended.rounds
        ],
        "tools": [
            {"message_id": ids.message_id(each.id), "name": each.name, "status": each.status, "credits": each.charge}
            for each in ended.uses
        ],
    }

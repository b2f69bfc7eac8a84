"""The response object: what was asked for, said back, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue

from api.content import metering
from api.openai import items
from gateway import ids
from gateway.inference.call import Answer, Call
from gateway.inference.replay import Replay

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Echo:
    """Fields of a request that its response repeats, as they were sent or by their defaults."""

    fields: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue], repr=False)


def response_id(inference: str) -> str:
    return f"resp_{inference}"


def shell(call: Call, echo: Echo, *, status: str) -> Json:
    """A response of which nothing is said yet."""
    return {
        "id": response_id(call.id),
        "object": "response",
        "created_at": int(call.received_at.timestamp()),
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": call.model,
        "output": [],
        "previous_response_id": None,
        "store": False,
        **echo.fields,
    }


def whole(answer: Answer | Replay, echo: Echo) -> Json:
    completion, call = answer.completion, answer.call
    status, incomplete = items.ending(completion.stop_reason, completion.blocks)
    return {
        **shell(call, echo, status=status),
        "incomplete_details": incomplete,
        "output": items.output(
            completion.blocks, call.id, stop=completion.stop_reason, details=completion.stop_details
        ),
        "usage": items.usage(completion.usage),
        "meta": {
            "request_id": ids.request_id(call.id),
            "usage": metering.usage_lines(answer.model.id, completion.usage, answer.charge, answer.cost_micro_usd),
        },
    }

"""Examples of the OpenAPI document for native chat. Tests hold them to the schemas and to what routes answer."""

from collections.abc import Mapping
from typing import Any

from api.openapi import answer

_ULID = "01K0B6W4M7RT2V9YQ3X5ZC8D1E"
_UUID = "0198166e-1287-c683-b4db-171ed6c6a02e"
_HEADERS = {
    "hasp-ignored-parameters": "Parameters that were taken and that nobody reads, comma-separated.",
    "hasp-model": "The model that was chosen, where the request's `model` is `auto` or an agent.",
}

CHAT_REQUEST: Mapping[str, Any] = {
    "plain": {
        "model": "claude-haiku-4-5",
        "messages": [{"role": "user", "content": "Summarize the visit note in one sentence."}],
    },
    "with tools, streamed": {
        "model": "auto",
        "messages": [
            {"role": "system", "content": "Answer briefly."},
            {"role": "user", "content": "What is 7% of 1200, by month?"},
        ],
        "tools_to_use": ["calculator"],
        "stream": True,
    },
    "in the background": {
        "model": "auto",
        "messages": [{"role": "user", "content": "Compare the three guidelines."}],
        "tools_to_use": ["calculator"],
        "background": True,
    },
    "with an agent, and tools as the message asks for them": {
        "model": f"agent-{_UUID}",
        "messages": [{"role": "user", "content": "What does our handbook say on night shifts?"}],
        "auto_tool_selection": True,
    },
}
_USAGE = {
    "input_tokens": 18,
    "output_tokens": 74,
    "prompt_tokens": 18,
    "completion_tokens": 74,
    "total_tokens": 92,
}
CHAT = answer(
    "The answer, or one JSON object a line.",
    {
        "id": f"chatcmpl-{_ULID}",
        "object": "chat.completion",
        "created": 1_789_000_000,
        "model": "claude-haiku-4-5",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Seven dollars."}, "finish_reason": "stop"}
        ],
        "usage": _USAGE,
        "meta": {
            "request_id": f"req_{_ULID}",
            "credits": 92,
            "cost_usd": 0.001164,
            "rounds": [
                {
                    "message_id": f"msg_{_ULID}",
                    "usage": {
                        "model": "claude-haiku-4-5",
                        "input_tokens": 18,
                        "output_tokens": 74,
                        "cache_read_input_tokens": 0,
                        "cache_creation_input_tokens": 0,
                        "sonnet_equivalent_tokens": 92,
                        "cost_usd": 0.001164,
                    },
                }
            ],
            "tools": [{"message_id": f"msg_{_ULID}", "name": "calculator", "status": "completed", "credits": 0}],
        },
    },
    lines=(
        '{"type":"tool_call","message":"calculator","name":"calculator","id":"toolu_1"}\n'
        '{"type":"tool_result","message":"done","name":"calculator","id":"toolu_1","is_error":false}\n'
        '{"type":"content","message":"Seven dollars."}\n'
        '{"type":"usage","message":"","usage":{"input_tokens":18,"output_tokens":74}}\n'
        '{"type":"done","message":"stop","finish_reason":"stop","model":"claude-haiku-4-5"}\n'
    ),
    headers=_HEADERS,
)
MODELS = answer(
    "The list.",
    {
        "data": [
            {
                "name": "claude-haiku-4-5",
                "developer": "Anthropic",
                "display_name": "Claude Haiku 4.5",
                "max_tokens": 200_000,
                "max_output_tokens": 64_000,
                "vision": True,
            }
        ]
    },
)
TOOLS = answer(
    "The list.",
    {
        "data": [
            {
                "name": "calculator",
                "description": "Computes an arithmetic expression exactly.",
                "input_schema": {},
                "leaves": False,
                "credits": 0,
            }
        ]
    },
)
_RUN = {
    "id": f"chatcmpl-{_ULID}",
    "object": "chat.completion",
    "status": "completed",
    "created": 1_789_000_000,
    "started_at": "2026-09-10T00:26:40+00:00",
    "finished_at": "2026-09-10T00:26:44+00:00",
    "error": None,
    "model": "claude-haiku-4-5",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Seven dollars."}, "finish_reason": "stop"}],
    "usage": _USAGE,
    "meta": {"request_id": f"req_{_ULID}"},
}
RUN = answer("The run.", _RUN)
RUN_CANCELLED = answer("The run.", {**_RUN, "status": "cancelled", "choices": []})
RUN_BEGUN = answer(
    "With `background`: the run, not done by then.",
    {**_RUN, "status": "queued", "started_at": None, "finished_at": None, "choices": []},
    headers={"location": "Where to ask for it."},
)
CREATE_PRESET_REQUEST: Mapping[str, Any] = {
    "plain": {
        "name": "Night desk",
        "description": "Answers what the handbook answers.",
        "instructions": "You help the night desk. Quote the handbook.",
        "model": "auto",
        "tools": ["calculator"],
        "sources": [],
    }
}
CHANGE_PRESET_REQUEST: Mapping[str, Any] = {"its instructions": {"instructions": "You help the night desk."}}
_PRESET = {"id": _UUID, **CREATE_PRESET_REQUEST["plain"]}
PRESETS = answer("The list.", {"data": [_PRESET]})
PRESET = answer("The agent.", _PRESET, headers={"etag": "Its version, for `If-Match`."})
PRESET_CREATED = answer(
    "The agent.",
    {**_PRESET, "request_id": f"req_{_ULID}"},
    headers={"etag": "Its version, for `If-Match`.", "location": "Where it is."},
)
PRESET_DELETED = answer("It is gone.", {"id": _UUID, "deleted": True})

"""Examples of the OpenAPI document for `/v1/openai/*`. Tests hold them to the schemas and to what routes answer."""

from collections.abc import Mapping
from typing import Any

from api.openapi import answer

_ULID = "01K0B6W4M7RT2V9YQ3X5ZC8D1E"
_TOLD = {
    "hasp-answered-by": "The model that answered, where it is an equivalent of the one that was asked.",
    "hasp-ignored-parameters": "Parameters that were taken and that nobody reads, comma-separated.",
    "hasp-model": "The model that was meant, where the request's `model` is `auto`.",
    "hasp-upstream": "`sandbox`, where the answer is made up.",
}
_META = {
    "request_id": f"req_{_ULID}",
    "usage": {
        "model": "gpt-5.4-mini",
        "input_tokens": 18,
        "output_tokens": 74,
        "cache_read_input_tokens": 0,
        "cache_creation_input_tokens": 0,
        "sonnet_equivalent_tokens": 23,
        "cost_usd": 0.000347,
    },
}
_PARAMETERS = {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]}

CHAT_COMPLETION_REQUEST: Mapping[str, Any] = {
    "plain": {"model": "gpt-5.4-mini", "messages": [{"role": "user", "content": "Summarize the visit note."}]},
    "with a tool, streamed": {
        "model": "gpt-5.4-mini",
        "messages": [
            {"role": "developer", "content": "Answer briefly."},
            {"role": "user", "content": "Is Tuesday free?"},
        ],
        "tools": [{"type": "function", "function": {"name": "find_slot", "parameters": _PARAMETERS}}],
        "tool_choice": "auto",
        "stream": True,
        "stream_options": {"include_usage": True},
    },
}
_CHUNKS = (
    f'data: {{"id":"chatcmpl-{_ULID}","object":"chat.completion.chunk","created":1789000000,"model":"gpt-5.4-mini",'
    '"system_fingerprint":null,"choices":[{"index":0,"delta":{"content":"The visit"},"finish_reason":null}]}\n\n'
    "data: [DONE]\n\n"
)
CHAT_COMPLETION = answer(
    "OpenAI's chat completion, or its chunks.",
    {
        "id": f"chatcmpl-{_ULID}",
        "object": "chat.completion",
        "created": 1_789_000_000,
        "model": "gpt-5.4-mini",
        "system_fingerprint": None,
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "The visit was routine.",
                    "refusal": None,
                    "annotations": [],
                },
                "finish_reason": "stop",
                "logprobs": None,
            }
        ],
        "usage": {
            "prompt_tokens": 18,
            "completion_tokens": 74,
            "total_tokens": 92,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
        "meta": _META,
    },
    events=_CHUNKS,
    headers=_TOLD,
)

RESPONSE_REQUEST: Mapping[str, Any] = {
    "plain": {"model": "gpt-5.4-mini", "input": "Summarize the visit note."},
    "with a tool and its result, streamed": {
        "model": "gpt-5.4-mini",
        "instructions": "Answer briefly.",
        "input": [
            {"role": "user", "content": "Is Tuesday free?"},
            {"type": "function_call", "call_id": "call_1", "name": "find_slot", "arguments": '{"day":"Tuesday"}'},
            {"type": "function_call_output", "call_id": "call_1", "output": "nine"},
        ],
        "tools": [{"type": "function", "name": "find_slot", "parameters": _PARAMETERS}],
        "store": False,
        "stream": True,
    },
}
_ITEM: dict[str, Any] = {
    "id": f"msg_{_ULID}0000",
    "type": "message",
    "status": "completed",
    "role": "assistant",
    "content": [{"type": "output_text", "text": "The visit was routine.", "annotations": [], "logprobs": []}],
}
RESPONSE = answer(
    "OpenAI's response, or its events.",
    {
        "id": f"resp_{_ULID}",
        "object": "response",
        "created_at": 1_789_000_000,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": "gpt-5.4-mini",
        "output": [_ITEM],
        "previous_response_id": None,
        "store": False,
        "instructions": None,
        "max_output_tokens": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "temperature": None,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "truncation": "disabled",
        "user": None,
        "usage": {
            "input_tokens": 18,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": 74,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 92,
        },
        "meta": _META,
    },
    events=(
        "event: response.output_text.delta\n"
        f'data: {{"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_{_ULID}0000","output_index":0,'
        '"content_index":0,"delta":"The visit","logprobs":[]}\n\n'
    ),
    headers=_TOLD,
)

_MODEL = {"id": "gpt-5.4-mini", "object": "model", "created": 1_775_001_600, "owned_by": "openai"}
MODELS = answer("The list.", {"object": "list", "data": [_MODEL]})
MODEL = answer("The model.", _MODEL)
INPUT_TOKENS = answer("The count.", {"object": "response.input_tokens", "input_tokens": 12})

"""Bodies of `/v1/openai/*` with text in every place that the gateway reads, and in many that it leaves out.

Written by hand: what is ignored there has no schema to make it from.
"""

from typing import Any

from tests.e2e.request_shapes import JSON_SCHEMA, PLAIN, TOOL_INPUT, Fixed, Free, Object, Shape

RESPONSES, CHAT = PATHS = ("/v1/openai/responses", "/v1/openai/chat/completions")

READ = frozenset({"arguments", "content", "description", "instructions", "output", "refusal", "text"})
"""Fields whose text goes to a model, wherever they stand outside free-form JSON."""

_PNG = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg=="
_PDF = "data:application/pdf;base64,JVBERi0xLjQK"


def shapes() -> list[Shape]:
    made = [*(Shape(RESPONSES, body, RESPONSES) for body in _responses())]
    return made + [Shape(CHAT, body, CHAT) for body in _chats()]


def _responses() -> list[Object]:
    said = {"type": "message", "role": Fixed("user"), "content": PLAIN, "id": PLAIN}
    return [
        {"input": PLAIN, "instructions": PLAIN, "metadata": Free(note=PLAIN), "user": PLAIN},
        {"input": [_of("system", PLAIN), _of("developer", PLAIN), _of("user", PLAIN)]},
        {"input": [said, _of("assistant", PLAIN), said]},
        {"input": [_of("user", [_part("input_text", text=PLAIN), _part("input_image", image_url=_PNG)])]},
        {"input": [_of("user", [_part("input_file", filename=PLAIN, file_data=_PDF)])]},
        {"input": [said, _of("assistant", [_part("output_text", text=PLAIN, annotations=[Free(title=PLAIN)])]), said]},
        {"input": [said, _of("assistant", [_part("refusal", refusal=PLAIN)]), said]},
        {
            "input": [
                said,
                {"type": "function_call", "call_id": "call_1", "name": "find", "arguments": '{"note":"plain"}'},
                {"type": "function_call_output", "call_id": "call_1", "output": PLAIN},
                {"type": "function_call", "call_id": "call_2", "name": "find", "arguments": "{}", "id": PLAIN},
                {"type": "function_call_output", "call_id": "call_2", "output": [_part("input_text", text=PLAIN)]},
            ],
            "tools": [_called()],
        },
        {
            "input": [
                said,
                {"type": "reasoning", "id": PLAIN, "summary": [{"type": "summary_text", "text": PLAIN}]},
                said,
            ]
        },
        {"input": PLAIN, "tools": [_called(), {"type": "function", "function": _called(name="seek")}]},
        {"input": PLAIN, "tools": [_called(), {"type": "namespace", "name": PLAIN, "tools": [_called(name="seek")]}]},
        {"input": PLAIN, "tools": [_called(), Free(type="web_search", user_location=Free(city=PLAIN))]},
        {"input": PLAIN, "tools": [_called()], "tool_choice": {"type": "function", "name": "find"}},
        {"input": PLAIN, "text": {"format": {"type": "json_schema", "name": PLAIN, "schema": JSON_SCHEMA}}},
        {"input": PLAIN, "prompt_cache_key": PLAIN, "client_metadata": Free(note=PLAIN), "include": [PLAIN]},
        {"input": PLAIN, "safety_identifier": PLAIN, "unheard_of": Free(note=PLAIN)},
    ]


def _chats() -> list[Object]:
    said = _of("user", PLAIN)
    call = {"id": "call_1", "type": "function", "function": {"name": "find", "arguments": '{"note":"plain"}'}}
    result = {"role": Fixed("tool"), "tool_call_id": "call_1"}
    called = {"type": "function", "function": _called()}
    return [
        {"messages": [_of("system", PLAIN), _of("developer", PLAIN), said]},
        {"messages": [said, _of("assistant", PLAIN), said]},
        {"messages": [_of("system", [_part("text", text=PLAIN)]), _of("user", [_part("text", text=PLAIN)])]},
        {"messages": [_of("user", [_part("image_url", image_url={"url": _PNG, "detail": PLAIN})])]},
        {"messages": [_of("user", [_part("file", file={"filename": PLAIN, "file_data": _PDF})])]},
        {"messages": [said, _of("assistant", [_part("text", text=PLAIN)]), said, {**said, "name": PLAIN}]},
        {"messages": [said, _of("assistant", None) | {"refusal": PLAIN}, said]},
        {
            "messages": [said, _of("assistant", None) | {"tool_calls": [call]}, result | {"content": PLAIN}],
            "tools": [called],
        },
        {
            "messages": [
                said,
                _of("assistant", PLAIN) | {"tool_calls": [call], "reasoning_content": PLAIN},
                result | {"content": [_part("text", text=PLAIN)]},
            ],
            "tools": [called, Free(type="custom", custom=Free(name=PLAIN))],
        },
        {"messages": [said], "tools": [called], "tool_choice": {"type": "function", "function": {"name": "find"}}},
        {
            "messages": [said],
            "response_format": {"type": "json_schema", "json_schema": {"name": PLAIN, "schema": JSON_SCHEMA}},
        },
        {"messages": [said], "user": PLAIN, "metadata": Free(note=PLAIN), "prediction": Free(content=PLAIN)},
        {"messages": [said], "safety_identifier": PLAIN, "unheard_of": TOOL_INPUT},
    ]


def _of(role: str, content: Any) -> Object:
    return {"role": Fixed(role), "content": content}


def _part(kind: str, **fields: Any) -> Object:
    return {"type": Fixed(kind), **fields}


def _called(name: str = "find") -> Object:
    return {"type": "function", "name": name, "description": PLAIN, "parameters": JSON_SCHEMA}

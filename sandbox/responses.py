"""OpenAI's Responses API, as far as a gateway meets it."""

import time
from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import uuid4

import orjson

from sandbox import openai
from sandbox.directives import DirectiveError, read_directives
from sandbox.responses_rules import COUNTED, FIELDS, check_input, text_of
from sandbox.responses_stream import frames
from sandbox.script import ANY_OBJECT, Call, Request, Script, ToolSpec, tokens, write_script
from sandbox.signing import sign
from sandbox.wire import Answer, Json, child, children, event

_INCOMPLETE: Mapping[str, str] = {
    "max_tokens": "max_output_tokens",
    "model_context_window_exceeded": "max_output_tokens",
    "content_filter": "content_filter",
}
_ECHOED = ("instructions", "max_output_tokens", "metadata", "previous_response_id", "safety_identifier", "user")


def responses(headers: Mapping[str, str], body: bytes) -> Answer:
    """`POST /v1/responses`."""
    request = openai.parse(headers, body, FIELDS, ("model", "input"))
    request["input"] = _items_of(request["input"])
    said = _last_user_text(request["input"])
    script = _script(request, said)
    answer = _response(request, script)
    return Answer(
        model=request["model"],
        refuse=partial(openai.failed, read_directives(said)[1]),
        headers=openai.answer_headers(),
        directives=script.directives,
        said=said,
        whole=None if request.get("stream") else answer,
        frames=frames(answer, script),
        failure=_failure(answer, script),
        charge=script.charge(answer["id"], request),
        unseen=0 if _summarizes(request) else script.usage.thinking,
    )


def count_tokens(headers: Mapping[str, str], body: bytes) -> Answer:
    """`POST /v1/responses/input_tokens`."""
    request = openai.parse(headers, body, COUNTED, ())
    if request.get("input") is not None:
        request["input"] = _items_of(request["input"])
    return Answer(
        model=request.get("model") or "",
        refuse=partial(openai.failed, ""),
        headers=openai.answer_headers(),
        whole={"object": "response.input_tokens", "input_tokens": _input_tokens(request)},
    )


def _items_of(given: object) -> list[Json]:
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    return check_input(items)


def _script(request: Json, said: str) -> Script:
    try:
        directives, text = read_directives(said)
        return write_script(
            Request(
                directives=directives,
                text=text,
                tools=[
                    ToolSpec(tool["name"], tool.get("parameters") or {})
                    for tool in children(request, "tools")
                    if tool.get("type") == "function"
                ],
                max_tokens=request.get("max_output_tokens"),
                input_tokens=_input_tokens(request),
                parallel_calls=request.get("parallel_tool_calls") is not False,
                output_schema=_output_schema(child(child(request, "text"), "format")),
            )
        )
    except DirectiveError as error:
        raise openai.refusal(400, f"sandbox: {error}") from None


def _output_schema(wanted: Json) -> Mapping[str, Any] | None:
    return ANY_OBJECT if wanted.get("type") == "json_object" else wanted.get("schema")


def _last_user_text(items: list[Json]) -> str:
    """The text of the last user message, or of the tool outputs after it that no later call follows."""
    outputs: list[str] = []
    for item in reversed(items):
        if item.get("type") == "function_call_output":
            outputs.append(text_of(item["output"]))
        elif outputs:
            break
        elif item.get("role") == "user":
            return text_of(item["content"])
    return "\n".join(reversed(outputs))


def _input_tokens(request: Json) -> int:
    told = [request.get(field) for field in ("instructions", "tools", "input")]
    return tokens(orjson.dumps([part for part in told if part]).decode())


def _response(request: Json, script: Script) -> Json:
    reason = _INCOMPLETE.get(script.stop)
    return {
        "id": f"resp_{uuid4().hex}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "incomplete" if reason else "completed",
        "background": False,
        "error": None,
        "incomplete_details": {"reason": reason} if reason else None,
        "model": request["model"],
        "output": _items(request, script),
        "parallel_tool_calls": request.get("parallel_tool_calls", True) is not False,
        "reasoning": request.get("reasoning") or {"effort": None, "summary": None},
        "service_tier": openai.service_tier(request),
        "store": request.get("store", True) is not False,
        "temperature": request.get("temperature") or 1.0,
        "text": request.get("text") or {"format": {"type": "text"}},
        "tool_choice": request.get("tool_choice") or "auto",
        "tools": request.get("tools") or [],
        "top_p": request.get("top_p") or 1.0,
        "truncation": "disabled",
        "usage": _usage(script),
    } | {name: request.get(name) for name in _ECHOED}


def _usage(script: Script) -> Json:
    usage = script.usage
    return {
        "input_tokens": usage.total_input,
        "input_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.thinking},
        "total_tokens": usage.total_input + usage.output,
    }


def _items(request: Json, script: Script) -> list[Json]:
    items: list[Json] = []
    if script.thoughts:
        items.append(_reasoning(request, script))
    status = "incomplete" if script.stop in _INCOMPLETE else "completed"
    if script.pieces or not script.calls:
        part: Json = {"type": "output_text", "annotations": [], "logprobs": [], "text": script.text}
        if script.stop == "refusal":
            part = {"type": "refusal", "refusal": script.text}
        items.append({"id": _id("msg"), "type": "message", "status": status, "role": "assistant", "content": [part]})
    return items + [_call(call) for call in script.calls]


def _call(call: Call) -> Json:
    return {
        "id": _id("fc"),
        "type": "function_call",
        "status": "completed",
        "call_id": _id("call"),
        "name": call.name,
        "arguments": call.arguments,
    }


def _reasoning(request: Json, script: Script) -> Json:
    item_id = _id("rs")
    shown = script.thoughts if _summarizes(request) else ()
    item: Json = {
        "id": item_id,
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": thought} for thought in shown],
    }
    if "reasoning.encrypted_content" in (request.get("include") or []):
        item["encrypted_content"] = sign("reasoning", item_id)
    return item


def _summarizes(request: Json) -> bool:
    return bool(child(request, "reasoning").get("summary"))


def _failure(answer: Json, script: Script) -> bytes:
    error = {"code": "server_error", "message": f"sandbox: {script.text}"}
    failed: Json = {"status": "failed", "error": error, "output": [], "usage": None}
    # Large enough to follow whatever was sent; the vendor's numbers only grow.
    data = {"type": "response.failed", "response": answer | failed, "sequence_number": 10**6}
    return event("response.failed", data).data


def _id(prefix: str) -> str:
    return f"{prefix}_{uuid4().hex}"

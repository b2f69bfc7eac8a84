"""OpenAI's Responses API, as far as a gateway meets it."""

import time
from collections.abc import Iterator, Mapping
from uuid import uuid4

import orjson

from sandbox import openai
from sandbox.directives import DirectiveError, Directives, read_directives
from sandbox.responses_rules import FIELDS, check_input, text_of
from sandbox.script import Call, Request, Script, ToolSpec, tokens, write_script
from sandbox.signing import sign
from sandbox.wire import Answer, Frame, Json, child, children, event

_ECHOED = ("instructions", "max_output_tokens", "metadata", "previous_response_id", "safety_identifier", "user")


def responses(headers: Mapping[str, str], body: bytes) -> Answer:
    """`POST /v1/responses`."""
    request = openai.parse(headers, body, FIELDS, ("model", "input"))
    if isinstance(request["input"], str):
        request["input"] = [{"role": "user", "content": request["input"]}]
    check_input(request["input"])
    script = _script(request)
    if script.directives.error is not None:
        raise openai.refusal(script.directives.error, f"sandbox: asked to fail: {_said(request)[1]}")
    answer = _response(request, script)
    return Answer(
        directives=script.directives,
        headers=openai.answer_headers(),
        whole=None if request.get("stream") else answer,
        frames=_frames(answer, script),
        failure=_failure(answer, script),
        refusal=openai.refusal(500, f"sandbox: {script.text}"),
    )


def _script(request: Json) -> Script:
    try:
        directives, text = _said(request)
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
                output_schema=child(child(request, "text"), "format").get("schema"),
            )
        )
    except DirectiveError as error:
        raise openai.refusal(400, f"sandbox: {error}") from None


def _said(request: Json) -> tuple[Directives, str]:
    return read_directives(_last_user_text(request["input"]))


def _last_user_text(items: list[Json]) -> str:
    """The text of the last user message, or of the tool outputs that came after it."""
    outputs: list[str] = []
    for item in reversed(items):
        if item.get("role") == "user":
            return "\n".join(reversed(outputs)) if outputs else text_of(item["content"])
        if item.get("type") == "function_call_output":
            outputs.append(text_of(item["output"]))
    return "\n".join(reversed(outputs))


def _input_tokens(request: Json) -> int:
    told = [request.get(field) for field in ("instructions", "tools", "input")]
    return tokens(orjson.dumps([part for part in told if part]).decode())


def _response(request: Json, script: Script) -> Json:
    cut = script.stop == "max_tokens"
    return {
        "id": f"resp_{uuid4().hex}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "incomplete" if cut else "completed",
        "background": False,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "model": request["model"],
        "output": _items(request, script),
        "parallel_tool_calls": request.get("parallel_tool_calls", True) is not False,
        "reasoning": request.get("reasoning") or {"effort": None, "summary": None},
        "service_tier": "default",
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
    status = "incomplete" if script.stop == "max_tokens" else "completed"
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
    wanted = child(request, "reasoning").get("summary")
    item: Json = {
        "id": item_id,
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": thought} for thought in script.thoughts if wanted],
    }
    if "reasoning.encrypted_content" in (request.get("include") or []):
        item["encrypted_content"] = sign("reasoning", item_id)
    return item


def _frames(answer: Json, script: Script) -> Iterator[Frame]:
    unsaid: Json = {"status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    for number, (name, fields) in enumerate(_steps(answer, answer | unsaid, script)):
        data = {"type": name, **fields, "sequence_number": number}
        yield event(name, data, delta=name.endswith(".delta"))


def _steps(answer: Json, started: Json, script: Script) -> Iterator[tuple[str, Json]]:
    yield "response.created", {"response": started}
    yield "response.in_progress", {"response": started}
    for at, item in enumerate(answer["output"]):
        opened: Json = {**item, "status": "in_progress", **_UNSAID[item["type"]]}
        opened.pop("encrypted_content", None)
        yield "response.output_item.added", {"output_index": at, "item": opened}
        yield from _STEPS[item["type"]](item, at, script)
        yield "response.output_item.done", {"output_index": at, "item": item}
    yield f"response.{answer['status']}", {"response": answer}


def _message_steps(item: Json, at: int, script: Script) -> Iterator[tuple[str, Json]]:
    part = item["content"][0]
    place = {"item_id": item["id"], "output_index": at, "content_index": 0}
    refused = part["type"] == "refusal"
    field, name = ("refusal", "response.refusal") if refused else ("text", "response.output_text")
    logprobs: Json = {} if refused else {"logprobs": []}
    yield "response.content_part.added", {**place, "part": part | {field: ""}}
    for piece in script.pieces:
        yield f"{name}.delta", {**place, "delta": piece, **logprobs}
    yield f"{name}.done", {**place, field: part[field], **logprobs}
    yield "response.content_part.done", {**place, "part": part}


def _call_steps(item: Json, at: int, script: Script) -> Iterator[tuple[str, Json]]:
    place = {"item_id": item["id"], "output_index": at}
    for piece in script.cut(item["arguments"]):
        yield "response.function_call_arguments.delta", {**place, "delta": piece}
    done = {**place, "arguments": item["arguments"], "name": item["name"]}
    yield "response.function_call_arguments.done", done


def _reasoning_steps(item: Json, at: int, script: Script) -> Iterator[tuple[str, Json]]:
    for number, part in enumerate(item["summary"]):
        place = {"item_id": item["id"], "output_index": at, "summary_index": number}
        yield "response.reasoning_summary_part.added", {**place, "part": part | {"text": ""}}
        for piece in script.cut(part["text"]):
            yield "response.reasoning_summary_text.delta", {**place, "delta": piece}
        yield "response.reasoning_summary_text.done", {**place, "text": part["text"]}
        yield "response.reasoning_summary_part.done", {**place, "part": part}


_UNSAID: Mapping[str, Json] = {
    "message": {"content": []},
    "function_call": {"arguments": ""},
    "reasoning": {"summary": []},
}
_STEPS = {"message": _message_steps, "function_call": _call_steps, "reasoning": _reasoning_steps}


def _failure(answer: Json, script: Script) -> bytes:
    error = {"code": "server_error", "message": f"sandbox: {script.text}"}
    failed: Json = {"status": "failed", "error": error, "output": [], "usage": None}
    # Large enough to follow whatever was sent; the vendor's numbers only grow.
    data = {"type": "response.failed", "response": answer | failed, "sequence_number": 10**6}
    return event("response.failed", data).data


def _id(prefix: str) -> str:
    return f"{prefix}_{uuid4().hex}"

"""Anthropic's Messages API, as far as a gateway meets it."""

from collections.abc import Iterator, Mapping
from uuid import uuid4

import orjson

from sandbox.anthropic_rules import check_headers, check_request
from sandbox.directives import DirectiveError, Directives, read_directives
from sandbox.script import Request, Script, ToolSpec, tokens, write_script
from sandbox.signing import sign
from sandbox.wire import Answer, Frame, Json, RefusedError, as_object, child, children, event

_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_MODELS = ("claude-haiku-4-5-20251001", "claude-sonnet-4-6", "claude-opus-4-6", "claude-opus-4-7")


def refusal(status: int, message: str) -> RefusedError:
    """An error as the vendor words it: the type by the status, the request's id in body and header."""
    request_id = _id("req")
    error = {"type": _ERROR_TYPES.get(status, "api_error"), "message": message}
    headers = {"request-id": request_id} | ({"retry-after": "7"} if status == 429 else {})
    return RefusedError(status, {"type": "error", "error": error, "request_id": request_id}, headers)


def messages(headers: Mapping[str, str], body: bytes) -> Answer:
    """`POST /v1/messages`."""
    request = _checked(headers, body, count=False)
    script = _script(request)
    request_id = _id("req")
    if script.directives.error is not None:
        raise refusal(script.directives.error, f"sandbox: asked to fail: {_said(request)[1]}")
    failure = {"type": "error", "error": {"type": "overloaded_error", "message": f"sandbox: {script.text}"}}
    return Answer(
        directives=script.directives,
        headers={"request-id": request_id},
        whole=None if request.get("stream") else _message(request["model"], script),
        frames=_frames(request["model"], script),
        failure=event("error", failure | {"request_id": request_id}).data,
        refusal=refusal(529, f"sandbox: {script.text}"),
    )


def count_tokens(headers: Mapping[str, str], body: bytes) -> Json:
    """`POST /v1/messages/count_tokens`."""
    return {"input_tokens": _input_tokens(_checked(headers, body, count=True))}


def models(headers: Mapping[str, str]) -> Json:
    """`GET /v1/models`."""
    _refuse(check_headers(headers))
    listed = [
        {
            "type": "model",
            "id": model,
            "display_name": model,
            "created_at": "2026-01-01T00:00:00Z",
            "lifecycle": "active",
        }
        for model in _MODELS
    ]
    return {"data": listed, "has_more": False, "first_id": _MODELS[0], "last_id": _MODELS[-1]}


def _checked(headers: Mapping[str, str], body: bytes, *, count: bool) -> Json:
    _refuse(check_headers(headers))
    try:
        request = as_object(orjson.loads(body))
    except orjson.JSONDecodeError:
        raise refusal(400, "The request body is not valid JSON") from None
    if request is None:
        raise refusal(400, "Input should be a valid dictionary")
    _refuse(check_request(request, count=count))
    return request


def _refuse(problem: tuple[int, str] | None) -> None:
    if problem is not None:
        raise refusal(*problem)
    return


def _script(request: Json) -> Script:
    try:
        directives, text = _said(request)
        return write_script(
            Request(
                directives=directives,
                text=text,
                tools=[
                    ToolSpec(tool["name"], tool["input_schema"])
                    for tool in children(request, "tools")
                    if "input_schema" in tool
                ],
                max_tokens=request["max_tokens"],
                input_tokens=_input_tokens(request),
                stop_sequences=request.get("stop_sequences") or [],
                output_schema=child(child(request, "output_config"), "format").get("schema"),
            )
        )
    except DirectiveError as error:
        raise refusal(400, f"sandbox: {error}") from None


def _said(request: Json) -> tuple[Directives, str]:
    return read_directives(_last_user_text(request["messages"]))


def _last_user_text(turns: list[Json]) -> str:
    """The text of the last user message, or of its tool results where it has no other."""
    content = next((turn["content"] for turn in reversed(turns) if turn["role"] == "user"), "")
    if isinstance(content, str):
        return content
    texts = [block["text"] for block in content if block["type"] == "text"]
    if not texts:
        texts = [_result_text(block.get("content", "")) for block in content if block["type"] == "tool_result"]
    return "\n".join(texts)


def _result_text(content: str | list[Json]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content if part["type"] == "text")


def _input_tokens(request: Json) -> int:
    told = [request.get(field) for field in ("system", "tools", "messages")]
    return tokens(orjson.dumps([part for part in told if part]).decode())


def _blocks(script: Script) -> list[Json]:
    blocks: list[Json] = []
    thought = "\n\n".join(script.thoughts)
    if thought and script.directives.thinking == "redacted":
        blocks.append({"type": "redacted_thinking", "data": sign("redacted", "")})
    elif thought:
        blocks.append({"type": "thinking", "thinking": thought, "signature": sign("thinking", thought)})
    if script.pieces or not script.calls:
        blocks.append({"type": "text", "text": script.text})
    return blocks + [
        {"type": "tool_use", "id": _id("toolu"), "name": call.name, "input": orjson.loads(call.arguments)}
        for call in script.calls
    ]


def _message(model: str, script: Script) -> Json:
    return {
        "id": _id("msg"),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": _blocks(script),
        "stop_reason": script.stop,
        "stop_sequence": script.stop_sequence,
        "stop_details": _stop_details(script),
        "usage": _usage(script, script.usage.output),
    }


def _stop_details(script: Script) -> Json | None:
    return {"type": "refusal", "category": None, "explanation": None} if script.stop == "refusal" else None


def _usage(script: Script, output: int) -> Json:
    usage = script.usage
    hour = usage.cache_write // 4
    return {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {"ephemeral_5m_input_tokens": usage.cache_write - hour, "ephemeral_1h_input_tokens": hour},
        "output_tokens": output,
        "output_tokens_details": {"thinking_tokens": usage.thinking if output == usage.output else 0},
        "service_tier": "standard",
        "inference_geo": "not_available",
    }


def _frames(model: str, script: Script) -> Iterator[Frame]:
    unsaid: Json = {"content": [], "stop_reason": None, "stop_sequence": None, "stop_details": None}
    start = _message(model, script) | unsaid | {"usage": _usage(script, 1)}
    yield event("message_start", {"type": "message_start", "message": start})
    for index, block in enumerate(_blocks(script)):
        yield from _block_frames(index, block, script)
        if not index:
            yield event("ping", {"type": "ping"})
    ended = {"stop_reason": script.stop, "stop_sequence": script.stop_sequence, "stop_details": _stop_details(script)}
    usage = _usage(script, script.usage.output)
    for first_only in ("cache_creation", "service_tier", "inference_geo"):
        del usage[first_only]
    yield event("message_delta", {"type": "message_delta", "delta": ended, "usage": usage})
    yield event("message_stop", {"type": "message_stop"})


def _block_frames(index: int, block: Json, script: Script) -> Iterator[Frame]:
    opened, deltas = _opened(block, script)
    yield event("content_block_start", {"type": "content_block_start", "index": index, "content_block": opened})
    for delta in deltas:
        frame = {"type": "content_block_delta", "index": index, "delta": delta}
        yield event("content_block_delta", frame, delta=True)
    yield event("content_block_stop", {"type": "content_block_stop", "index": index})


def _opened(block: Json, script: Script) -> tuple[Json, list[Json]]:
    """A block as it starts, and the deltas that fill it."""
    match block["type"]:
        case "text":
            return block | {"text": ""}, [{"type": "text_delta", "text": piece} for piece in script.pieces]
        case "thinking":
            deltas: list[Json] = [
                {"type": "thinking_delta", "thinking": piece} for piece in script.cut(block["thinking"])
            ]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
            return block | {"thinking": "", "signature": ""}, deltas
        case "tool_use":
            pieces = ["", *script.cut(orjson.dumps(block["input"]).decode())]
            return block | {"input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
        case _:
            return block, []


def _id(prefix: str) -> str:
    return f"{prefix}_01{uuid4().hex[:22]}"

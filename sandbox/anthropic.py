"""Anthropic's Messages API, as far as a gateway meets it."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from uuid import uuid4

import orjson

from sandbox import anthropic_tools, citations
from sandbox.anthropic_rules import check_headers, check_request
from sandbox.anthropic_stream import frames
from sandbox.citations import Quote
from sandbox.directives import DirectiveError, read_directives
from sandbox.script import Request, Script, tokens, write_script
from sandbox.signing import sign
from sandbox.wire import Answer, Json, RefusedError, as_object, child, event

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
_BUSY = frozenset({429, 529})
_WAIT_S = 7
_MODELS = ("claude-haiku-4-5-20251001", "claude-sonnet-4-6", "claude-opus-4-6", "claude-opus-4-7")


def refusal(status: int, message: str, *, retry_after: int | None = None) -> RefusedError:
    """An error as the vendor words it: the type by the status, the request's id in body and header.

    `retry_after` is in seconds; a busy vendor names some unless told otherwise.
    """
    request_id = _id("req")
    error = {"type": _ERROR_TYPES.get(status, "api_error"), "message": message}
    wait = _WAIT_S if retry_after is None and status in _BUSY else retry_after
    headers = {"request-id": request_id} | ({} if wait is None else {"retry-after": str(wait)})
    return RefusedError(status, {"type": "error", "error": error, "request_id": request_id}, headers)


def messages(headers: Mapping[str, str], body: bytes) -> Answer:
    """`POST /v1/messages`."""
    request = _checked(headers, body, count=False)
    said = _last_user_text(request["messages"])
    cited = citations.quotes(request["messages"])
    script = _script(request, said, cited)
    request_id = _id("req")
    message = _message(request, script, cited)
    charge = script.charge(message["id"], request)
    failure = {"type": "error", "error": {"type": "overloaded_error", "message": f"sandbox: {script.text}"}}
    return Answer(
        model=request["model"],
        refuse=partial(_failed, read_directives(said)[1]),
        headers={"request-id": request_id},
        directives=script.directives,
        said=said,
        whole=None if request.get("stream") else message,
        frames=frames(message, script),
        failure=event("error", failure | {"request_id": request_id}).data,
        failure_status=529,
        charge=replace(
            charge,
            cache_write_5m=charge.cache_write_5m - script.usage.cache_write_1h,
            cache_write_1h=script.usage.cache_write_1h,
        ),
        unseen=script.usage.thinking if script.directives.thinking == "redacted" else 0,
    )


def count_tokens(headers: Mapping[str, str], body: bytes) -> Answer:
    """`POST /v1/messages/count_tokens`."""
    request = _checked(headers, body, count=True)
    return Answer(
        model=request["model"],
        refuse=partial(_failed, ""),
        headers={"request-id": _id("req")},
        whole={"input_tokens": _input_tokens(request)},
    )


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


def _failed(said: str, status: int, *, retry_after: int | None = None) -> RefusedError:
    return refusal(status, f"sandbox: asked to fail: {said}", retry_after=retry_after)


def _script(request: Json, said: str, cited: list[Quote]) -> Script:
    try:
        directives, text = read_directives(said)
        return write_script(
            Request(
                directives=directives,
                text=text,
                tools=anthropic_tools.specs(request),
                max_tokens=request["max_tokens"],
                input_tokens=_input_tokens(request),
                parallel_calls=not child(request, "tool_choice").get("disable_parallel_tool_use"),
                stop_sequences=request.get("stop_sequences") or [],
                output_schema=child(child(request, "output_config"), "format").get("schema"),
                quotes=[quote.text for quote in cited],
            )
        )
    except DirectiveError as error:
        raise refusal(400, f"sandbox: {error}") from None


def _last_user_text(turns: list[Json]) -> str:
    """The text of the last user message, or of its tool results where it has no other."""
    content = next((turn["content"] for turn in reversed(turns) if turn["role"] == "user"), "")
    if isinstance(content, str):
        return content
    texts = [block["text"] for block in content if block["type"] == "text"]
    if not texts:
        texts = [_result_text(block.get("content") or "") for block in content if block["type"] == "tool_result"]
    return "\n".join(texts)


def _result_text(content: str | list[Json]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content if part["type"] == "text")


def _input_tokens(request: Json) -> int:
    told = [request.get(field) for field in ("system", "tools", "messages")]
    return tokens(orjson.dumps([part for part in told if part]).decode())


def _message(request: Json, script: Script, cited: list[Quote]) -> Json:
    refused = script.stop in ("refusal", "content_filter")
    return {
        "id": _id("msg"),
        "type": "message",
        "role": "assistant",
        "model": request["model"],
        "content": _blocks(script, cited),
        "stop_reason": "refusal" if refused else script.stop,
        "stop_sequence": script.stop_sequence,
        "stop_details": _refusal_details(script) if refused else None,
        "usage": _usage(request, script),
    }


def _blocks(script: Script, cited: list[Quote]) -> list[Json]:
    blocks: list[Json] = []
    thought = "\n\n".join(script.thoughts)
    if thought and script.directives.thinking == "redacted":
        blocks.append({"type": "redacted_thinking", "data": sign("redacted", "")})
    elif thought:
        blocks.append({"type": "thinking", "thinking": thought, "signature": sign("thinking", thought)})
    said, *quoted = ("".join(part) for part in script.parts)
    if said or not script.calls:
        blocks.append({"type": "text", "text": said})
    blocks += [
        {"type": "text", "text": text, "citations": [quote.citation]}
        for text, quote in zip(quoted, cited, strict=False)
        if text
    ]
    return blocks + [
        {"type": "tool_use", "id": _id("toolu"), "name": call.name, "input": orjson.loads(call.arguments)}
        for call in script.calls
    ]


def _refusal_details(script: Script) -> Json:
    category = script.directives.category
    explanation = None if category is None else f"This request was declined by a policy on {category}."
    return {"type": "refusal", "category": category, "explanation": explanation}


def _usage(request: Json, script: Script) -> Json:
    usage = script.usage
    hour = usage.cache_write_1h
    tier = "standard" if request.get("service_tier") == "standard_only" else script.directives.tier
    return {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {"ephemeral_5m_input_tokens": usage.cache_write - hour, "ephemeral_1h_input_tokens": hour},
        "output_tokens": usage.output,
        "output_tokens_details": {"thinking_tokens": usage.thinking},
        "service_tier": tier,
        "inference_geo": request.get("inference_geo") or "not_available",
    }


def _id(prefix: str) -> str:
    return f"{prefix}_01{uuid4().hex[:22]}"

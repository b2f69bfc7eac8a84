"""OpenAI's Chat Completions API, as far as a gateway meets it."""

import time
from collections.abc import Iterator, Mapping
from uuid import uuid4

import orjson

from sandbox import openai
from sandbox.directives import DirectiveError, Directives, read_directives
from sandbox.responses_rules import text_of
from sandbox.script import Request, Script, ToolSpec, tokens, write_script
from sandbox.wire import Answer, Frame, Json, as_list, as_object, child, children, data_only

_FIELDS = frozenset(
    [
        "audio",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "metadata",
        "modalities",
        "model",
        "moderation",
        "n",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
        "web_search_options",
    ]
)
_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "stop",
}
_ROLES = frozenset({"developer", "system", "user", "assistant", "tool", "function"})


def completions(headers: Mapping[str, str], body: bytes) -> Answer:
    """`POST /v1/chat/completions`."""
    request = openai.parse(headers, body, _FIELDS, ("model", "messages"))
    _check_messages(request["messages"])
    _check_stop(request.get("stop"))
    script = _script(request)
    if script.directives.error is not None:
        raise openai.refusal(script.directives.error, f"sandbox: asked to fail: {_said(request)[1]}")
    failure = {"error": {"message": f"sandbox: {script.text}", "type": "server_error", "param": None, "code": None}}
    return Answer(
        directives=script.directives,
        headers=openai.answer_headers(),
        whole=None if request.get("stream") else _completion(request, script),
        frames=_frames(request, script),
        failure=data_only(failure).data,
        refusal=openai.refusal(500, f"sandbox: {script.text}"),
    )


def _check_messages(given: object) -> None:
    messages = as_list(given)
    if not messages:
        raise openai.refusal(400, "Invalid 'messages': empty array.", param="messages", code="empty_array")
    for at, message in enumerate(messages):
        if (as_object(message) or {}).get("role") not in _ROLES:
            raise openai.refusal(400, f"Invalid value for 'messages[{at}].role'.", param=f"messages[{at}].role")


def _check_stop(given: object) -> None:
    for stop in [given] if isinstance(given, str) else as_list(given) or []:
        if not isinstance(stop, str) or not stop:
            raise openai.refusal(400, "Invalid 'stop': expected non-empty strings.", param="stop")


def _script(request: Json) -> Script:
    try:
        directives, text = _said(request)
        stop: str | list[str] = request.get("stop") or []
        return write_script(
            Request(
                directives=directives,
                text=text,
                tools=[
                    ToolSpec(tool["function"]["name"], tool["function"].get("parameters") or {})
                    for tool in children(request, "tools")
                    if tool.get("type") == "function"
                ],
                max_tokens=request.get("max_completion_tokens") or request.get("max_tokens"),
                input_tokens=_input_tokens(request),
                stop_sequences=[stop] if isinstance(stop, str) else stop,
                output_schema=child(child(request, "response_format"), "json_schema").get("schema"),
            )
        )
    except DirectiveError as error:
        raise openai.refusal(400, f"sandbox: {error}") from None


def _said(request: Json) -> tuple[Directives, str]:
    """The last user message, or the tool message that came after it."""
    messages = children(request, "messages")
    last = next((each for each in reversed(messages) if each["role"] in ("user", "tool")), None) or messages[-1]
    return read_directives(text_of(last.get("content") or ""))


def _input_tokens(request: Json) -> int:
    told = [request.get(field) for field in ("tools", "messages")]
    return tokens(orjson.dumps([part for part in told if part]).decode())


def _completion(request: Json, script: Script) -> Json:
    refused = script.stop == "refusal"
    message: Json = {
        "role": "assistant",
        "content": None if refused or not script.pieces else script.text,
        "refusal": script.text if refused else None,
        "annotations": [],
    }
    if script.calls:
        message["tool_calls"] = [
            {"id": _id("call"), "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in script.calls
        ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _FINISH[script.stop]}
    return _envelope(request, "chat.completion") | {"choices": [choice], "usage": _usage(script)}


def _envelope(request: Json, kind: str) -> Json:
    return {
        "id": _id("chatcmpl"),
        "object": kind,
        "created": int(time.time()),
        "model": request["model"],
        "service_tier": "default",
        "system_fingerprint": "fp_sandbox",
    }


def _usage(script: Script) -> Json:
    usage = script.usage
    return {
        "prompt_tokens": usage.total_input,
        "completion_tokens": usage.output,
        "total_tokens": usage.total_input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": usage.thinking, "audio_tokens": 0},
    }


def _frames(request: Json, script: Script) -> Iterator[Frame]:
    envelope = _envelope(request, "chat.completion.chunk")
    with_usage = bool(child(request, "stream_options").get("include_usage"))
    if with_usage:
        envelope["usage"] = None

    def chunk(delta: Json, finish: str | None = None, *, counted: bool = False) -> Frame:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return data_only(envelope | {"choices": [choice]}, delta=counted)

    said = "refusal" if script.stop == "refusal" else "content"
    yield chunk({"role": "assistant", "content": None if script.calls else "", "refusal": None})
    for piece in script.pieces:
        yield chunk({said: piece}, counted=True)
    for delta in _call_deltas(script):
        yield chunk({"tool_calls": [delta]}, counted=True)
    yield chunk({}, _FINISH[script.stop])
    if with_usage:
        yield data_only(envelope | {"choices": [], "usage": _usage(script)})
    yield Frame(b"data: [DONE]\n\n")


def _call_deltas(script: Script) -> Iterator[Json]:
    for index, call in enumerate(script.calls):
        opening = {"name": call.name, "arguments": ""}
        yield {"index": index, "id": _id("call"), "type": "function", "function": opening}
        for piece in script.cut(call.arguments):
            yield {"index": index, "function": {"arguments": piece}}


def _id(prefix: str) -> str:
    return f"{prefix}_{uuid4().hex}"

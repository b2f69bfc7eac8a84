"""The Chat Completions API, as OpenAI and vLLM speak it, as far as a gateway meets it."""

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import uuid4

import orjson

from sandbox import openai
from sandbox.chat_rules import FIELDS, check
from sandbox.chat_stream import frames
from sandbox.directives import DirectiveError, read_directives
from sandbox.responses_rules import text_of
from sandbox.script import ANY_OBJECT, Request, Script, ToolSpec, tokens, write_script
from sandbox.wire import Answer, Json, child, children, data_only

_FINISH: Mapping[str, str] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "content_filter": "content_filter",
}
_REASONING: Mapping[str, tuple[str, ...]] = {
    "reasoning_content": ("reasoning_content",),
    "reasoning": ("reasoning",),
    "both": ("reasoning_content", "reasoning"),
    "hidden": (),
}


def completions(headers: Mapping[str, str], body: bytes) -> Answer:
    """`POST /v1/chat/completions`."""
    request = openai.parse(headers, body, FIELDS, ("model", "messages"))
    check(request)
    said = _last_user_text(request["messages"])
    script = _script(request, said)
    completion = _completion(request, script)
    charge = script.charge(completion["id"], request)
    failure = {"error": {"message": f"sandbox: {script.text}", "type": "server_error", "param": None, "code": None}}
    with_usage = bool(child(request, "stream_options").get("include_usage"))
    return Answer(
        model=request["model"],
        refuse=partial(openai.failed, read_directives(said)[1]),
        headers=openai.answer_headers(),
        directives=script.directives,
        said=said,
        whole=None if request.get("stream") else completion,
        frames=frames(completion, script, _shown_as(script), with_usage=with_usage),
        failure=data_only(failure).data,
        # The dialect has no word for what a cache stored.
        charge=replace(charge, input=charge.input + charge.cache_write_5m, cache_write_5m=0),
        unseen=0 if _shown_as(script) else script.usage.thinking,
    )


def _script(request: Json, said: str) -> Script:
    try:
        directives, text = read_directives(said)
        stop: str | list[str] = request.get("stop") or []
        return write_script(
            Request(
                directives=directives,
                text=text,
                tools=[
                    ToolSpec(tool["function"]["name"], tool["function"].get("parameters") or {})
                    for tool in children(request, "tools")
                ],
                max_tokens=request.get("max_completion_tokens") or request.get("max_tokens"),
                input_tokens=_input_tokens(request),
                parallel_calls=request.get("parallel_tool_calls") is not False,
                stop_sequences=[stop] if isinstance(stop, str) else stop,
                output_schema=_output_schema(child(request, "response_format")),
            )
        )
    except DirectiveError as error:
        raise openai.refusal(400, f"sandbox: {error}") from None


def _output_schema(wanted: Json) -> Mapping[str, Any] | None:
    return ANY_OBJECT if wanted.get("type") == "json_object" else child(wanted, "json_schema").get("schema")


def _last_user_text(messages: list[Json]) -> str:
    """The text of the last user message, or of the tool messages after it that no later call follows."""
    outputs: list[str] = []
    for message in reversed(messages):
        if message["role"] == "tool":
            outputs.append(text_of(message["content"]))
        elif outputs:
            break
        elif message["role"] == "user":
            return text_of(message["content"])
    return "\n".join(reversed(outputs))


def _input_tokens(request: Json) -> int:
    told = [request.get(field) for field in ("tools", "messages")]
    return tokens(orjson.dumps([part for part in told if part]).decode())


def _shown_as(script: Script) -> tuple[str, ...]:
    """The fields that say what the model thought: vLLM's, under the old name or the new. OpenAI's have none."""
    return _REASONING[script.directives.reasoning] if script.thoughts else ()


def _completion(request: Json, script: Script) -> Json:
    refused = script.stop == "refusal"
    message: Json = {
        "role": "assistant",
        "content": None if refused or (script.calls and not script.pieces) else script.text,
        "refusal": script.text if refused else None,
        "annotations": [],
    }
    message |= dict.fromkeys(_shown_as(script), "\n\n".join(script.thoughts))
    if script.calls:
        message["tool_calls"] = [
            {"id": _id("call"), "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in script.calls
        ]
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": _FINISH.get(script.stop, "stop"),
        # vLLM's: which of the stop sequences it met.
        "stop_reason": script.stop_sequence,
    }
    return {
        "id": _id("chatcmpl"),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": request["model"],
        "service_tier": openai.service_tier(request),
        "system_fingerprint": "fp_sandbox",
        "choices": [choice],
        "usage": _usage(script),
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


def _id(prefix: str) -> str:
    return f"{prefix}-{uuid4().hex}" if prefix == "chatcmpl" else f"{prefix}_{uuid4().hex}"

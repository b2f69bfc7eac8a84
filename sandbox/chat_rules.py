"""What Chat Completions refuses, in OpenAI's words, and what it takes beyond them from vLLM."""

from collections.abc import Mapping

from sandbox.openai import refusal
from sandbox.wire import Json, RefusedError, as_list, as_object, children

_OPENAI = [
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
_VLLM = [
    "add_generation_prompt",
    "chat_template_kwargs",
    "continue_final_message",
    "include_reasoning",
    "length_penalty",
    "min_p",
    "min_tokens",
    "priority",
    "repetition_penalty",
    "skip_special_tokens",
    "stop_token_ids",
    "structured_outputs",
    "thinking_token_budget",
    "top_k",
]
FIELDS = frozenset([*_OPENAI, *_VLLM])

_PARTS: Mapping[str, frozenset[str]] = {
    "developer": frozenset({"text"}),
    "system": frozenset({"text"}),
    "user": frozenset({"text", "image_url", "input_audio", "file"}),
    "assistant": frozenset({"text", "refusal"}),
    "tool": frozenset({"text"}),
    "function": frozenset(),
}


def check(request: Json) -> None:
    """Raise what the vendor would answer to the first thing that is wrong."""
    messages = as_list(request["messages"])
    if not messages:
        raise refusal(400, "Invalid 'messages': empty array.", param="messages", code="empty_array")
    checked = [_checked_message(f"messages[{at}]", as_object(message)) for at, message in enumerate(messages)]
    _check_pairing(checked)
    _check_stop(request.get("stop"))
    _check_tools(request.get("tools"))
    if request.get("stream_options") is not None and not request.get("stream"):
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise refusal(400, message, param="stream_options")


def _checked_message(path: str, message: Json | None) -> Json:
    role = (message or {}).get("role")
    if message is None or not isinstance(role, str) or role not in _PARTS:
        raise _invalid(f"{path}.role", f"Invalid value for '{path}.role'.")
    content = message.get("content")
    if content is None and role != "assistant":
        raise _invalid(f"{path}.content", f"Invalid value for 'content': expected a string, got null at '{path}'.")
    if content is None or isinstance(content, str):
        return message
    parts = as_list(content)
    if parts is None:
        raise _invalid(f"{path}.content", f"Invalid type for '{path}.content': expected a string or an array.")
    for at, given in enumerate(parts):
        kind = (as_object(given) or {}).get("type")
        if kind not in _PARTS[role]:
            where = f"{path}.content[{at}].type"
            raise _invalid(where, f"Invalid value: '{kind}'. Supported values are: {', '.join(sorted(_PARTS[role]))}.")
    return message


def _check_pairing(messages: list[Json]) -> None:
    """Every call is answered by the tool messages right behind it, and nothing else is."""
    open_calls: set[str] = set()
    for at, message in enumerate(messages):
        if message["role"] == "tool":
            if message.get("tool_call_id") not in open_calls:
                words = "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
                raise _invalid(f"messages[{at}].role", f"Invalid parameter: {words}")
            open_calls.remove(message["tool_call_id"])
        else:
            _check_answered(open_calls)
            open_calls = {call["id"] for call in children(message, "tool_calls")}
    _check_answered(open_calls)


def _check_answered(open_calls: set[str]) -> None:
    if open_calls:
        words = "An assistant message with 'tool_calls' must be followed by tool messages responding to each"
        missing = f"The following tool_call_ids did not have response messages: {', '.join(sorted(open_calls))}"
        raise _invalid("messages", f"{words} 'tool_call_id'. {missing}")


def _check_stop(given: object) -> None:
    stops = [given] if isinstance(given, str) else as_list(given) or []
    if not all(isinstance(stop, str) and stop for stop in stops):
        raise _invalid("stop", "Invalid 'stop': expected non-empty strings.")


def _check_tools(given: object) -> None:
    for at, tool in enumerate(as_list(given) or []):
        function = as_object((as_object(tool) or {}).get("function"))
        if function is None or not isinstance(function.get("name"), str):
            name = f"tools[{at}].function.name"
            raise refusal(400, f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")


def _invalid(param: str, message: str) -> RefusedError:
    return refusal(400, message, param=param)

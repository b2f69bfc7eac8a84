"""What the Responses API refuses of its input items, in the vendor's words."""

from collections.abc import Mapping

from sandbox.openai import refusal
from sandbox.signing import is_signed
from sandbox.wire import Json, RefusedError, as_list, as_object, children

FIELDS = frozenset(
    [
        "access_programs",
        "background",
        "background_options",
        "client_metadata",
        "context_management",
        "conversation",
        "image",
        "include",
        "input",
        "instructions",
        "max_output_tokens",
        "max_tool_calls",
        "metadata",
        "model",
        "moderation",
        "parallel_tool_calls",
        "previous_response_id",
        "prompt",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning",
        "safety_identifier",
        "service_tier",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "truncation",
        "user",
    ]
)
COUNTED = frozenset(
    [
        "conversation",
        "input",
        "instructions",
        "model",
        "parallel_tool_calls",
        "personality",
        "previous_response_id",
        "reasoning",
        "text",
        "tool_choice",
        "tools",
        "truncation",
    ]
)
_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "message": ("role", "content"),
    "function_call": ("call_id", "name", "arguments"),
    "function_call_output": ("call_id", "output"),
    "reasoning": ("id", "summary"),
    "item_reference": ("id",),
}
_PARTS = {
    "user": frozenset({"input_text", "input_image", "input_file"}),
    "assistant": frozenset({"output_text", "refusal"}),
}


def check_input(given: object) -> list[Json]:
    """The items, all of them right; raises what the vendor would answer to the first that is wrong."""
    items = as_list(given)
    if items is None:
        raise _invalid("input", "Invalid type for 'input': expected one of a string or array of objects.")
    checked = [_checked_item(f"input[{at}]", as_object(entry)) for at, entry in enumerate(items)]
    called: set[str] = set()
    answered: set[str] = set()
    for item in checked:
        if item.get("type") == "function_call":
            called.add(item["call_id"])
        elif item.get("type") == "function_call_output":
            if item["call_id"] not in called:
                message = f"No tool call found for function call output with call_id {item['call_id']}."
                raise _invalid("input", message)
            answered.add(item["call_id"])
    if called - answered:
        raise _invalid("input", f"No tool output found for function call {min(called - answered)}.")
    return checked


def text_of(content: str | list[Json]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content if "text" in part)


def _checked_item(path: str, item: Json | None) -> Json:
    if item is None:
        raise _invalid(path, f"Invalid type for '{path}': expected an object.")
    kind = item.get("type", "message" if "role" in item else "item_reference")
    if kind not in _REQUIRED:
        raise _invalid(f"{path}.type", f"Invalid value: '{kind}'.", "invalid_value")
    for name in _REQUIRED[kind]:
        if name not in item:
            message = f"Missing required parameter: '{path}.{name}'."
            raise _invalid(f"{path}.{name}", message, "missing_required_parameter")
    if kind == "message":
        _check_message(path, item)
    elif kind == "reasoning":
        _check_reasoning(path, item)
    elif kind == "item_reference":
        raise refusal(404, f"Item with id '{item['id']}' not found.", param="input")
    return item


def _check_message(path: str, item: Json) -> None:
    if item["role"] not in ("user", "assistant", "system", "developer"):
        raise _invalid(f"{path}.role", f"Invalid value: '{item['role']}'.", "invalid_value")
    allowed = _PARTS["assistant" if item["role"] == "assistant" else "user"]
    for at, part in enumerate(children(item, "content") if isinstance(item["content"], list) else ()):
        if part.get("type") not in allowed:
            where = f"{path}.content[{at}]"
            supported = ", ".join(f"'{kind}'" for kind in sorted(allowed))
            message = f"Invalid value: '{part.get('type')}'. Supported values are: {supported}."
            raise _invalid(where, message, "invalid_value")


def _check_reasoning(path: str, item: Json) -> None:
    encrypted = item.get("encrypted_content")
    if encrypted is None:
        message = f"Item with id '{item['id']}' not found. Items are not persisted when `store` is set to false."
        raise refusal(404, message, param="input")
    if not is_signed("reasoning", item["id"], encrypted):
        message = f"The encrypted content for item {item['id']} could not be verified."
        raise _invalid(path, message, "invalid_encrypted_content")


def _invalid(param: str, message: str, code: str | None = None) -> RefusedError:
    return refusal(400, message, param=param, code=code)

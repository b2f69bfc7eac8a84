"""What Anthropic refuses, in its words. A problem is a status and a message; None is a request that stands."""

from collections.abc import Callable, Iterator, Mapping

from sandbox import citations
from sandbox.anthropic_tools import tool_problems
from sandbox.signing import is_signed
from sandbox.wire import Json, as_list, as_object, child, children

Problem = tuple[int, str]

_TOLD = frozenset(
    {"model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control", "speed"}
)
_FIELDS = _TOLD | {
    "container",
    "context_management",
    "diagnostics",
    "inference_geo",
    "max_tokens",
    "mcp_servers",
    "metadata",
    "service_tier",
    "stop_sequences",
    "stream",
    "temperature",
    "top_k",
    "top_p",
    "user_profile_id",
    "workspace_id",
}
_BLOCK_FIELDS: Mapping[str, frozenset[str]] = {
    "text": frozenset({"text", "citations"}),
    "image": frozenset({"source", "transformations"}),
    "document": frozenset({"source", "title", "context", "citations"}),
    "search_result": frozenset({"source", "title", "content", "citations"}),
    "tool_use": frozenset({"id", "name", "input", "caller", "toolset_name"}),
    "tool_result": frozenset({"tool_use_id", "content", "is_error", "toolset_name"}),
    "thinking": frozenset({"thinking", "signature"}),
    "redacted_thinking": frozenset({"data"}),
    "tool_reference": frozenset({"tool_name"}),
}
_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "text": ("text",),
    "image": ("source",),
    "document": ("source",),
    "search_result": ("source", "title", "content"),
    "tool_use": ("id", "name", "input"),
    "tool_result": ("tool_use_id",),
    "thinking": ("thinking", "signature"),
    "redacted_thinking": ("data",),
    "tool_reference": ("tool_name",),
}
_IN_RESULTS = frozenset({"text", "image", "document", "search_result", "tool_reference"})
_UNCACHED = frozenset({"thinking", "redacted_thinking"})


def check_headers(headers: Mapping[str, str]) -> Problem | None:
    if not headers.get("x-api-key") and not headers.get("authorization", "").startswith("Bearer "):
        return 401, "x-api-key header is required"
    if not headers.get("anthropic-version"):
        return 400, "anthropic-version: header is required"
    return None


def check_request(request: Json, *, count: bool) -> Problem | None:
    """The first thing wrong with a body, in the vendor's words."""
    problem = next(_problems(request, count=count), None)
    return None if problem is None else (400, problem)


def _problems(request: Json, *, count: bool) -> Iterator[str]:
    for name in ("model", "messages") if count else ("model", "max_tokens", "messages"):
        if name not in request:
            yield f"{name}: Field required"
    for name in request:
        if name not in (_TOLD if count else _FIELDS):
            yield f"{name}: Extra inputs are not permitted"
    if not isinstance(request["model"], str):
        yield "model: Input should be a valid string"
    if not count:
        yield from _sampling_problems(request)
    turns = as_list(request["messages"])
    if turns is None:
        yield "messages: Input should be a valid list"
    if not turns:
        yield "messages: at least one message is required"
    yield from tool_problems(request)
    yield from _message_problems(turns or [], request)


def _message_problems(turns: list[object], request: Json) -> Iterator[str]:
    for at, turn in enumerate(turns):
        yield from _turn_problems(f"messages.{at}", as_object(turn))
    yield from _pairing_problems(request["messages"])
    yield from citations.mixing_problems(request["messages"])
    if citations.are_wanted(request["messages"]) and child(child(request, "output_config"), "format"):
        yield "output_config.format: structured outputs cannot be used with citations"


def _sampling_problems(request: Json) -> Iterator[str]:
    if type(request["max_tokens"]) is not int:
        yield "max_tokens: Input should be a valid integer"
    if request["max_tokens"] < 1:
        yield "max_tokens: Input should be greater than or equal to 1"
    for name in ("temperature", "top_p"):
        value = request.get(name)
        if value is not None and not (isinstance(value, int | float) and 0 <= value <= 1):
            yield f"{name}: range: 0..1"
    if request.get("service_tier") not in (None, "auto", "standard_only"):
        yield "service_tier: Input should be 'auto' or 'standard_only'"
    if not isinstance(request.get("inference_geo"), str | None):
        yield "inference_geo: Input should be a valid string"
    yield from _stop_problems(request)


def _stop_problems(request: Json) -> Iterator[str]:
    stops = as_list(request.get("stop_sequences") or [])
    if stops is None:
        yield "stop_sequences: Input should be a valid list"
    for at, stop in enumerate(stops or ()):
        if not isinstance(stop, str):
            yield f"stop_sequences.{at}: Input should be a valid string"
        elif not stop.strip():
            yield "stop_sequences: each stop sequence must contain non-whitespace"


def _turn_problems(path: str, turn: Json | None) -> Iterator[str]:
    if turn is None:
        yield f"{path}: Input should be a valid dictionary"
        return
    for name in ("role", "content"):
        if name not in turn:
            yield f"{path}.{name}: Field required"
    for name in turn:
        if name not in ("role", "content"):
            yield f"{path}.{name}: Extra inputs are not permitted"
    if turn["role"] not in ("user", "assistant", "system"):
        yield f"{path}.role: Input should be 'user', 'assistant' or 'system'"
    if isinstance(turn["content"], str):
        return
    blocks = as_list(turn["content"])
    if blocks is None:
        yield f"{path}.content: Input should be a valid string or list"
    for at, block in enumerate(blocks or ()):
        yield from _block_problems(f"{path}.content.{at}", as_object(block) or {})


def _block_problems(path: str, block: Json) -> Iterator[str]:
    kind = str(block.get("type"))
    if kind not in _BLOCK_FIELDS:
        yield f"{path}: Input tag does not match any of the expected tags"
    path = f"{path}.{kind}"
    for name in _REQUIRED[kind]:
        if name not in block:
            yield f"{path}.{name}: Field required"
    allowed = _BLOCK_FIELDS[kind] | ({"type"} if kind in _UNCACHED else {"type", "cache_control"})
    for name in block:
        if name not in allowed:
            yield f"{path}.{name}: Extra inputs are not permitted"
    yield from _CONTENT_PROBLEMS.get(kind, _nothing_more)(path, block)


def _result_problems(path: str, result: Json) -> Iterator[str]:
    if isinstance(result.get("content"), str | None):
        return
    blocks = as_list(result["content"])
    if blocks is None:
        yield f"{path}.content: Input should be a valid string or list"
    for at, given in enumerate(blocks or ()):
        block = as_object(given) or {}
        if block.get("type") not in _IN_RESULTS:
            yield f"{path}.content.{at}: Input tag does not match any of the expected tags"
        yield from _block_problems(f"{path}.content.{at}", block)


def _text_problems(path: str, block: Json) -> Iterator[str]:
    if not block["text"]:
        yield "messages: text content blocks must be non-empty"
    yield from citations.block_problems(path, block)


def _thinking_problems(path: str, block: Json) -> Iterator[str]:
    if not is_signed("thinking", block["thinking"], block["signature"]):
        yield f"{path}.signature: Invalid `signature` in `thinking` block"


def _redacted_problems(path: str, block: Json) -> Iterator[str]:
    if not is_signed("redacted", "", block["data"]):
        yield f"{path}.data: Invalid `data` in `redacted_thinking` block"


def _nothing_more(_path: str, _block: Json) -> Iterator[str]:
    return iter(())


_CONTENT_PROBLEMS: Mapping[str, Callable[[str, Json], Iterator[str]]] = {
    "text": _text_problems,
    "document": citations.block_problems,
    "search_result": citations.block_problems,
    "tool_result": _result_problems,
    "thinking": _thinking_problems,
    "redacted_thinking": _redacted_problems,
}


def _pairing_problems(turns: list[Json]) -> Iterator[str]:
    """Every tool use is answered in the very next message, and nothing else is."""
    called: set[str] = set()
    for at, turn in enumerate(turns):
        blocks = children(turn, "content") if isinstance(turn["content"], list) else []
        answered = {block["tool_use_id"] for block in blocks if block["type"] == "tool_result"}
        if answered - called:
            yield (
                f"messages.{at}.content.0: unexpected `tool_use_id` found in `tool_result` blocks: "
                f"{min(answered - called)}. Each `tool_result` block must have a corresponding `tool_use` block in "
                "the previous message."
            )
        if called - answered:
            yield (
                f"messages.{at - 1}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(sorted(called - answered))}"
            )
        called = {block["id"] for block in blocks if block["type"] == "tool_use"}
    if called:
        yield f"messages.{len(turns) - 1}: `tool_use` ids were found without `tool_result` blocks immediately after"

"""The tools that Anthropic defines and its callers run, and the rules for every tool."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.script import ToolSpec
from sandbox.wire import Json, as_list, as_object, child, children

_COMMON = frozenset({"type", "name", "cache_control", "strict", "input_examples", "defer_loading", "allowed_callers"})
_CUSTOM = _COMMON | {"description", "input_schema", "eager_input_streaming"}
_DISPLAY = frozenset({"display_width_px", "display_height_px", "display_number"})
# Run by the vendor; their settings are not the sandbox's to judge.
_SERVER = re.compile(
    r"(web_search|web_fetch|code_execution|tool_search_tool_bm25|tool_search_tool_regex|browser_toolset"
    r"|computer_toolset|advisor)_\d{8}|mcp_toolset"
)


def _writes(path: str) -> Mapping[str, Any]:
    """The input of a tool that edits files, as the model would write a new one."""
    properties = {"command": {"const": "create"}, "path": {"const": path}, "file_text": {"type": "string"}}
    return {"type": "object", "properties": properties}


_BASH: Mapping[str, Any] = {"type": "object", "properties": {"command": {"type": "string", "default": "ls"}}}
_COMPUTER: Mapping[str, Any] = {
    "type": "object",
    "properties": {"action": {"const": "type"}, "text": {"type": "string"}},
}


@dataclass(frozen=True, slots=True)
class ClientTool:
    name: str
    """The only one it may be given."""
    schema: Mapping[str, Any]
    """What its input looks like; the vendor publishes none."""
    settings: frozenset[str] = frozenset()


CLIENT_TOOLS: Mapping[str, ClientTool] = {
    "bash_20250124": ClientTool("bash", _BASH),
    "text_editor_20250124": ClientTool("str_replace_editor", _writes("/repository/notes.txt")),
    "text_editor_20250429": ClientTool("str_replace_based_edit_tool", _writes("/repository/notes.txt")),
    "text_editor_20250728": ClientTool(
        "str_replace_based_edit_tool", _writes("/repository/notes.txt"), frozenset({"max_characters"})
    ),
    "memory_20250818": ClientTool("memory", _writes("/memories/notes.txt")),
    "computer_20250124": ClientTool("computer", _COMPUTER, _DISPLAY),
    "computer_20251124": ClientTool("computer", _COMPUTER, _DISPLAY | {"enable_zoom"}),
}


def specs(request: Json) -> list[ToolSpec]:
    """The tools that the model may call."""
    declared = [(tool, CLIENT_TOOLS.get(_kind(tool))) for tool in children(request, "tools")]
    return [
        ToolSpec(tool["name"], defined.schema if defined else tool["input_schema"])
        for tool, defined in declared
        if defined or _kind(tool) == "custom"
    ]


def tool_problems(request: Json) -> Iterator[str]:
    """What is wrong with the tools and the choice among them, in the vendor's words."""
    tools = as_list(request.get("tools") or [])
    if tools is None:
        yield "tools: Input should be a valid list"
    for at, given in enumerate(tools or ()):
        tool = as_object(given)
        if tool is None:
            yield f"tools.{at}: Input should be a valid dictionary"
        yield from _problems(f"tools.{at}", tool or {})
    choice = child(request, "tool_choice")
    named = {tool.get("name") for tool in children(request, "tools")}
    if choice.get("type") == "tool" and choice.get("name") not in named:
        yield "Tool choice names a tool that is not in the tools list"


def _kind(tool: Json) -> str:
    return tool.get("type") or "custom"


def _problems(path: str, tool: Json) -> Iterator[str]:
    kind = _kind(tool)
    if _SERVER.fullmatch(kind):
        return
    defined = CLIENT_TOOLS.get(kind)
    if defined is None and kind != "custom":
        yield f"{path}: Input tag '{kind}' found using 'type' does not match any of the expected tags"
    for name in ("name",) if defined else ("name", "input_schema"):
        if name not in tool:
            yield f"{path}.{kind}.{name}: Field required"
    for name in tool:
        if name not in (_COMMON | defined.settings if defined else _CUSTOM):
            yield f"{path}.{kind}.{name}: Extra inputs are not permitted"
    if defined and tool["name"] != defined.name:
        yield f"{path}.{kind}.name: Input should be '{defined.name}'"
    if not isinstance(tool["name"], str):
        yield f"{path}.{kind}.name: Input should be a valid string"
    if not defined and as_object(tool["input_schema"]) is None:
        yield f"{path}.{kind}.input_schema: Input should be a valid dictionary"

"""The tools of a request: functions are taken, flat, nested or in a namespace; of other kinds clients are told that
they were left out (spec U8, U9).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from pydantic import JsonValue

from api.openai.schemas import FunctionTool
from api.validation import validated
from gateway.conversation import Tool, ToolChoice
from gateway.errors import ValidationFailedError

_CHOICES = {"auto": "auto", "required": "any", "none": "none"}
_NO_PARAMETERS: dict[str, JsonValue] = {"type": "object", "properties": {}}


@dataclass(frozen=True, slots=True)
class Tools:
    """`left_out` are the places of those that nobody runs here."""

    taken: tuple[Tool, ...]
    left_out: tuple[str, ...]


def read_tools(tools: list[dict[str, JsonValue]] | None) -> Tools:
    """Of functions in namespaces that have one name the first is taken: no vendor is told of namespaces.

    Raises `ValidationFailedError` for a function that is not one, or is declared twice by itself.
    """
    taken: dict[str, Tool] = {}
    alone: set[str] = set()
    left_out: list[str] = []
    for index, tool in enumerate(tools or ()):
        path = f"tools[{index}]"
        found = list(_functions(path, tool))
        for place, function in found:
            if place == path and function.name in alone:
                raise ValidationFailedError("Two tools have one name.", param="tools")
            if function.name in taken:
                left_out.append(place)
            taken.setdefault(function.name, function)
            alone |= {function.name} if place == path else set()
        if not found:
            left_out.append(path)
    return Tools(tuple(taken.values()), tuple(left_out))


def read_choice(choice: str | dict[str, JsonValue] | None, tools: Tools, *, parallel: bool | None) -> ToolChoice | None:
    """Raises `ValidationFailedError` for one that names no tool that was taken."""
    disable_parallel = None if parallel is None else not parallel
    if choice is None:
        return None if disable_parallel is None or not tools.taken else ToolChoice("auto", None, disable_parallel)
    if isinstance(choice, str):
        kind = _CHOICES.get(choice)
        if kind is None:
            raise ValidationFailedError("`tool_choice` is not one of the supported values.", param="tool_choice")
        if not tools.taken:
            if kind == "any":
                raise ValidationFailedError("`tool_choice` requires a tool, and none is usable.", param="tool_choice")
            return None
        return ToolChoice(cast("Any", kind), None, None if kind == "none" else disable_parallel)
    name = _chosen(choice)
    if name is None or name not in {tool.name for tool in tools.taken}:
        raise ValidationFailedError("`tool_choice` names no function of `tools`.", param="tool_choice")
    return ToolChoice("tool", name, disable_parallel)


def _chosen(choice: Mapping[str, JsonValue]) -> str | None:
    if choice.get("type") != "function":
        return None
    function = choice.get("function")
    name = function.get("name") if isinstance(function, dict) else choice.get("name")
    return name if isinstance(name, str) else None


def _functions(path: str, tool: dict[str, JsonValue]) -> Iterator[tuple[str, Tool]]:
    """Each with its place."""
    match tool.get("type"):
        case "function":
            nested = tool.get("function")
            yield path, _function(path, nested if isinstance(nested, dict) else tool)
        case "namespace":
            inside = tool.get("tools")
            for number, each in enumerate(inside if isinstance(inside, list) else []):
                if isinstance(each, dict) and each.get("type") == "function":
                    place = f"{path}.tools[{number}]"
                    yield place, _function(place, each)
        case str():
            return
        case _:
            raise ValidationFailedError(f"`{path}.type` is required.", param=f"{path}.type")


def _function(path: str, given: dict[str, JsonValue]) -> Tool:
    try:
        read = validated(FunctionTool, given, unknown=ValidationFailedError)
    except ValidationFailedError as failure:
        param = f"{path}.{failure.param}" if failure.param else path
        raise ValidationFailedError(f"`{param}` is not valid.", param=param) from None
    return Tool(
        name=read.name,
        schema=read.parameters if read.parameters is not None else _NO_PARAMETERS,
        description=read.description,
        strict=read.strict,
    )

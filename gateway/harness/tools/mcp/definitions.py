"""What strangers write of their tools, without what the guard would take for somebody's.

In the definition of a tool it refuses that, and with it every chat that the tool is offered in: the caller could do
nothing about an example address in a description.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar, cast

from pydantic import JsonValue

from gateway.harness.tools.mcp.tool import McpTool

Scrub = Callable[[str], Awaitable[str]]

_FOR_READING = frozenset({"description", "title"})
_Value = TypeVar("_Value", bound=JsonValue)


class Definitions:
    """Reads each text once for as long as its server lists it."""

    def __init__(self, scrub: Scrub) -> None:
        self._scrub = scrub
        self._scrubbed: dict[str, str] = {}

    async def of(self, tools: Sequence[McpTool]) -> tuple[McpTool, ...]:
        """`tools` with descriptions that may be shown. Raises as `scrub` does."""
        listed = {text for tool in tools for text in (tool.description, *_texts(dict(tool.schema)))}
        for text in listed - self._scrubbed.keys():
            self._scrubbed[text] = await self._scrub(text) if text else text
        self._scrubbed = {text: self._scrubbed[text] for text in listed}
        return tuple(
            replace(tool, description=self._scrubbed[tool.description], schema=_with(dict(tool.schema), self._scrubbed))
            for tool in tools
        )


def _texts(value: JsonValue) -> Iterator[str]:
    if isinstance(value, dict):
        for name, child in value.items():
            if name in _FOR_READING and isinstance(child, str):
                yield child
            else:
                yield from _texts(child)
    elif isinstance(value, list):
        for child in value:
            yield from _texts(child)


def _with(value: _Value, scrubbed: Mapping[str, str]) -> _Value:
    changed: JsonValue = value
    if isinstance(value, dict):
        changed = {
            name: scrubbed[child] if name in _FOR_READING and isinstance(child, str) else _with(child, scrubbed)
            for name, child in value.items()
        }
    elif isinstance(value, list):
        changed = [_with(child, scrubbed) for child in value]
    return cast("_Value", changed)

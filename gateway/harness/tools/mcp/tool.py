"""A tool of an MCP server, and what comes of using it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import orjson
from pydantic import JsonValue

from gateway.harness.tool import ToolAnswer, ToolUseContext
from gateway.harness.tools.mcp.connection import McpConnection, McpRefusedError

_LONGEST_ERROR = 2000


@dataclass(frozen=True, slots=True)
class McpTool:
    name: str
    description: str
    schema: Mapping[str, JsonValue]
    leaves: bool
    surcharge: int
    timeout_s: float
    connection: McpConnection
    known_as: str
    """By its server."""

    async def run(self, given: Mapping[str, JsonValue], context: ToolUseContext) -> ToolAnswer:  # noqa: ARG002
        try:
            result = await self.connection.ask(
                "tools/call", {"name": self.known_as, "arguments": dict(given)}, timeout_s=self.timeout_s
            )
        except McpRefusedError as refused:
            return ToolAnswer(f"Refused: {refused.message[:_LONGEST_ERROR]}", is_error=True)
        return ToolAnswer("\n\n".join(_told(result)), is_error=result.get("isError") is True)


def _told(result: Mapping[str, JsonValue]) -> Iterator[str]:
    """What a model can read of a result."""
    content = result.get("content")
    parts = [each for each in content if isinstance(each, dict)] if isinstance(content, list) else []
    for part in parts:
        held = part.get("resource")
        text = held.get("text") if isinstance(held, dict) else part.get("text", part.get("uri"))
        yield text if isinstance(text, str) else "[Something that is not text was left out.]"
    if not parts and (structured := result.get("structuredContent")) is not None:
        yield orjson.dumps(structured).decode()

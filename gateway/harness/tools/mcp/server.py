"""One MCP server, and the tools that it has now."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import TypeGuard

import orjson
import structlog
from pydantic import JsonValue

from gateway.errors import UnavailableError
from gateway.harness.tool import ToolFailedError
from gateway.harness.tools.mcp.connection import McpConnection, McpRefusedError
from gateway.harness.tools.mcp.definitions import Definitions, Scrub
from gateway.harness.tools.mcp.listing import McpServerSpec
from gateway.harness.tools.mcp.tool import McpTool
from gateway.harness.tools.terms import Terms, terms_of
from gateway.settings import Settings

log = structlog.get_logger()

MOST_TOOLS = 64
"""Of one server. A model is offered all of them, and reads them every time."""

_MOST_PAGES = 10
_LIST_TIMEOUT_S = 5.0
_LONGEST_NAME = 64
_LONGEST_DESCRIPTION = 2000
_LARGEST_SCHEMA = 16 * 1024
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_-]")


class McpServer:
    def __init__(self, spec: McpServerSpec, settings: Settings, scrub: Scrub) -> None:
        self.spec = spec
        self.tools: tuple[McpTool, ...] = ()
        """As they were last listed; none before that."""
        self._connection = McpConnection(spec.entry.url, spec.headers)
        self._definitions = Definitions(scrub)
        self._settings = settings

    async def list_tools(self) -> None:
        """Ask it again. A server that does not answer keeps what it had: a use of it will say that it is down."""
        try:
            async with asyncio.timeout(_LIST_TIMEOUT_S):
                listed = await self._listed()
            tools, left_out = self._chosen(listed)
            self.tools = await self._definitions.of(tools)
        except (ToolFailedError, McpRefusedError, TimeoutError, UnavailableError) as failed:
            cause = str(failed) or type(failed).__name__
            log.warning("mcp_tools_not_listed", mcp_server=self.spec.entry.id, cause=cause)
            return
        if left_out:
            log.warning("mcp_tools_left_out", mcp_server=self.spec.entry.id, count=left_out)

    async def close(self) -> None:
        """Safe to call twice."""
        await self._connection.close()

    async def _listed(self) -> list[dict[str, JsonValue]]:
        """All that have a name. Raises `ToolFailedError` or `McpRefusedError`."""
        listed: list[dict[str, JsonValue]] = []
        page: dict[str, JsonValue] = {}
        for _ in range(_MOST_PAGES):
            answer = await self._connection.ask("tools/list", page, timeout_s=_LIST_TIMEOUT_S)
            tools = answer.get("tools")
            if not isinstance(tools, list):
                raise ToolFailedError("The tool's server lists no tools.")
            listed += [each for each in tools if isinstance(each, dict) and isinstance(each.get("name"), str)]
            if not isinstance(after := answer.get("nextCursor"), str):
                break
            page = {"cursor": after}
        return listed

    def _chosen(self, listed: Sequence[Mapping[str, JsonValue]]) -> tuple[tuple[McpTool, ...], int]:
        """Those to have, and how many that were asked for are not among them."""
        wanted = self.spec.entry.tools
        asked_for = [each for each in listed if wanted is None or each["name"] in wanted]
        tools: dict[str, McpTool] = {}
        for each in asked_for:
            if len(tools) < MOST_TOOLS and (tool := self._tool(each)) is not None:
                tools.setdefault(tool.name, tool)
        return tuple(tools.values()), max(len(asked_for), len(wanted or ())) - len(tools)

    def _tool(self, listed: Mapping[str, JsonValue]) -> McpTool | None:
        """None for what models could not be offered, or not use."""
        entry, known_as, description = self.spec.entry, str(listed["name"]), listed.get("description")
        name = f"{entry.id}_{_NOT_IN_A_NAME.sub('_', known_as)}"
        schema = listed.get("inputSchema")
        if not known_as or len(name) > _LONGEST_NAME or not _is_of_an_object(schema):
            return None
        terms = terms_of(name, self._settings, Terms(entry.surcharge, entry.timeout_s))
        return McpTool(
            name=name,
            description=description[:_LONGEST_DESCRIPTION] if isinstance(description, str) else "",
            schema=schema,
            leaves=entry.leaves,
            surcharge=terms.surcharge,
            timeout_s=terms.timeout_s,
            connection=self._connection,
            known_as=known_as,
        )


def _is_of_an_object(schema: JsonValue) -> TypeGuard[dict[str, JsonValue]]:
    return (
        isinstance(schema, dict)
        and schema.get("type") == "object"
        and isinstance(schema.get("properties", {}), dict)
        and isinstance(schema.get("required", []), list)
        and len(orjson.dumps(schema)) <= _LARGEST_SCHEMA
    )

"""Every MCP server on the operator's list: they come and go with it, and their tools with them."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import chain

import structlog

from gateway.harness.tools.mcp.definitions import Scrub
from gateway.harness.tools.mcp.listing import McpServerSpec
from gateway.harness.tools.mcp.server import McpServer
from gateway.harness.tools.mcp.tool import McpTool
from gateway.logs import raised_at
from gateway.operator_file import OperatorFileError
from gateway.settings import Settings

log = structlog.get_logger()


class McpServers:
    def __init__(self, read: Callable[[], Sequence[McpServerSpec]], settings: Settings, scrub: Scrub) -> None:
        """Raises what `read` does."""
        self._read = read
        self._settings = settings
        self._scrub = scrub
        self._servers = tuple(self._met(spec) for spec in read())

    @property
    def tools(self) -> tuple[McpTool, ...]:
        return tuple(chain.from_iterable(server.tools for server in self._servers))

    async def refresh(self) -> None:
        """Read the list again, and ask each server for its tools, within some seconds.

        A list that is not valid changes nothing: the log says why. A server whose entry or key changed is met anew;
        uses of it that are under way fail.
        """
        try:
            await self._follow(await asyncio.to_thread(self._read))
        except OperatorFileError as error:
            log.warning("mcp_servers_refused", problems=list(error.problems))
        await asyncio.gather(*(server.list_tools() for server in self._servers))

    async def keep_refreshing(self, every_s: float, then: Callable[[], None]) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            try:
                await self.refresh()
                then()
            except Exception as error:  # noqa: BLE001 - whatever it was, the next time must still come
                log.error(  # noqa: TRY400 - a traceback may quote a server
                    "mcp_servers_not_refreshed", cause=type(error).__name__, raised_at=raised_at(error.__traceback__)
                )

    async def close(self) -> None:
        """Safe to call twice."""
        await asyncio.gather(*(server.close() for server in self._servers))

    async def _follow(self, specs: Sequence[McpServerSpec]) -> None:
        known = {server.spec.entry.id: server for server in self._servers}
        before = self._servers
        self._servers = tuple(
            kept if (kept := known.get(spec.entry.id)) and kept.spec == spec else self._met(spec) for spec in specs
        )
        await asyncio.gather(*(server.close() for server in before if server not in self._servers))

    def _met(self, spec: McpServerSpec) -> McpServer:
        return McpServer(spec, self._settings, self._scrub)

"""The toolbox of a process, open: what is shipped, what others of ours bring, and what the operator's servers have."""

import asyncio
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from gateway.harness.tool import ServerTool
from gateway.harness.toolbox import Toolbox
from gateway.harness.tools.mcp.definitions import Scrub
from gateway.harness.tools.mcp.listing import McpServerSpec, read_mcp_servers
from gateway.harness.tools.mcp.servers import McpServers
from gateway.harness.tools.shipped import shipped_tools
from gateway.outside.lookup import Lookup
from gateway.settings import Settings

_REFRESH_S = 60.0


@asynccontextmanager
async def open_toolbox(
    settings: Settings, lookup: Lookup, *more: ServerTool, scrub: Scrub, refresh_s: float = _REFRESH_S
) -> AsyncGenerator[Toolbox]:
    """Its connections are closed when the block ends. `more` are tools that need what only the caller has.

    `scrub` takes out of definitions what the guard would refuse in them.

    Waits some seconds at most for servers to list their tools. Raises `OperatorFileError` for the list of servers.
    """
    async with AsyncExitStack() as opened:
        toolbox = Toolbox((*await opened.enter_async_context(shipped_tools(settings, lookup)), *more))
        if (file := settings.mcp_servers_file) is not None:

            def read() -> Sequence[McpServerSpec]:
                return read_mcp_servers(file, os.environ.get)

            servers = McpServers(read, settings, scrub)
            opened.push_async_callback(servers.close)
            await servers.refresh()
            toolbox.adopt(servers.tools)
            opened.push_async_callback(
                _stopped,
                asyncio.create_task(servers.keep_refreshing(refresh_s, lambda: toolbox.adopt(servers.tools))),
            )
        yield toolbox


async def _stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task

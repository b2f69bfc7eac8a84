"""Which of the shipped tools this installation has: those that its operator gave what they need."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from gateway.harness.tool import ServerTool
from gateway.harness.tools.calculator import Calculator
from gateway.harness.tools.code_execution import CodeExecution
from gateway.harness.tools.terms import terms_of
from gateway.harness.tools.web_fetch import WebFetch
from gateway.harness.tools.web_search import WebSearch
from gateway.outside.configured_server import ConfiguredServer
from gateway.outside.lookup import Lookup
from gateway.outside.reading import PublicReader
from gateway.settings import Settings


@asynccontextmanager
async def shipped_tools(settings: Settings, lookup: Lookup) -> AsyncGenerator[tuple[ServerTool, ...]]:
    """Their connections are closed when the block ends."""
    tools: list[ServerTool] = [Calculator(terms_of(Calculator.name, settings))]
    async with AsyncExitStack() as opened:
        if settings.search_url is not None:
            search = ConfiguredServer(settings.search_url, settings.search_api_key, called="search server")
            opened.push_async_callback(search.close)
            tools.append(WebSearch(search, settings.search_kind, terms_of(WebSearch.name, settings)))
        if settings.web_fetch:
            reader = PublicReader(lookup)
            opened.push_async_callback(reader.close)
            tools.append(WebFetch(reader, terms_of(WebFetch.name, settings)))
        if settings.code_runner_url is not None:
            runner = ConfiguredServer(settings.code_runner_url, settings.code_runner_token, called="runner")
            opened.push_async_callback(runner.close)
            tools.append(CodeExecution(runner, terms_of(CodeExecution.name, settings)))
        yield tuple(tools)

"""The tools of this installation, by the names that callers know them by."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from gateway.agents.grants import tools_of
from gateway.agents.scope import ToolNotInScopeError
from gateway.errors import GatewayError, Kind
from gateway.harness.tool import ServerTool
from gateway.tenancy import Access

_MEANT: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *("google_search", "tavily_search", "tavily_qna", "exa_search", "exa_answer"),
            *("perplexity_search", "perplexity_ask", "firecrawl_search"),
        ),
        "web_search",
    ),
    **dict.fromkeys(("firecrawl_scrape", "firecrawl_extract"), "web_fetch"),
    "daytona_code_execution": "code_execution",
}
"""Names of vendors' tools that callers know, and the shipped tool that does the same."""


class UnknownToolError(GatewayError):
    kind, code = Kind.UNSUPPORTED, "UNKNOWN_TOOL"
    message = "There is no such tool. `GET /v1/chat/tools` lists those that there are."


class ToolForbiddenError(ToolNotInScopeError):
    """By the organisation's policy, whoever asks."""

    message = "The organization's policy does not let chats use this tool."


class Toolbox:
    """Raises `ValueError` for two tools of one name."""

    def __init__(self, tools: Iterable[ServerTool]) -> None:
        self._own: dict[str, ServerTool] = {}
        for tool in tools:
            if tool.name in self._own:
                raise ValueError(f"two tools are called {tool.name}")
            self._own[tool.name] = tool
        self._tools = self._own

    def adopt(self, others: Iterable[ServerTool]) -> None:
        """Have `others` beside its own from now on, instead of those that were adopted before.

        One that is called as one of its own is left out: what a server calls its tools decides nothing here.
        """
        self._tools = {**{tool.name: tool for tool in others}, **self._own}

    def __iter__(self) -> Iterator[ServerTool]:
        return iter(self._tools.values())

    def find(self, name: str) -> ServerTool | None:
        """The tool of that name, or the one that does what a vendor's of that name does."""
        return self._tools.get(name) or self._tools.get(_MEANT.get(name, ""))

    def known(self, names: Sequence[str], param: str) -> tuple[ServerTool, ...]:
        """Those of `names`, each once, whoever may use them. Raises `UnknownToolError`, which names the place."""
        found: dict[str, ServerTool] = {}
        for index, name in enumerate(names):
            tool = self.find(name)
            if tool is None:
                raise UnknownToolError(param=f"{param}[{index}]")
            found[tool.name] = tool
        return tuple(found.values())

    def chosen(self, names: Sequence[str], param: str, access: Access) -> tuple[ServerTool, ...]:
        """As `known`, for a caller who names them to use them. Raises `ToolNotInScopeError` for one they may not."""
        tools = self.known(names, param)
        for index, name in enumerate(names):
            tool = self.find(name)
            if tool is not None:
                require_allowed(tool.name, access, f"{param}[{index}]")
        return tools

    def allowed(self, access: Access) -> tuple[ServerTool, ...]:
        """All that the caller may use: what the organisation allows, and of that an agent what it is granted."""
        tools = tuple(tool for tool in self if access.policy.allows_tool(tool.name))
        delegation = access.principal.delegation
        if delegation is None:
            return tools
        granted = tools_of(delegation.grants)
        return tuple(tool for tool in tools if tool.name in granted)


def require_allowed(name: str, access: Access, param: str) -> None:
    """Raises `ToolNotInScopeError`, which names the place, unless the caller may use the tool that is called `name`."""
    if not access.policy.allows_tool(name):
        raise ToolForbiddenError(param=param)
    delegation = access.principal.delegation
    if delegation is not None and name not in tools_of(delegation.grants):
        raise ToolNotInScopeError(param=param)

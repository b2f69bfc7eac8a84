"""The tools of this installation, by the names that callers know them by."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from gateway.agents.delegation import Delegation
from gateway.agents.grants import tools_of
from gateway.errors import GatewayError, Kind
from gateway.harness.tool import ServerTool

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

    def chosen(self, names: Sequence[str], param: str) -> tuple[ServerTool, ...]:
        """Those of `names`, each once. Raises `UnknownToolError`, which names the place."""
        found: dict[str, ServerTool] = {}
        for index, name in enumerate(names):
            tool = self.find(name)
            if tool is None:
                raise UnknownToolError(param=f"{param}[{index}]")
            found[tool.name] = tool
        return tuple(found.values())

    def allowed(self, delegation: Delegation | None) -> tuple[ServerTool, ...]:
        """All that the caller may use: an agent those of its grants."""
        if delegation is None:
            return tuple(self)
        granted = tools_of(delegation.grants)
        return tuple(tool for tool in self if tool.name in granted)

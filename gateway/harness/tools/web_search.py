"""`web_search`: the public Internet, through a search server of the operator's."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from pydantic import JsonValue

from gateway.harness.tool import ToolAnswer, ToolFailedError, ToolUseContext
from gateway.harness.tools.terms import Terms
from gateway.outside.configured_server import ConfiguredServer

SearchKind = Literal["searxng", "json"]

_MOST_RESULTS = 10
_LONGEST_QUERY = 400
_LONGEST_SNIPPET = 1000
_SNIPPETS = ("content", "snippet", "description", "text")


class WebSearch:
    """A SearXNG's JSON API (`GET /search?format=json`), or any server that takes `{"query", "limit"}` by POST and
    answers `{"results": [{"title", "url", "snippet"}]}`.
    """

    name = "web_search"
    description = "Searches the public Internet, and gives titles, URLs and a few words of the best results."
    schema: Mapping[str, JsonValue] = {
        "type": "object",
        "properties": {
            "query": {"type": "string", "maxLength": _LONGEST_QUERY, "description": "What to search for"},
            "limit": {"type": "integer", "minimum": 1, "maximum": _MOST_RESULTS, "description": "How many results"},
        },
        "required": ["query"],
        "additionalProperties": False,
    }
    leaves = True

    def __init__(self, server: ConfiguredServer, kind: SearchKind, terms: Terms) -> None:
        self._server = server
        self._kind = kind
        self.surcharge = terms.surcharge
        self.timeout_s = terms.timeout_s

    async def run(self, given: Mapping[str, JsonValue], context: ToolUseContext) -> ToolAnswer:  # noqa: ARG002
        query, limit = given.get("query"), given.get("limit", _MOST_RESULTS)
        if not isinstance(query, str) or not query.strip() or len(query) > _LONGEST_QUERY:
            raise ToolFailedError(f"`query` must be a text of at most {_LONGEST_QUERY} characters.")
        if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= _MOST_RESULTS:
            raise ToolFailedError(f"`limit` must be a number from 1 to {_MOST_RESULTS}.")
        found = [*_results(await self._asked(query, limit))][:limit]
        if not found:
            return ToolAnswer("Nothing was found.")
        return ToolAnswer("\n\n".join(f"{number}. {text}" for number, text in enumerate(found, start=1)))

    async def _asked(self, query: str, limit: int) -> JsonValue:
        if self._kind == "searxng":
            return await self._server.get({"q": query, "format": "json"}, timeout_s=self.timeout_s)
        return await self._server.post({"query": query, "limit": limit}, timeout_s=self.timeout_s)


def _results(answer: JsonValue) -> Iterator[str]:
    results = answer.get("results") if isinstance(answer, dict) else None
    if not isinstance(results, list):
        raise ToolFailedError("The search server's answer has no results.")
    for each in results:
        if isinstance(each, dict) and isinstance(url := each.get("url"), str):
            yield "\n".join(filter(None, (_text(each, ("title",)), url, _text(each, _SNIPPETS))))


def _text(result: Mapping[str, JsonValue], names: Sequence[str]) -> str:
    for name in names:
        if isinstance(value := result.get(name), str) and value.strip():
            return " ".join(value.split())[:_LONGEST_SNIPPET]
    return ""

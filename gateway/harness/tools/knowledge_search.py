"""`knowledge_search`: passages of the files that a chat or its agent brought along."""

from collections.abc import Mapping
from typing import Final

import structlog
from pydantic import JsonValue

from gateway.errors import UnavailableError
from gateway.files.meaning import Meaning, Meanings
from gateway.files.search import FileSearch
from gateway.harness.tool import ToolAnswer, ToolFailedError, ToolUseContext
from gateway.harness.tools.terms import Terms
from gateway.tenancy import Access

log = structlog.get_logger()

_LONGEST: Final = 1_000
_MOST_PASSAGES: Final = 8
_PATIENCE_S: Final = 5.0


class KnowledgeSearch:
    """Sees no other files than those of the request and of its agent."""

    name = "knowledge_search"
    description = (
        "Finds passages in the files that were given with this conversation. Ask with the words that the passage would"
        " have, without filler."
    )
    schema: Mapping[str, JsonValue] = {
        "type": "object",
        "properties": {"query": {"type": "string", "maxLength": _LONGEST, "description": "night shift handover"}},
        "required": ["query"],
        "additionalProperties": False,
    }
    leaves = False

    def __init__(self, search: FileSearch, terms: Terms, meanings: Meanings | None = None) -> None:
        self._search = search
        self._meanings = meanings
        self.surcharge = terms.surcharge
        self.timeout_s = terms.timeout_s

    async def run(self, given: Mapping[str, JsonValue], context: ToolUseContext) -> ToolAnswer:
        query = given.get("query")
        if not isinstance(query, str) or not query.strip() or len(query) > _LONGEST:
            raise ToolFailedError(f"`query` must be a text of at most {_LONGEST} characters.")
        if not context.files:
            raise ToolFailedError("No files were given with this conversation.")
        org = context.access.principal.org
        meaning = await self._meaning(query, context.access)
        found = await self._search.find(org, context.files, query, limit=_MOST_PASSAGES, meaning=meaning)
        if not found:
            return ToolAnswer("Nothing in the files has these words.")
        return ToolAnswer("\n\n".join(f"[{each.file}]\n{each.text}" for each in found))

    async def _meaning(self, query: str, access: Access) -> Meaning | None:
        """None where there is no server for it, and while it is away: words find something too."""
        if self._meanings is None:
            return None
        org = access.principal.org
        try:
            (meaning,) = await self._meanings.of([query], access.policy, org=org, timeout_s=_PATIENCE_S)
        except UnavailableError:
            log.warning("embedding_server_away")
            return None
        return meaning

"""`web_fetch`: a page of the public Internet, as text."""

import asyncio
from collections.abc import Mapping

from pydantic import JsonValue

from gateway.harness.tool import ToolAnswer, ToolFailedError, ToolUseContext
from gateway.harness.tools.terms import Terms
from gateway.outside.prose import Prose, read_prose
from gateway.outside.reading import Page, PublicReader, UnreadError

_LEAST_ERROR = 400


class WebFetch:
    """Over connections that lead to public addresses only, whatever the page's name and its redirects say."""

    name = "web_fetch"
    description = "Reads one page of the public Internet by its https URL, and gives its title and text."
    schema: Mapping[str, JsonValue] = {
        "type": "object",
        "properties": {"url": {"type": "string", "description": "Where the page is, beginning with https://"}},
        "required": ["url"],
        "additionalProperties": False,
    }
    leaves = True

    def __init__(self, reader: PublicReader, terms: Terms) -> None:
        self._reader = reader
        self.surcharge = terms.surcharge
        self.timeout_s = terms.timeout_s

    async def run(self, given: Mapping[str, JsonValue], context: ToolUseContext) -> ToolAnswer:  # noqa: ARG002
        url = given.get("url")
        if not isinstance(url, str):
            raise ToolFailedError("`url` must be a string.")
        try:
            page = await self._reader.get(url, timeout_s=self.timeout_s)
            if page.status < _LEAST_ERROR:
                return ToolAnswer(_told(page, await asyncio.to_thread(read_prose, page)))
        except UnreadError as unread:
            raise ToolFailedError(str(unread)) from None
        raise ToolFailedError(f"The server answered with status {page.status}.")


def _told(page: Page, prose: Prose) -> str:
    title = f"{prose.title}\n" if prose.title else ""
    cut = "\n\n[The page goes on.]" if page.is_cut or prose.is_cut else ""
    return f"{title}{page.url}\n\n{prose.text}{cut}"

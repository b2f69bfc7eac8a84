"""Where a citation points in the caller's own documents: the model counted the characters of the masked ones."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate

from pydantic import JsonValue

from gateway.conversation import Conversation, Document, ToolResult

_PLACES = ("start_char_index", "end_char_index")

Growth = Callable[[str], Sequence[tuple[int, int]]]
"""Where each placeholder ends in a text, and by how many characters its value is longer."""


def documents_of(conversation: Conversation) -> tuple[str | None, ...]:
    """The plain texts of all documents, in the order in which citations count them; None for one of another form."""
    return tuple(document.text for document in _documents(conversation))


class CitedDocuments:
    """The documents of one request, as they were sent."""

    __slots__ = ("_growth", "_shifts", "_texts")

    def __init__(self, texts: Sequence[str | None], growth: Growth) -> None:
        self._texts = texts
        self._growth = growth
        self._shifts: dict[int, tuple[list[int], list[int]]] = {}

    def placed(self, citation: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        """`citation` with its characters counted in the original; as it is when it counts none."""
        document = citation.get("document_index")
        if citation.get("type") != "char_location" or not isinstance(document, int):
            return citation
        if not 0 <= document < len(self._texts) or (text := self._texts[document]) is None:
            return citation
        ends, shifts = self._shifts_of(document, text)
        places = {name: at for name in _PLACES if isinstance(at := citation.get(name), int)}
        return {**citation, **{name: at + shifts[bisect_right(ends, at)] for name, at in places.items()}}

    def _shifts_of(self, document: int, text: str) -> tuple[list[int], list[int]]:
        if document not in self._shifts:
            grown = self._growth(text)
            self._shifts[document] = [end for end, _ in grown], [0, *accumulate(more for _, more in grown)]
        return self._shifts[document]


def _documents(conversation: Conversation) -> Iterator[Document]:
    for turn in conversation.turns:
        for block in turn.blocks:
            if isinstance(block, Document):
                yield block
            elif isinstance(block, ToolResult):
                yield from (part for part in block.content if isinstance(part, Document))

"""Citations point into the documents that the caller has."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.completion import BlockDelta, CitationDelta, Completion, StopReason, Usage
from gateway.conversation import Document, Text, ToolResult
from gateway.phi.cited import documents_of
from gateway.phi.guard import Guard
from gateway.phi.inline import RuleDetector
from gateway.phi.restore import Restorer
from tests.unit.phi.conversations import access_with, with_block

VALUES = {"NAME_1": "Wilhelmina Vandermolen", "NAME_2": "Bo", "SSN_1": "917-44-8123"}
PARTS = [*(f"[{name}]" for name in VALUES), "a ", "note. ", "[", "æ🍒"]
Citation = dict[str, Any]


def cite(start: int, end: int, document: object = 0, kind: str = "char_location") -> Citation:
    return {"type": kind, "document_index": document, "start_char_index": start, "end_char_index": end}


def restored(restorer: Restorer, citation: Citation) -> Citation:
    """`citation` as it comes back, the same whole and streamed."""
    (block,) = restorer.completion(
        Completion("m", (Text("a", citations=(citation,)),), StopReason.END_TURN, Usage())
    ).blocks
    assert isinstance(block, Text)
    streamed = restorer.stream().feed([BlockDelta(0, CitationDelta(citation))])
    assert streamed == [BlockDelta(0, CitationDelta(block.citations[0]))]
    return dict(block.citations[0])


@given(
    st.lists(st.sampled_from([*(f"[{name}]" for name in VALUES), "a ", "note. ", "[", "æ🍒"]), max_size=20), st.data()
)
def test_a_citation_of_any_passage_finds_it_in_the_original(parts: list[str], data: st.DataObject) -> None:
    originals = [VALUES.get(part[1:-1], part) for part in parts]
    first, last = sorted((data.draw(st.integers(0, len(parts))), data.draw(st.integers(0, len(parts)))))
    start, end = (sum(map(len, parts[:at])) for at in (first, last))

    found = restored(Restorer(VALUES, documents=("".join(parts),)), cite(start, end))

    place = slice(found["start_char_index"], found["end_char_index"])
    assert "".join(originals)[place] == "".join(originals[first:last])


async def test_documents_are_counted_wherever_they_stand() -> None:
    pdf = Document(media_type="application/pdf", data="JVBERi0xLjcK")
    nested = ToolResult("t1", (Text("x"), Document(text="Maria Lopez, SSN 917-44-8123, is well.")))
    conversation = with_block(Document(text="a"), pdf, nested)

    screened = await Guard(RuleDetector()).screen(conversation, access_with(unscannable="pass"))
    sent = documents_of(screened.conversation)

    assert sent[:2] == ("a", None)
    assert sent[2] is not None
    found = restored(screened.restorer, cite(sent[2].index("is well"), len(sent[2]), 2))
    place = slice(found["start_char_index"], found["end_char_index"])
    assert "Maria Lopez, SSN 917-44-8123, is well."[place] == "is well."


def test_what_counts_no_characters_of_a_text_stays_as_it_is() -> None:
    restorer = Restorer(VALUES, documents=("[NAME_1]", None))

    for citation in (
        cite(9, 9, kind="page_location"),
        cite(9, 9, 1),
        cite(9, 9, 2),
        cite(9, 9, -1),
        cite(9, 9, "0"),
        {"type": "char_location", "document_index": 0, "start_char_index": None},
    ):
        assert restored(restorer, citation) == citation

"""The sandbox cites what asks to be cited; the official SDK is the judge of the shapes."""

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from anthropic.types import Message, TextBlock

from tests.upstream import SandboxServer

CITED = {"enabled": True}
PLAIN: dict[str, Any] = {
    "type": "document",
    "source": {"type": "text", "media_type": "text/plain", "data": "The grass is green. The sky is blue."},
    "title": "Colours",
    "citations": CITED,
}
BLOCKS: dict[str, Any] = {
    "type": "document",
    "source": {"type": "content", "content": [{"type": "text", "text": "First."}, {"type": "text", "text": "Second."}]},
    "citations": CITED,
}
PDF: dict[str, Any] = {
    "type": "document",
    "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
    "citations": CITED,
}
RESULT: dict[str, Any] = {
    "type": "search_result",
    "source": "https://example.com/a",
    "title": "A page",
    "content": [{"type": "text", "text": "Found it."}],
    "citations": CITED,
}


@pytest.fixture
def claude(sandbox_server: SandboxServer) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=sandbox_server.url, api_key="any", max_retries=0) as client:
        yield client


def turns(*blocks: dict[str, Any]) -> list[Any]:
    return [{"role": "user", "content": [*blocks, {"type": "text", "text": "What?"}]}]


def ask(claude: anthropic.Anthropic, told: list[Any], *, max_tokens: int = 99, **more: Any) -> Message:
    return claude.messages.create(model="claude-x", max_tokens=max_tokens, messages=told, stream=False, **more)


def citations(message: Message) -> list[dict[str, Any]]:
    texts = [block for block in message.content if isinstance(block, TextBlock)]
    return [citation.to_dict() for text in texts for citation in text.citations or ()]


@pytest.mark.parametrize(
    ("source", "citation"),
    [
        (
            PLAIN,
            {
                "type": "char_location",
                "cited_text": "The grass is green. ",
                "document_index": 0,
                "document_title": "Colours",
                "file_id": None,
                "start_char_index": 0,
                "end_char_index": 20,
            },
        ),
        (
            BLOCKS,
            {
                "type": "content_block_location",
                "cited_text": "First.",
                "document_index": 0,
                "document_title": None,
                "file_id": None,
                "start_block_index": 0,
                "end_block_index": 1,
            },
        ),
        (
            PDF,
            {
                "type": "page_location",
                "cited_text": "The first page.",
                "document_index": 0,
                "document_title": None,
                "file_id": None,
                "start_page_number": 1,
                "end_page_number": 2,
            },
        ),
        (
            RESULT,
            {
                "type": "search_result_location",
                "cited_text": "Found it.",
                "search_result_index": 0,
                "source": "https://example.com/a",
                "title": "A page",
                "start_block_index": 0,
                "end_block_index": 1,
            },
        ),
    ],
)
def test_each_kind_of_source_has_its_own_citation(
    claude: anthropic.Anthropic, source: dict[str, Any], citation: dict[str, Any]
) -> None:
    assert citations(ask(claude, turns(source))) == [citation]


def test_a_streamed_citation_folds_to_the_plain_one(claude: anthropic.Anthropic) -> None:
    plain = ask(claude, turns(PLAIN, RESULT))
    with claude.messages.stream(model="claude-x", max_tokens=99, messages=turns(PLAIN, RESULT)) as stream:
        events = [event.type for event in stream]
        streamed = stream.get_final_message()

    assert [block.to_dict() for block in streamed.content] == [block.to_dict() for block in plain.content]
    assert events.count("citation") == 2
    assert streamed.usage.output_tokens == plain.usage.output_tokens


def test_documents_and_search_results_are_numbered_apart_and_in_order(claude: anthropic.Anthropic) -> None:
    told = citations(ask(claude, turns(RESULT, PLAIN, BLOCKS, RESULT)))

    assert [(each["type"], each.get("document_index", each.get("search_result_index"))) for each in told] == [
        ("char_location", 0),
        ("content_block_location", 1),
        ("search_result_location", 0),
        ("search_result_location", 1),
    ]


def test_a_search_result_in_a_tool_result_is_cited(claude: anthropic.Anthropic) -> None:
    call: dict[str, Any] = {"type": "tool_use", "id": "t1", "name": "search", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [RESULT]}
    told = [
        {"role": "user", "content": "Find it"},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
    ]

    message = ask(claude, told)

    assert [each["source"] for each in citations(message)] == ["https://example.com/a"]


def test_an_answer_with_citations_can_be_sent_back(claude: anthropic.Anthropic) -> None:
    first = turns(PLAIN, RESULT)
    said = {"role": "assistant", "content": [block.to_dict() for block in ask(claude, first).content]}

    assert ask(claude, [*first, said, {"role": "user", "content": "And?"}]).stop_reason == "end_turn"


def test_a_citation_that_the_limit_leaves_no_room_for_is_left_out(claude: anthropic.Anthropic) -> None:
    message = ask(claude, turns(PLAIN), max_tokens=3)

    assert message.stop_reason == "max_tokens"
    assert not citations(message)


@pytest.mark.parametrize("asking", [{"enabled": False}, None, dict[str, bool]()])
def test_a_source_that_does_not_ask_is_not_cited(claude: anthropic.Anthropic, asking: dict[str, bool] | None) -> None:
    assert not citations(ask(claude, turns(PLAIN | {"citations": asking})))


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (turns(PLAIN, BLOCKS | {"citations": {"enabled": False}}), "all or none of the documents"),
        (turns(RESULT, {**RESULT, "citations": {"enabled": False}}), "all or none of the search results"),
        (turns({**PLAIN, "citations": {"on": True}}), "citations.on: Extra inputs"),
        (turns({**PLAIN, "citations": {"enabled": "yes"}}), "citations.enabled: Input should be a valid boolean"),
        (turns({**PLAIN, "citations": True}), "citations: Input should be a valid dictionary"),
        (turns({**PLAIN, "source": {"type": "papyrus"}}), "document.source: Input tag"),
        (turns({**PLAIN, "source": {"type": "text", "data": "a"}}), "source.text.media_type: Field required"),
        (turns({**PLAIN, "source": {"type": "url", "url": 7}}), "source.url.url: Input should be a valid string"),
        (
            turns({**PLAIN, "source": {"type": "text", "media_type": "text/html", "data": "a"}}),
            "Input should be 'text/plain'",
        ),
        (turns({**BLOCKS, "source": {"type": "content", "content": [{"type": "audio"}]}}), "content.0: Input tag"),
        (turns({**RESULT, "content": "Found"}), "search_result.content: Input should be a valid list"),
        (turns({"type": "text", "text": "a", "citations": [{"type": "hearsay"}]}), "citations.0: Input tag"),
        (
            turns({"type": "text", "text": "a", "citations": [{"type": "char_location", "cited_text": "a"}]}),
            "char_location.document_index: Field required",
        ),
    ],
)
def test_sources_the_vendor_would_not_take_are_refused(
    claude: anthropic.Anthropic, told: list[Any], words: str
) -> None:
    with pytest.raises(anthropic.BadRequestError, match=words):
        ask(claude, told)


def test_an_answer_of_a_given_form_cannot_cite(claude: anthropic.Anthropic) -> None:
    form: dict[str, Any] = {"type": "json_schema", "schema": {"type": "object"}}
    with pytest.raises(anthropic.BadRequestError, match="cannot be used with citations"):
        ask(claude, turns(PLAIN), output_config={"format": form})

"""Documents and search results that ask to be cited, and the citations of them, as Anthropic words both."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sandbox.wire import Json, as_list, as_object, child, children

_SENTENCE = re.compile(r".*?[.!?](?:\s+|$)", re.DOTALL)
_SOURCES = {
    "base64": ("media_type", "data"),
    "text": ("media_type", "data"),
    "content": ("content",),
    "url": ("url",),
    "file": ("file_id",),
}
_PLACE = {
    "char_location": ("document_index", "start_char_index", "end_char_index"),
    "page_location": ("document_index", "start_page_number", "end_page_number"),
    "content_block_location": ("document_index", "start_block_index", "end_block_index"),
    "search_result_location": ("search_result_index", "source", "start_block_index", "end_block_index"),
    "web_search_result_location": ("encrypted_index", "url"),
}


@dataclass(frozen=True, slots=True)
class Quote:
    """Something that the answer says because a source says it."""

    text: str
    citation: Json


def quotes(turns: list[Json]) -> list[Quote]:
    """The first passage of each source that asks to be cited."""
    documents = [block for block in _blocks(turns) if block["type"] == "document"]
    results = [block for block in _blocks(turns) if block["type"] == "search_result"]
    cited = [_document_citation(at, block) for at, block in enumerate(documents) if _is_cited(block)]
    cited += [_result_citation(at, block) for at, block in enumerate(results) if _is_cited(block)]
    return [Quote(f" {each['cited_text'].strip()}", each) for each in cited if each is not None]


def are_wanted(turns: list[Json]) -> bool:
    return any(_is_cited(block) for block in _blocks(turns))


def mixing_problems(turns: list[Json]) -> Iterator[str]:
    """The vendor cites all the sources of a request, or none."""
    for kind, name in (("document", "documents"), ("search_result", "search results")):
        if len({_is_cited(block) for block in _blocks(turns) if block["type"] == kind}) > 1:
            yield f"messages: citations must be enabled on all or none of the {name} in a request"


def block_problems(path: str, block: Json) -> Iterator[str]:
    """What is wrong with a source, or with the citations of a text that came back."""
    if block["type"] == "text":
        for at, citation in enumerate(as_list(block.get("citations") or []) or ()):
            yield from _citation_problems(f"{path}.citations.{at}", as_object(citation) or {})
        return
    if block.get("citations") is not None and as_object(block["citations"]) is None:
        yield f"{path}.citations: Input should be a valid dictionary"
    for name, value in child(block, "citations").items():
        if name != "enabled":
            yield f"{path}.citations.{name}: Extra inputs are not permitted"
        if not isinstance(value, bool):
            yield f"{path}.citations.enabled: Input should be a valid boolean"
    if block["type"] == "document":
        yield from _source_problems(f"{path}.source", as_object(block["source"]) or {})
    else:
        yield from _content_problems(f"{path}.content", block["content"])


def _source_problems(path: str, source: Json) -> Iterator[str]:
    kind = source.get("type")
    if not isinstance(kind, str) or kind not in _SOURCES:
        yield f"{path}: Input tag does not match any of the expected tags: {', '.join(_SOURCES)}"
        return
    for name in _SOURCES[kind]:
        if name not in source:
            yield f"{path}.{kind}.{name}: Field required"
        if name != "content" and not isinstance(source[name], str):
            yield f"{path}.{kind}.{name}: Input should be a valid string"
    if kind == "text" and source["media_type"] != "text/plain":
        yield f"{path}.text.media_type: Input should be 'text/plain'"
    if kind == "base64" and source["media_type"] != "application/pdf":
        yield f"{path}.base64.media_type: Input should be 'application/pdf'"
    if kind == "content" and not isinstance(source["content"], str):
        yield from _content_problems(f"{path}.content.content", source["content"])


def _content_problems(path: str, content: object) -> Iterator[str]:
    blocks = as_list(content)
    if blocks is None:
        yield f"{path}: Input should be a valid list"
    for at, given in enumerate(blocks or ()):
        block = as_object(given) or {}
        if block.get("type") not in ("text", "image"):
            yield f"{path}.{at}: Input tag does not match any of the expected tags"
        if block["type"] == "text" and not isinstance(block.get("text"), str):
            yield f"{path}.{at}.text.text: Input should be a valid string"


def _citation_problems(path: str, citation: Json) -> Iterator[str]:
    kind = citation.get("type")
    if not isinstance(kind, str) or kind not in _PLACE:
        yield f"{path}: Input tag does not match any of the expected tags: {', '.join(_PLACE)}"
        return
    for name in ("cited_text", *_PLACE[kind]):
        if name not in citation:
            yield f"{path}.{kind}.{name}: Field required"


def _blocks(turns: list[Json]) -> Iterator[Json]:
    """Every block of every turn, those of tool results in their places."""
    for turn in turns:
        for block in children(turn, "content") if isinstance(turn["content"], list) else ():
            yield block
            if block["type"] == "tool_result" and not isinstance(block.get("content"), str):
                yield from children(block, "content")


def _is_cited(block: Json) -> bool:
    return block["type"] in ("document", "search_result") and child(block, "citations").get("enabled") is True


def _document_citation(at: int, block: Json) -> Json | None:
    source = block["source"]
    told: Json = {"document_index": at, "document_title": block.get("title"), "file_id": source.get("file_id")}
    if source["type"] == "text":
        passage = _first_sentence(source["data"])
        place = {"type": "char_location", "start_char_index": 0, "end_char_index": len(passage)}
        return place | told | {"cited_text": passage} if passage else None
    if source["type"] == "content":
        content: str | list[Json] = source["content"]
        blocks: list[Json] = [{"type": "text", "text": content}] if isinstance(content, str) else content
        return _block_citation("content_block_location", blocks, told)
    # The sandbox reads no PDF: what it cites of one is its first page, by name.
    place = {"type": "page_location", "start_page_number": 1, "end_page_number": 2}
    return place | told | {"cited_text": "The first page."}


def _result_citation(at: int, block: Json) -> Json | None:
    told = {"search_result_index": at, "source": block["source"], "title": block["title"]}
    return _block_citation("search_result_location", block["content"], told)


def _block_citation(kind: str, content: list[Json], told: Json) -> Json | None:
    for at, block in enumerate(content):
        if block["type"] == "text" and block["text"].strip():
            place = {"type": kind, "start_block_index": at, "end_block_index": at + 1}
            return place | told | {"cited_text": block["text"]}
    return None


def _first_sentence(text: str) -> str:
    found = _SENTENCE.match(text)
    return found.group() if found else text

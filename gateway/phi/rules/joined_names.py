"""Names written as one word, as files and accounts are called: `MariaLopez.pdf`, `smith-jane-ct.pdf`."""

import re
from collections.abc import Iterator

from gateway.phi.detector import Span
from gateway.phi.findings import Entity
from gateway.phi.lexicon.words import Kind, lexicon
from gateway.phi.rules.document import Document, Word

_CAMEL = re.compile(r"[A-Z][a-z]+")
_FILE_END = re.compile(r"(?:[\w-]*)\.[a-z][a-z0-9]{1,4}\b")
_FILE_START = frozenset("/\\_")
_COMMON = Kind.COMMON_FIRST | Kind.COMMON_LAST
_TERM = Kind.WORD | Kind.MEDICAL


def find_joined_names(document: Document) -> Iterator[Span]:
    for word in [word for word in document.words if not word.kinds & Kind.LISTED or "-" in word.lower]:
        text = word.text
        if "-" in text:
            if len(text) > 6 and _in_file_name(document, word):
                yield from _hyphened(word)
        elif word.is_capital and not text[1:].islower() and not text.isupper():
            yield from _camel(document, word)


def _in_file_name(document: Document, word: Word) -> bool:
    before = document.flat[word.start - 1 : word.start]
    return before in _FILE_START or _FILE_END.match(document.flat, word.end) is not None


def _hyphened(word: Word) -> Iterator[Span]:
    parts = word.text.split("-")
    if len(parts) > 1 and _is_name(parts[0].lower(), parts[1].lower()):
        yield Span(word.start, word.start + len(parts[0]) + 1 + len(parts[1]), Entity.PERSON, 600)


def _camel(document: Document, word: Word) -> Iterator[Span]:
    parts = _CAMEL.findall(word.text)
    if len(parts) == 2 and min(map(len, parts)) < 4 and not _in_file_name(document, word):
        return
    if (
        len(parts) == 2
        and len(parts[0]) + len(parts[1]) == len(word.text)
        and _is_name(parts[0].lower(), parts[1].lower())
    ):
        yield Span(word.start, word.end, Entity.PERSON, 600)


def _is_name(one: str, other: str) -> bool:
    """A given and a family name in either order, neither of them a plain word and one of them frequent."""
    kinds = lexicon()
    first, second = kinds.get(one, 0), kinds.get(other, 0)
    if (first | second) & _TERM and not (first & Kind.COMMON_FIRST and second & Kind.COMMON_LAST):
        return (
            not (first | second) & Kind.WORD
            and bool(first & _COMMON and second & _COMMON)
            and bool((first | second) & Kind.COMMON_FIRST)
        )
    paired = (first & Kind.FIRST and second & Kind.LAST) or (first & Kind.LAST and second & Kind.FIRST)
    return bool(paired) and bool((first | second) & _COMMON)

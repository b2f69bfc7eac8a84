"""Which passages a model is asked about: those around a word that neither a rule nor a dictionary explains."""

import re
from collections.abc import Iterator, Sequence

from gateway.phi.detector import CERTAIN, Span
from gateway.phi.lexicon.words import Kind
from gateway.phi.rules.document import Document, Word
from gateway.phi.rules.vocabulary import CREDENTIALS, NOT_NAMES

_REACH = 10
"""Words on either side, within the sentence, that are read with an open one; more changed no answer."""

_LONGEST_ACRONYM = 4
_LISTED = Kind.COMMON_FIRST | Kind.COMMON_LAST
_SENTENCE_END = re.compile(
    # not after `J.`, `Dr.` or `Mrs.`
    r"(?<![ .(][A-Za-z])(?<!\b[A-Z][a-z])(?<!\b[A-Z][a-z]{2})[.!?][\"')]*\s+(?=[\"'(\[]*[A-Z0-9])"
    r"|\n\s*\n"
    r"|(?<=[.:;!?,|])\s*\n"
    r"|\n(?=\s*(?:[-*#|>]|\d+[.)]|[A-Z][A-Za-z ]{0,24}[:#|]))"
)
_MIXED_CASE = re.compile(r"[a-z][A-Z]|[A-Z]{2}[a-z]")
_COMPOSED_NAME = re.compile(r"(?:Mc|Mac|De|Di|Du|La|Le|Van|Von|St|O')[A-Z][a-z]+")


def passages(document: Document, found: Sequence[Span]) -> Iterator[tuple[int, int]]:
    """Where each passage to read starts and ends, in order and without overlaps."""
    words = document.words
    breaks = [match.end() for match in _SENTENCE_END.finditer(document.folded)]
    breaks.append(len(document.folded))
    start = end = at = 0
    for index in _open_words(document, found):
        while breaks[at] <= words[index].start:
            at += 1
        sentence = breaks[at - 1] if at else 0
        first = max(sentence, words[max(0, index - _REACH)].start)
        last = min(breaks[at], words[min(len(words) - 1, index + _REACH)].end + 1)
        if first <= end:
            end = max(end, last)
            continue
        if start < end:
            yield start, end
        start, end = first, last
    if start < end:
        yield start, end


def _open_words(document: Document, found: Sequence[Span]) -> Iterator[int]:
    """Indexes of the words that could be names or towns and that no certain finding covers."""
    certain = [span for span in found if span.score_milli >= CERTAIN]
    at = 0
    for index, word in enumerate(document.words):
        while at < len(certain) and certain[at].end <= word.start:
            at += 1
        explained = at < len(certain) and certain[at].start < word.end
        if not explained and _is_open(document, index):
            yield index


def _is_open(document: Document, index: int) -> bool:
    word = document.words[index]
    if len(word.text) < 2 or word.lower in NOT_NAMES or word.lower in CREDENTIALS or word.kinds & Kind.MEDICAL:
        return False
    if document.is_caseless:
        return not word.kinds & Kind.WORD
    if not word.is_capital or is_code(word):
        return False
    return not word.kinds & Kind.WORD or bool(word.kinds & _LISTED and not _begins_sentence(document, index))


def is_code(word: Word) -> bool:
    """An abbreviation or an identifier of a program, by its capitals: `CBC`, `DTRs`, `firstName`."""
    if word.text.isupper():
        return len(word.text) <= _LONGEST_ACRONYM
    return bool(_MIXED_CASE.search(word.text)) and not _COMPOSED_NAME.match(word.text)


def _begins_sentence(document: Document, index: int) -> bool:
    before = document.words[index - 1].end if index else 0
    gap = document.folded[before : document.words[index].start]
    return not index or any(mark in gap for mark in ".!?\n:")

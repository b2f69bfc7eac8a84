"""Which passages a model is asked about: those around a word that neither a rule nor a dictionary explains."""

import re
from collections.abc import Iterator, Sequence

from gateway.phi.detector import CERTAIN, LIKELY, Span
from gateway.phi.findings import CIRCUMSTANTIAL
from gateway.phi.lexicon.words import Kind
from gateway.phi.rules.document import Document, Word
from gateway.phi.rules.surroundings import Surroundings
from gateway.phi.rules.vocabulary import CREDENTIALS, NOT_NAMES

_REACH = 8
"""Words on either side, within the sentence, that are read with an open one; more find no more names."""

_LONGEST_ACRONYM = 4
_LONGEST_NAME = 30
"""Characters of a word that may be a name; what is longer is a machine's."""
LISTED = Kind.COMMON_FIRST | Kind.COMMON_LAST
_UNSPEAKABLE = re.compile(r"[b-df-hj-np-tv-xz]{5,}")
"""Letters that nobody could call a person by: codes and placeholders are full of them."""
_SENTENCE_END = re.compile(
    # not after `J.`, `Dr.` or `Mrs.`
    r"(?<![ .(][A-Za-z])(?<!\b[A-Z][a-z])(?<!\b[A-Z][a-z]{2})[.!?][\"')]*\s+(?=[\"'(\[]*[A-Z0-9])"
    r"|\n\s*\n"
    r"|(?<=[.:;!?,|])\s*\n"
    r"|\n(?=\s*(?:[-*#|>]|\d+[.)]|[A-Z][A-Za-z ]{0,24}[:#|]))"
)
_MIXED_CASE = re.compile(r"[a-z][A-Z]|[A-Z]{2}[a-z]")
_CODE_BEFORE = re.compile(r"[_@$\\]")
_CODE_AFTER = re.compile(r"[_(\[{]|\.[a-z_]")
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
    """Indexes of the words that could be names or towns and that no finding covers which will count."""
    personal = any(span.score_milli >= CERTAIN and span.entity not in CIRCUMSTANTIAL for span in found)
    least = LIKELY if personal else CERTAIN
    counting = [span for span in found if span.score_milli >= least]
    at = 0
    for index, word in enumerate(document.words):
        while at < len(counting) and counting[at].end <= word.start:
            at += 1
        explained = at < len(counting) and counting[at].start < word.end
        if not explained and _is_open(document, index):
            yield index


def _is_open(document: Document, index: int) -> bool:
    word = document.words[index]
    if not 2 <= len(word.text) <= _LONGEST_NAME or _UNSPEAKABLE.fullmatch(word.lower):
        return False
    if word.lower in NOT_NAMES or word.lower in CREDENTIALS:
        return False
    if is_code(document, word):
        return False
    if document.is_caseless:
        return not word.kinds & (Kind.WORD | Kind.MEDICAL)
    if not word.is_capital:
        return False
    if not word.kinds & (Kind.WORD | Kind.MEDICAL):
        return True
    around = Surroundings(document)
    return bool(word.kinds & LISTED) and not around.begins_sentence(index) and not around.is_eponym(index + 1)


def is_code(document: Document, word: Word) -> bool:
    """An abbreviation or an identifier of a program, by its capitals or its neighbours: `CBC`, `firstName`, `mul(`."""
    if word.text.isupper() and len(word.text) <= _LONGEST_ACRONYM and not document.is_caseless:
        return True
    if _MIXED_CASE.search(word.text) and not _COMPOSED_NAME.match(word.text):
        return True
    text = document.folded
    return bool(_CODE_BEFORE.search(text, max(0, word.start - 1), word.start) or _CODE_AFTER.match(text, word.end))

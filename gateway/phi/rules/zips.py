"""ZIP codes without a state: after a town, a street or a state's cell of a table."""

import re
from collections.abc import Iterator, Sequence

from gateway.phi.detector import CERTAIN, LIKELY, Span
from gateway.phi.findings import Entity
from gateway.phi.lexicon.words import Kind
from gateway.phi.rules.codes import is_listed, is_measured
from gateway.phi.rules.document import Document
from gateway.phi.rules.vocabulary import word_set

_ZIP = re.compile(r"(?<=[ |,\t])(?<![-/#:$] )\d{5}(?:-\d{4})?(?![\w$/%-]|[.,]\d)")
_GAP = re.compile(r"\.?,?\s{1,3}|\s{0,3}\|\s{0,3}|,")
_ENDS = re.compile(
    r"\s{0,2}(?:[.,;:)|\"\[]|\Z|\(|\d|(?:at|on|for|with|and|in|is|was|since|from|to|has|phone|tel|ph|cell|by|who|she|he|last|this|now|where|near|after|before|until|via)\b|(?-i:[A-Z][a-z]))",
    re.IGNORECASE,
)
"""What goes on after an address; what is counted does not: `Boston 26000 runners`."""

_OF_PLACES = frozenset({Entity.LOCATION, Entity.STREET_ADDRESS})
_STATES = word_set(
    "AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR "
    "PA PR RI SC SD TN TX UT VT VA WA WV WI WY"
)


def find_zips(document: Document, places: Sequence[Span]) -> Iterator[Span]:
    """`places` are the spans that the rules for places found in the same text."""
    if not document.has_digit:
        return
    ends = {span.end: span.score_milli for span in places if span.entity in _OF_PLACES}
    for match in _ZIP.finditer(document.flat):
        index = document.word_before(match.start())
        if index < 0 or is_measured(document.flat, match.end()) or is_listed(document, match.start(), index):
            continue
        word = document.words[index]
        gap = document.flat[word.end : match.start()]
        if not _GAP.fullmatch(gap):
            end = match.start() - len(gap) + len(gap.rstrip(" ,"))
            if ends.get(end, 0) >= CERTAIN:
                yield Span(match.start(), match.end(), Entity.US_ZIP, 800)
            continue
        if word.text in _STATES and (gap[:1] in {"|", ","} or not document.is_caseless):
            yield Span(match.start(), match.end(), Entity.US_ZIP, 800)
        elif score := _ENDS.match(document.flat, match.end()) and max(
            _score(document, index), min(ends.get(word.end, 0), 800)
        ):
            yield Span(match.start(), match.end(), Entity.US_ZIP, score)


def _score(document: Document, index: int) -> int:
    """How surely the word before five figures is a town."""
    word = document.words[index]
    if not (word.is_capital or document.is_caseless) or word.kinds & (Kind.WORD | Kind.MEDICAL):
        return 0
    if word.kinds & Kind.CITY:
        return LIKELY if document.is_caseless or word.kinds & Kind.COMMON_LAST else 600
    return LIKELY if word.kinds & Kind.LAST and not document.is_caseless and len(word.lower) > 3 else 0

"""What one text shows about itself: names repeated in part, and doubtful spans next to certain ones."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from gateway.phi.detector import CERTAIN, LIKELY, Span
from gateway.phi.findings import CIRCUMSTANTIAL, Entity
from gateway.phi.lexicon.words import Kind
from gateway.phi.rules.document import Document

_SHORTEST = 3
_NUMBERED = frozenset({Entity.OTHER_ID, Entity.DATE_TIME, Entity.MEDICAL_RECORD_NUMBER, Entity.PHONE_NUMBER})
_LIMITS = frozenset({"max", "min"})
"""Before a number in a text with capitals, a limit and no one's short name."""
_BESIDE = re.compile(r"\s?[,(/#|-]?\s{0,2}[(#]?")


def echoes(document: Document, spans: Sequence[Span]) -> Iterator[Span]:
    """Spans that count because of what `spans` already hold, with the score that says so."""
    if supported := [*_beside_each_other(document, spans)]:
        spans = sorted((*spans, *supported), key=lambda span: span.start)
        yield from supported
    personal = any(span.score_milli >= CERTAIN and span.entity not in CIRCUMSTANTIAL for span in spans)
    if not personal:
        return
    for span in spans:
        if LIKELY <= span.score_milli < CERTAIN:
            yield Span(span.start, span.end, span.entity, CERTAIN)
    yield from _repeated_names(document, spans)


def _beside_each_other(document: Document, spans: Sequence[Span]) -> Iterator[Span]:
    """A doubtful name right before a doubtful number or date, as `tran kh1905318`: each bears the other out."""
    for left, right in pairwise(spans):
        if not (LIKELY <= left.score_milli < CERTAIN and LIKELY <= right.score_milli < CERTAIN):
            continue
        is_pair = left.entity is Entity.PERSON and right.entity in _NUMBERED
        if document.folded[left.start : left.end] in _LIMITS and not document.is_caseless:
            continue
        if is_pair and _BESIDE.fullmatch(document.flat, left.end, right.start):
            yield Span(left.start, left.end, left.entity, CERTAIN)
            yield Span(right.start, right.end, right.entity, CERTAIN)


def _repeated_names(document: Document, spans: Sequence[Span]) -> Iterator[Span]:
    people = [span for span in spans if span.entity is Entity.PERSON and span.score_milli >= CERTAIN]
    if not people:
        return
    parts = _parts(document, people)
    for word in document.words:
        if word.lower in parts and (word.is_capital or not word.kinds & (Kind.WORD | Kind.MEDICAL)):
            yield Span(word.start, word.end, Entity.PERSON, CERTAIN)


def _parts(document: Document, people: Sequence[Span]) -> set[str]:
    """Words of the names found, but for ones that are medical terms too: an eponym stays readable."""
    parts: set[str] = set()
    at = 0
    for word in document.words:
        while at < len(people) and people[at].end <= word.start:
            at += 1
        if at == len(people):
            break
        inside = people[at].start <= word.start
        if inside and len(word.lower) >= _SHORTEST and not word.kinds & Kind.MEDICAL:
            parts.add(word.lower)
    return parts

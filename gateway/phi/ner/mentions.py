"""What a model takes for names and places, in so far as the dictionaries let it."""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from gateway.phi.detector import LIKELY, Span
from gateway.phi.findings import Entity
from gateway.phi.lexicon.words import Kind
from gateway.phi.ner.gate import is_code, passages
from gateway.phi.ner.recognizer import Mention, MentionKind, Recognizer
from gateway.phi.rules.document import Document, Word
from gateway.phi.rules.surroundings import Surroundings
from gateway.phi.rules.vocabulary import CREDENTIALS, FUNCTION_WORDS, NOT_NAMES, RELATIONS, ROLES, TITLES

_ENTITIES: dict[MentionKind, Entity] = {
    "person": Entity.PERSON,
    "place": Entity.LOCATION,
    "street": Entity.STREET_ADDRESS,
}
_SURE = 0.8
_UNSURE = 0.5
_RECOGNIZED = 560
"""The score of a sure mention: below every rule's, so that a rule names what both found."""

_NAMED = Kind.FIRST | Kind.LAST | Kind.CITY
_EDGES = FUNCTION_WORDS | TITLES | ROLES | RELATIONS | CREDENTIALS | NOT_NAMES
_DOSE = re.compile(r"[ -]?(?:\d|XR\b|ER\b|tablets?\b|capsules?\b|inhaler\b|therapy\b|treatment\b|infusions?\b)")


def find_mentions(document: Document, found: Sequence[Span], recognizer: Recognizer) -> Iterator[Span]:
    """Spans that `found` lacks, in the passages that it leaves open."""
    bounds = list(passages(document, found))
    if not bounds:
        return
    answers = recognizer.recognize([document.folded[start:end] for start, end in bounds])
    starts = [word.start for word in document.words]
    for (offset, _), mentions in zip(bounds, answers, strict=True):
        for mention in mentions:
            first = bisect_left(starts, mention.start + offset)
            last = bisect_left(starts, mention.end + offset)
            if span := _span(document, first, last, mention):
                yield span


def _span(document: Document, first: int, last: int, mention: Mention) -> Span | None:
    """The mention as a finding, without roles and titles at its edges; None when it is a common word or a term."""
    words = document.words
    while first < last and _is_edge(document, words[first]):
        first += 1
    while first < last and _is_edge(document, words[last - 1]):
        last -= 1
    if first == last or _is_term(document, first, last):
        return None
    score = _score(document, words[first:last], mention.score)
    return Span(words[first].start, words[last - 1].end, _ENTITIES[mention.kind], score) if score else None


def _is_edge(document: Document, word: Word) -> bool:
    if word.lower in _EDGES:
        return True
    return not word.is_capital and not document.is_caseless and bool(word.kinds & (Kind.WORD | Kind.MEDICAL))


def _is_term(document: Document, first: int, last: int) -> bool:
    words = document.words[first:last]
    if any(word.kinds & Kind.MEDICAL and not word.kinds & _NAMED for word in words):
        return True
    if len(words) == 1 and (is_code(words[0]) or words[0].kinds & Kind.MEDICAL):
        return True
    if Surroundings(document).is_eponym(last):
        return True
    return bool(_DOSE.match(document.flat, words[-1].end))


def _score(document: Document, words: Sequence[Word], likelihood: float) -> int:
    """0 when the model is less sure than the words themselves demand."""
    plain = all(word.kinds & Kind.WORD and not word.kinds & _NAMED for word in words)
    small = document.is_caseless or not any(word.is_capital for word in words)
    sure = _SURE + (0.1 if plain or small else 0)
    if plain and small:
        return 0
    if likelihood >= sure:
        return _RECOGNIZED
    return LIKELY if likelihood >= _UNSURE and not plain else 0

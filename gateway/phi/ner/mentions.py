"""What a model takes for names and places, in so far as the dictionaries let it."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

from gateway.phi.detector import CERTAIN, LIKELY, Span
from gateway.phi.findings import CIRCUMSTANTIAL, Entity
from gateway.phi.lexicon.words import Kind
from gateway.phi.ner.gate import LISTED, is_code, passages
from gateway.phi.ner.recognizer import Mention, MentionKind, Recognizer
from gateway.phi.rules.document import Document, Word
from gateway.phi.rules.surroundings import Surroundings
from gateway.phi.rules.vocabulary import (
    CREDENTIALS,
    EPONYM_HEADS,
    FUNCTION_WORDS,
    NOT_NAMES,
    PERSON_VERBS,
    RELATIONS,
    ROLES,
    TITLES,
    word_set,
)

_ENTITIES: dict[MentionKind, Entity] = {
    "person": Entity.PERSON,
    "place": Entity.LOCATION,
    "street": Entity.STREET_ADDRESS,
}
_VERY_SURE = 0.9
_SURE = 0.7
_LONE = 0.9
_UNSURE = 0.4
_REACH = 8
_PRONOUNS = word_set("he she his her him hers himself herself who whose")
_RECOGNIZED = 560
"""The score of a sure mention: below every rule's, so that a rule names what both found."""

_NAMED = Kind.FIRST | Kind.LAST | Kind.CITY
_EDGES = FUNCTION_WORDS | TITLES | ROLES | RELATIONS | CREDENTIALS
_BRANDS = word_set(
    "toyota honda ford chevy chevrolet nissan hyundai kia subaru mazda volkswagen jeep dodge buick lexus tesla bmw "
    "audi camry corolla prius tacoma accord civic altima sentra sonata elantra silverado impala malibu mustang tahoe "
    "aetna cigna humana anthem molina kaiser centene wellcare medicare medicaid tricare bluecross unitedhealthcare "
    "optum epic cerner meditech athenahealth zoom whatsapp python fitbit dexcom"
)
"""Capitalised like names, used like names, and nobody's."""

_DOSE = re.compile(
    r"[ -]?(?:\d|XR\b|ER\b|tablets?\b|capsules?\b|inhaler\b|therapy\b|treatment\b|infusions?\b|grading\b)"
)


def find_mentions(document: Document, found: Sequence[Span], recognizer: Recognizer) -> Iterator[Span]:
    """Spans that `found` lacks or has only in part, in the passages that it leaves open."""
    bounds = list(passages(document, found))
    if not bounds:
        return
    texts = [document.folded[start:end] for start, end in bounds]
    # Tables and lists say the same over and over.
    distinct = list(dict.fromkeys(texts))
    answers = dict(zip(distinct, recognizer.recognize(distinct), strict=True))
    starts = [word.start for word in document.words]
    certain = [span for span in found if span.score_milli >= CERTAIN]
    personal = any(span.entity not in CIRCUMSTANTIAL for span in certain)
    for (offset, _), text in zip(bounds, texts, strict=True):
        for mention in answers[text]:
            first = bisect_left(starts, mention.start + offset)
            last = bisect_left(starts, mention.end + offset)
            if span := _span(document, first, last, mention, personal=personal):
                yield _confirmed(span, certain)


def _span(document: Document, first: int, last: int, mention: Mention, *, personal: bool) -> Span | None:
    """The mention as a finding, without roles and titles at its edges; None when it is a common word or a term."""
    words = document.words
    sure = mention.score >= _VERY_SURE
    while first < last and _is_edge(document, words[first], kept=sure and last - first > 1):
        first += 1
    while first < last and _is_edge(document, words[last - 1], kept=False):
        last -= 1
    if first == last or _is_term(document, first, last, sure=sure):
        return None
    lone = not personal and (mention.kind == "place" or last - first == 1)
    score = _score(document, words[first:last], mention.score, lone=lone)
    return Span(words[first].start, words[last - 1].end, _ENTITIES[mention.kind], score) if score else None


def _confirmed(span: Span, certain: Sequence[Span]) -> Span:
    """Certain where a rule is certain of a part: it saw the given name, the model the whole."""
    at = bisect_right(certain, span.start, key=lambda each: each.end)
    if span.score_milli < CERTAIN and at < len(certain) and certain[at].start < span.end:
        return Span(span.start, span.end, span.entity, CERTAIN)
    return span


def _is_edge(document: Document, word: Word, *, kept: bool) -> bool:
    """Whether a word at the edge of a mention is none of it. `kept`: one that may be a name after all stays, as in
    `Jun Park` and `White Plains`.
    """
    if word.lower in _EDGES:
        return True
    if word.lower in NOT_NAMES:
        return not (kept and word.is_capital and word.kinds & _NAMED)
    return not word.is_capital and not document.is_caseless and bool(word.kinds & (Kind.WORD | Kind.MEDICAL))


def _is_term(document: Document, first: int, last: int, *, sure: bool) -> bool:
    words = document.words[first:last]
    if any(word.lower in _BRANDS or (word.kinds & Kind.MEDICAL and not word.kinds & _NAMED) for word in words):
        return True
    if any(is_code(document, word) for word in words) or Surroundings(document).is_eponym(last):
        return True
    if any(word.kinds & Kind.MEDICAL for word in words) and _is_listed_off(document, words):
        return True
    if len(words) == 1 and words[0].kinds & Kind.MEDICAL:
        return not (sure and words[0].kinds & LISTED and _is_spoken_of(document, last))
    return bool(_DOSE.match(document.flat, words[-1].end))


def _is_listed_off(document: Document, words: Sequence[Word]) -> bool:
    """`Cullen, Grey Turner, Kehr`: an eponym between commas."""
    before = document.flat[max(0, words[0].start - 2) : words[0].start]
    return before == ", " and document.flat[words[-1].end : words[-1].end + 1] == ","


def _is_spoken_of(document: Document, last: int) -> bool:
    """Whether what follows a name says that it is someone's: `Can Douglas take this with her coffee?`"""
    following = [word.lower for word in document.words[last : last + _REACH]]
    if any(word in EPONYM_HEADS for word in following):
        return False
    return any(word in _PRONOUNS for word in following) or any(word in PERSON_VERBS for word in following[:1])


def _score(document: Document, words: Sequence[Word], likelihood: float, *, lone: bool) -> int:
    """0 when the model is less sure than the words themselves demand.

    A `lone` word in a text that shows nobody else must be sure beyond doubt: such texts are mostly about no one.
    """
    plain = all(word.kinds & Kind.WORD and not word.kinds & _NAMED for word in words)
    small = document.is_caseless or not any(word.is_capital for word in words)
    sure = _SURE + (0.1 if plain or small else 0)
    if plain and small:
        return 0
    if likelihood >= (_LONE if lone else sure):
        return _RECOGNIZED
    return LIKELY if likelihood >= _UNSURE and not plain else 0

"""Facilities, schools and firms: by a word of their kind, by name, and by what happens there."""

import re
from collections.abc import Iterator

from gateway.phi.detector import Span
from gateway.phi.findings import Entity
from gateway.phi.lexicon.words import Kind, lexicon
from gateway.phi.rules.document import Document, Word
from gateway.phi.rules.employers import WORK_MARKS, find_employer
from gateway.phi.rules.facility_names import has_odd_word, is_only_term, run_end
from gateway.phi.rules.firms import find_firms
from gateway.phi.rules.known_facilities import (
    KNOWN_STARTS,
    PARTS,
    SAINTS,
    find_known,
    find_part,
    find_shortened,
    starts_phrase,
)
from gateway.phi.rules.organization_words import (
    EMPLOYER_ENDS,
    EMPLOYER_PAIRS,
    FACILITY_PAIRS,
    FAMOUS,
    GENERALS,
    LOOSE_ENDS,
    PLACE_LABELS,
)
from gateway.phi.rules.practices import PRACTICE_MARKS, find_practice
from gateway.phi.rules.visits import PREPOSITIONS, find_home, find_visited, is_visited
from gateway.phi.rules.vocabulary import FACILITY_ENDS, FUNCTION_WORDS, GENERIC_PLACE_WORDS, word_set

_LAST_WORDS = FACILITY_ENDS | EMPLOYER_ENDS | {pair.split()[1] for pair in FACILITY_PAIRS | EMPLOYER_PAIRS}
_OF_HEADS = word_set("university college school hospital institute church bank city town county state")


_MARKS = (
    WORK_MARKS | PARTS | SAINTS | GENERALS | _LAST_WORDS | PREPOSITIONS | PLACE_LABELS | KNOWN_STARTS | PRACTICE_MARKS
)
_CAMPUS = FACILITY_ENDS | word_set("health medical center centre system medicine")
_NUMBERED = re.compile(r"\s(?:No\.?\s|\#)?\d{1,3}(?![\w/.-])")
_WITH_NUMBER = word_set("district cannery school elementary post plant mill station")
_LABEL = re.compile(r"(?: [A-Za-z]{2,12}){0,2}:")
_MAX_RUN = 5


def find_organizations(document: Document) -> Iterator[Span]:
    yield from find_firms(document)
    words = document.words
    caseless = document.is_caseless
    for index in [
        index
        for index, word in enumerate(words)
        if word.lower in _MARKS or (word.kinds & Kind.STARTS_PHRASE and (word.is_capital or caseless))
    ]:
        word = words[index]
        lower = word.lower
        if lower in _LAST_WORDS:
            yield from _by_kind(document, index)
        elif lower == "of" and index and words[index - 1].lower in _OF_HEADS:
            yield from _of_place(document, index)
        if lower in SAINTS or lower in GENERALS:
            yield from find_shortened(document, index)
        if lower in PRACTICE_MARKS:
            yield from find_practice(document, index)
        if lower in PARTS:
            yield from find_part(document, index)
        said = index > 0 and words[index - 1].lower == "at"
        if (word.is_capital or caseless or said) and (lower in KNOWN_STARTS or starts_phrase(words, index)):
            yield from find_known(document, index)
        if lower in WORK_MARKS:
            yield from find_employer(document, index)
        if lower in PREPOSITIONS or lower in PLACE_LABELS:
            yield from _stays(document, index)


def _stays(document: Document, index: int) -> Iterator[Span]:
    """What the preposition or label at `index` says that somebody was at."""
    if document.words[index].lower in PREPOSITIONS:
        yield from find_home(document, index)
    if not document.is_caseless and _leads_to_capital(document.words, index):
        yield from find_visited(document, index)


def _by_kind(document: Document, index: int) -> Iterator[Span]:
    """`Mercy Hospital`, `Red Rock Eye Institute`, `Lee and Sons`."""
    words = document.words
    word = words[index]
    if _begins_label(document, index):
        return
    pair = f"{words[index - 1].lower} {word.lower}" if index else ""
    length = 2 if pair in FACILITY_PAIRS or pair in EMPLOYER_PAIRS else 1
    if document.flat[word.start - 3 : word.start] == " & " and f"& {word.lower}" in EMPLOYER_PAIRS:
        pair = f"& {word.lower}"
    if word.lower in FACILITY_ENDS or pair in FACILITY_PAIRS:
        entity = Entity.FACILITY
    elif word.lower in EMPLOYER_ENDS or pair in EMPLOYER_PAIRS:
        entity = Entity.EMPLOYER
    else:
        return
    start = _run_start(document, index, length)
    loose = word.lower in LOOSE_ENDS and pair not in EMPLOYER_PAIRS
    if start is None or (loose and (document.is_caseless or not has_odd_word(words[start:index]))):
        return
    if entity is Entity.EMPLOYER and start and words[start - 1].lower == "the":
        start -= 1
    known = " ".join(word.lower for word in words[start : index + 1]) in FAMOUS
    if known and not is_visited(document, start):
        return
    end = words[run_end(document, index)].end
    number = _NUMBERED.match(document.flat, end) if word.lower in _WITH_NUMBER else None
    yield Span(words[start].start, number.end() if number else end, entity, 800)


def _begins_label(document: Document, index: int) -> bool:
    """`Hospital course:` on a line of its own."""
    before = document.words[index - 1].end if index else 0
    if "\n" not in document.folded[before : document.words[index].start]:
        return False
    return _LABEL.match(document.folded, document.words[index].end) is not None


def _run_start(document: Document, end: int, type_words: int) -> int | None:
    """Where the proper name begins whose last word is a type word, None when there is no name before it."""
    words = document.words
    first = end - type_words + 1
    if not document.is_caseless and not words[end].is_capital:
        return _lower_type(document, first)
    start = first
    while start > 0 and first - start < _MAX_RUN and _belongs(document, start - 1):
        start -= 1
    while start < first and _is_generic(document, start):
        start += 1
    named = words[start:first]
    if not any(word.lower not in GENERIC_PLACE_WORDS and not is_only_term(word) for word in named):
        return None
    return start


def _is_generic(document: Document, at: int) -> bool:
    word = document.words[at]
    if word.lower == "our" and at + 1 < len(document.words) and document.words[at + 1].lower == "lady":
        return False
    return word.lower in GENERIC_PLACE_WORDS or word.lower in FUNCTION_WORDS


def _lower_type(document: Document, first: int) -> int | None:
    """`our Houston clinic`: a town or a name in capitals before a type word in small letters."""
    if first == 0:
        return None
    word = document.words[first - 1]
    near = document.flat[word.end : document.words[first].start] == " "
    if not near or not word.is_capital or document.is_caseless:
        return None
    start = first - 1
    if word.kinds & Kind.CITY and not word.kinds & Kind.WORD:
        while start and document.words[start - 1].is_capital and document.adjacent(start - 1):
            pair = f"{document.words[start - 1].lower} {document.words[start].lower}"
            if not lexicon().get(pair, 0) & Kind.CITY:
                break
            start -= 1
        return start
    return None


def _belongs(document: Document, index: int) -> bool:
    """Whether a word continues, to the left, the name that the word after it is part of."""
    word, after = document.words[index], document.words[index + 1]
    gap = document.flat[word.end : after.start]
    if gap.strip() not in {"", ".", "&", "'s", "'S", "-", "'"} or (
        gap.strip() == "." and word.lower not in {"st", "mt", "ft"}
    ):
        return False
    if document.is_caseless:
        joins = word.lower in {"of", "or"} and index > 0 and bool(document.words[index - 1].kinds & Kind.STARTS_PHRASE)
        return joins or (word.lower not in FUNCTION_WORDS and not is_only_term(word)) or word.lower == "our"
    if word.is_capital:
        return word.lower not in FUNCTION_WORDS or word.lower == "our"
    return word.lower in {"of", "and", "or", "the"} and index > 0 and document.words[index - 1].is_capital


def _of_place(document: Document, index: int) -> Iterator[Span]:
    """`University of Utah`, `University of Indiana Medical Center`."""
    words = document.words
    end = index + 1
    while end < len(words) and end - index < _MAX_RUN and words[end].is_capital and document.adjacent(end - 1):
        end += 1
    if document.is_caseless and (end := _state_school(document, index)):
        yield Span(words[index - 1].start, words[end].end, Entity.FACILITY, 650)
    elif end > index + 1 and words[index - 1].is_capital and not words[index + 1].kinds & Kind.WORD:
        yield Span(words[index - 1].start, words[end - 1].end, Entity.EMPLOYER, 750)


def _state_school(document: Document, index: int) -> int:
    """`university of hawaii medical center` without capitals: its last word, 0 when it is another's."""
    words = document.words
    end = index + 1
    if words[index - 1].lower != "university" or end >= len(words) or not document.adjacent(index):
        return 0
    if words[end].lower in FUNCTION_WORDS or words[end].lower in GENERIC_PLACE_WORDS:
        return 0
    while end + 1 < len(words) and document.adjacent(end) and words[end + 1].lower in _CAMPUS:
        end += 1
    return end


def _leads_to_capital(words: list[Word], index: int) -> bool:
    return index + 1 < len(words) and (words[index + 1].is_capital or words[index + 1].lower == "the")

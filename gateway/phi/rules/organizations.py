"""Facilities, schools and employers: by a word of their kind, by `works at`, and a few by name."""

import re
from collections.abc import Iterator

from gateway.phi.detector import LIKELY, Span
from gateway.phi.findings import Entity
from gateway.phi.lexicon.words import Kind
from gateway.phi.rules.document import Document, Word
from gateway.phi.rules.vocabulary import FACILITY_ENDS, FUNCTION_WORDS, GENERIC_PLACE_WORDS, phrase_set, word_set

_FACILITY_PAIRS = phrase_set(
    "nursing home, urgent care, health system, medical center, medical centre, medical group, health center, care "
    "center, surgery center, cancer center, cancer institute, heart institute, heart center, health services, health "
    "network, family practice, family medicine, assisted living, primary care, care home, medical associates, health "
    "partners, wellness center, treatment center, imaging center, birth center, dialysis center, trauma center, rehab "
    "center, rehabilitation center, health clinic, skilled nursing, senior living, physician group, day surgery, eye "
    "institute, community health, health plan, memory care, health care, recovery center, retirement community, "
    "women's center, children's center, brain institute, spine institute, medical institute, surgical center, "
    "outpatient center, internal medicine, emergency medicine, sports medicine, medical clinic, dental group, eye "
    "center, family clinic, home health, home care, hospice care, diagnostic center, kidney center, blood center, "
    "counseling center, pain center, sleep center"
)
_EMPLOYER_ENDS = word_set(
    "university college school academy diner restaurant church synagogue mosque temple cathedral parish inc llc corp "
    "corporation ltd airlines airways railroad foods motors industries steel logistics bakery cafe grill brewery "
    "farms foundry plumbing construction roofing trucking electronics technologies electric petroleum supermarket "
    "prison jail shelter seminary kindergarten daycare preschool library museum hotel motel casino"
)
_EMPLOYER_PAIRS = phrase_set(
    "school district, air lines, police department, fire department, high school, elementary school, middle school, "
    "unified school, post office, public schools, auto body, power plant, steel mill, law firm, credit union"
)
_LAST_WORDS = FACILITY_ENDS | _EMPLOYER_ENDS | {pair.split()[1] for pair in _FACILITY_PAIRS | _EMPLOYER_PAIRS} | {"of"}
_OF_HEADS = word_set("university college school hospital institute church bank city town county state")
_EMPLOYED = re.compile(
    r"\b(?:work(?:s|ed|ing)?\s+(?:\w+\s+){0,3}?(?:at|for)|employ(?:ed|ee|er)(?:\s+(?:by|at|with|of|is))?|retired\s+from|job\s+(?:at|with)|"
    r"attends|enrolled\s+(?:at|in)|teach(?:es|er)\s+at|student\s+at)\b[\s:]{1,3}",
    re.IGNORECASE,
)
_FAMOUS = phrase_set(
    "cedars-sinai, johns hopkins, mayo clinic, cleveland clinic, mass general, md anderson, sloan kettering, kaiser "
    "permanente, kaiser, mount sinai, nyu langone, geisinger, intermountain, banner health, sutter health, "
    "massachusetts general, scripps, bellevue, montefiore, upmc, ochsner, novant"
)
_FAMOUS_STARTS = {name.split()[0] for name in _FAMOUS if " " in name}
_MAX_RUN = 5


def find_organizations(document: Document) -> Iterator[Span]:
    yield from _by_kind(document)
    yield from _employers(document)
    yield from _famous(document)


def _by_kind(document: Document) -> Iterator[Span]:
    words = document.words
    for index, word in enumerate(words):
        if word.lower not in _LAST_WORDS:
            continue
        pair = f"{words[index - 1].lower} {word.lower}" if index else ""
        if word.lower in FACILITY_ENDS or pair in _FACILITY_PAIRS:
            entity = Entity.FACILITY
        elif word.lower in _EMPLOYER_ENDS or pair in _EMPLOYER_PAIRS:
            entity = Entity.EMPLOYER
        else:
            if word.lower == "of" and index and words[index - 1].lower in _OF_HEADS:
                yield from _of_place(document, index)
            continue
        length = 2 if pair in _FACILITY_PAIRS or pair in _EMPLOYER_PAIRS else 1
        start = _run_start(document, index, length)
        if start is not None:
            if entity is Entity.EMPLOYER and start and words[start - 1].lower == "the":
                start -= 1
            yield Span(words[start].start, word.end, entity, 800)


def _run_start(document: Document, end: int, type_words: int) -> int | None:
    """Where the proper name begins whose last word is a type word, None when there is no name before it."""
    words = document.words
    first = end - type_words + 1
    if not document.is_caseless and not words[first].is_capital:
        return _lower_type(document, first)
    start = first
    while start > 0 and first - start < _MAX_RUN - 1 and _belongs(document, start - 1):
        start -= 1
    while start < first and (words[start].lower in GENERIC_PLACE_WORDS or words[start].lower in FUNCTION_WORDS):
        start += 1
    named = words[start:first]
    if not any(word.lower not in GENERIC_PLACE_WORDS for word in named):
        return None
    return start


def _lower_type(document: Document, first: int) -> int | None:
    """`our Houston clinic`: a town or a name in capitals before a type word in small letters."""
    if first == 0:
        return None
    word = document.words[first - 1]
    near = document.flat[word.end : document.words[first].start] == " "
    return first - 1 if near and word.is_capital and word.kinds & Kind.CITY and not word.kinds & Kind.WORD else None


def _belongs(document: Document, index: int) -> bool:
    """Whether a word continues, to the left, the name that the word after it is part of."""
    word, after = document.words[index], document.words[index + 1]
    gap = document.flat[word.end : after.start]
    if gap.strip() not in {"", ".", "&", "'s"} or (gap.strip() == "." and word.lower not in {"st", "mt", "ft"}):
        return False
    if document.is_caseless:
        return word.lower not in FUNCTION_WORDS
    return word.is_capital or (word.lower in {"of", "and"} and index > 0 and document.words[index - 1].is_capital)


def _of_place(document: Document, index: int) -> Iterator[Span]:
    """`University of Utah`."""
    words = document.words
    end = index + 1
    while end < len(words) and end - index < _MAX_RUN and words[end].is_capital and document.adjacent(end - 1):
        end += 1
    if end > index + 1 and words[index - 1].is_capital and not words[index + 1].kinds & (Kind.WORD | Kind.MEDICAL):
        yield Span(words[index - 1].start, words[end - 1].end, Entity.EMPLOYER, 750)


def _employers(document: Document) -> Iterator[Span]:
    text = document.flat
    for match in _EMPLOYED.finditer(text):
        run = [word for word in document.words if match.end() <= word.start < match.end() + 60]
        if run and run[0].lower == "the":
            run = run[1:]
        name = _leading_name(document, run)
        if name:
            start = match.end() if text[match.end() :][:4].lower() == "the " else name[0].start
            yield Span(start, name[-1].end, Entity.EMPLOYER, 750)


def _leading_name(document: Document, run: list[Word]) -> list[Word]:
    name: list[Word] = []
    for word in run[:_MAX_RUN]:
        if name and document.flat[name[-1].end : word.start].strip() not in {"", "&"}:
            break
        if word.lower in FUNCTION_WORDS or not (word.is_capital or document.is_caseless):
            break
        name.append(word)
    only_plain = all(word.kinds & Kind.WORD for word in name)
    return [] if document.is_caseless and only_plain and len(name) != 2 else name


def _famous(document: Document) -> Iterator[Span]:
    """Hospitals known by a name without a type word; also used of methods and guidelines, so doubtful alone."""
    for index, word in enumerate(document.words):
        pair = f"{word.lower} {document.words[index + 1].lower}" if index + 1 < len(document.words) else ""
        if word.lower in _FAMOUS or (word.lower in _FAMOUS_STARTS and pair in _FAMOUS):
            end = index + (pair in _FAMOUS)
            yield Span(word.start, document.words[end].end, Entity.FACILITY, LIKELY)

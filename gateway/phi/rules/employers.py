"""Where somebody works or learns: after `works at`, `a welder at`, `employer:`."""

import re
from collections.abc import Iterator

from gateway.phi.detector import Span
from gateway.phi.findings import Entity
from gateway.phi.lexicon.words import Kind
from gateway.phi.rules.document import Document, Word
from gateway.phi.rules.vocabulary import FUNCTION_WORDS, NOT_NAMES, word_set

_WORK = word_set(
    "work works worked working employed employee job jobs shift shifts nights hired fired position internship "
    "intern teaches teach teaching taught studies studying student enrolled attends attended attending freshman "
    "sophomore junior senior coworker coworkers colleague boss manager manages supervisor laid retired "
    "volunteers volunteer contractor career employment plant warehouse office drives drove truck owns owner "
    "runs founded layoff layoffs"
)
_PROFESSIONS = word_set(
    "engineer teacher welder cashier cook chef driver mechanic electrician plumber carpenter foreman manager "
    "clerk nurse secretary janitor custodian accountant lawyer paralegal barista bartender waiter waitress "
    "server machinist operator programmer developer analyst consultant salesman saleswoman salesperson agent "
    "broker guard officer firefighter dispatcher technician laborer roofer painter landscaper farmer butcher "
    "baker librarian professor principal coach counselor pilot attendant executive director administrator "
    "receptionist assistant associate stocker picker packer loader supervisor superintendent inspector surveyor "
    "architect designer editor reporter journalist photographer pharmacist scientist researcher assembler "
    "fabricator trucker captain deckhand lineman miner logger rancher soldier sailor marine tailor jeweler "
    "optician hygienist instructor tutor nanny housekeeper maid porter bellhop courier mover stylist "
    "hairdresser barber esthetician model actor musician dancer writer artist chemist physicist biologist "
    "geologist economist bookkeeper teller banker trader buyer planner scheduler cto ceo cfo vp aide"
)
_PLACED = word_set("at for by with from in")
_LABELS = word_set("employer workplace occupation school company employers works job")
_ARTICLES = frozenset(["the", "a", "an"])
_JOBS = frozenset(["occupation", "job"])
_VERBS = word_set("employed layoff layoffs works worked working work retired job jobs internship hired fired laid off")
_ATTENDS = word_set("attends attended owns founded manages runs opened")
WORK_MARKS = _PLACED | _LABELS | _ATTENDS
_MAX_RUN = 6
_LOOKBACK = 6
_PARTNERS = re.compile(r",\s[A-Z][a-z'-]+,?\s(?:and|&)\s[A-Z][a-z'-]+")
_STOPS = frozenset(".;:!?")
_INSIDE = frozenset(["", "&", ".", "-", "'s", "'"])

_PART_OF_NAMES = word_set(
    "street church school system state city county university college center hospital clinic medical health "
    "company service services department social family home group white black case day unit insurance"
)


_NEVER_NAMES = (NOT_NAMES - _PART_OF_NAMES) | word_set(
    "self self-employed none unknown unemployed retired disabled homemaker student various declined currently part full"
)


def find_employer(document: Document, index: int) -> Iterator[Span]:
    """The employer that word `index`, one of `WORK_MARKS`, leads to."""
    words = document.words
    word = words[index]
    after = words[index + 1] if index + 1 < len(words) else None
    shown = after is not None and (after.is_capital or document.is_caseless or after.lower in _ARTICLES)
    if not shown and word.lower not in _LABELS:
        return
    if word.lower in _PLACED:
        if _is_about_work(document, index):
            yield from _named(document, index + 1)
    elif word.lower in _LABELS:
        yield from _labelled(document, index)
    elif document.adjacent(index):
        first = index + 2 if words[index + 1].lower in {"a", "an"} else index + 1
        if first < len(words) and not words[first].kinds & Kind.MEDICAL:
            yield from _named(document, first)


def _is_about_work(document: Document, index: int) -> bool:
    """`works nights at`, `a cashier at`, `retired from`: work shortly before the preposition."""
    words = document.words
    nearest = words[index - 1].lower if index else ""
    preposition = words[index].lower
    if preposition == "in":
        return nearest == "enrolled" and not any(word.text.isupper() for word in words[index + 1 : index + 3])
    for back in range(1, min(_LOOKBACK, index) + 1):
        before = words[index - back]
        gap = document.flat[before.end : words[index - back + 1].start]
        if gap != " " and not _STOPS.isdisjoint(gap):
            return False
        if before.lower in _PROFESSIONS and preposition != "by":
            return preposition == "at" or (preposition in {"for", "with"} and back == 1)
        if before.lower in _WORK and words[index - back + 1].lower not in {"up", "out"}:
            return preposition in {"at", "for"} or (
                before.lower in _VERBS and (preposition == "by" or (preposition in {"from", "with"} and back <= 2))
            )
    return False


def _labelled(document: Document, index: int) -> Iterator[Span]:
    """`Employer: Stop & Shop`, `occupation: welder, Bath Iron Works`."""
    words = document.words
    if index + 1 >= len(words):
        return
    label = words[index]
    gap = document.flat[label.end : words[index + 1].start].strip()
    if gap not in {":", "=", ':"', '":"', '": "'} and not (
        gap in {"", ","} and label.lower == "employer" and words[index + 1].is_capital
    ):
        return
    at = index + 1
    if label.lower in _JOBS:
        while at < len(words) and at - index < _LOOKBACK and words[at].lower not in _PROFESSIONS:
            at += 1
        if at + 1 >= len(words) or document.flat[words[at].end : words[at + 1].start].strip() != ",":
            return
        at += 1
    yield from _named(document, at, labelled=label.lower not in _JOBS)


def _named(document: Document, first: int, *, labelled: bool = False) -> Iterator[Span]:
    """The name that begins at word `first`, with its article."""
    words = document.words
    if first >= len(words):
        return
    start = words[first].start
    at = first + 1 if words[first].lower == "the" else first
    end = at
    while end < len(words) and end - at < _MAX_RUN and _continues(document, at, end, labelled=labelled):
        end += 1
    while end > at and words[end - 1].lower in {"and", "of"}:
        end -= 1
    if end == at or not _is_telling(document, words[at:end], labelled=labelled):
        return
    stop = words[end - 1].end
    if document.flat[stop : stop + 2].lower() == "'s":
        stop += 2
    if end - at == 1 and (partners := _PARTNERS.match(document.flat, stop)):
        stop = partners.end()
    yield Span(start, stop, Entity.EMPLOYER, 750)


def _continues(document: Document, first: int, at: int, *, labelled: bool) -> bool:
    words = document.words
    word = words[at]
    if at > first:
        gap = document.flat[words[at - 1].end : word.start]
        if gap.strip() not in _INSIDE or len(gap) > 4 or (gap.strip() == "." and len(words[at - 1].text) > 2):
            return False
        if "\n" in document.folded[words[at - 1].end : word.start] and document.flat[word.end : word.end + 1] == ":":
            return False
    if word.lower in {"and", "of"} and at > first and at + 1 < len(words):
        return words[at + 1].is_capital and not document.is_caseless
    if word.lower in FUNCTION_WORDS or word.lower in _NEVER_NAMES:
        return False
    return word.is_capital or document.is_caseless or (labelled and at == first)


def _is_telling(document: Document, name: list[Word], *, labelled: bool) -> bool:
    """In a text without capitals plain words say nothing, unless a label does."""
    if all(word.kinds & Kind.MEDICAL and not word.kinds & (Kind.LAST | Kind.FIRST) for word in name):
        return labelled or (not document.is_caseless and not name[0].text.isupper())
    if not document.is_caseless:
        return not (len(name) == 1 and name[0].text.isupper() and len(name[0].text) < 3)
    plain = [bool(word.kinds & Kind.WORD) for word in name]
    return labelled or not all(plain) or (len(name) == 2 and document.folded.isupper())

"""Facilities by name: listed ones, chains, saints and short forms such as `Mercy General`."""

import re
from collections.abc import Iterator

from gateway.phi.detector import LIKELY, Span
from gateway.phi.findings import Entity
from gateway.phi.lexicon.words import Kind, lexicon
from gateway.phi.rules.document import Document, Word
from gateway.phi.rules.facility_names import has_odd_word, is_only_term, run_end
from gateway.phi.rules.organization_words import FAMOUS, SHOPS
from gateway.phi.rules.visits import is_visited
from gateway.phi.rules.vocabulary import FUNCTION_WORDS, GENERIC_PLACE_WORDS

_KNOWN = FAMOUS | SHOPS
KNOWN_STARTS = {name.split()[0] for name in _KNOWN}
SAINTS = frozenset(["st", "saint"])
_BRANCH = re.compile(
    r"\s(?:on|at)\s(?:the\scorner\sof\s)?(?:\d{1,3}(?:st|nd|rd|th)|[A-Z][a-z]+|first|second|third|fourth|fifth|sixth|main)\b"
    r"(?:\s(?:St|Street|Ave|Avenue|Rd|Road|Blvd|Dr|Drive|Ln|Lane|Pkwy|Hwy)\b)?"
)
_OWNED = re.compile(r"\s(?:parish|church|school|academy|hospital|clinic|home|hospice)\b", re.IGNORECASE)
PARTS = frozenset(["ed", "er", "icu", "campus", "office", "location", "branch"])
_LEADING = frozenset(["in", "at", "from", "to", "our", "the", "their"])
_ALONE = 410
"""Doubtful, and no person's name."""

_LONGEST_PHRASE = 6


def starts_phrase(words: list[Word], index: int) -> bool:
    if not words[index].kinds & Kind.STARTS_PHRASE or index + 1 == len(words):
        return False
    return bool(words[index + 1].kinds & Kind.CONTINUES_PHRASE)


def find_known(document: Document, index: int) -> Iterator[Span]:
    """Facilities by their whole name, and ones known by a name that is also used of methods and guidelines."""
    words = document.words
    listed, whole = _names_at(document, index)
    visited = is_visited(document, index)
    if whole > index and (score := _score(document, words[index : whole + 1], visited=visited)):
        yield Span(words[index].start, words[whole].end, Entity.FACILITY, score)
    elif listed >= 0:
        if visited:
            listed = _with_rest(document, listed)
        end = words[run_end(document, listed)].end
        if branch := _BRANCH.match(document.flat, end):
            end, visited = branch.end(), visited or words[index].lower in SHOPS
        doubtful = _ALONE if listed > index else LIKELY
        yield Span(words[index].start, end, Entity.FACILITY, 650 if visited else doubtful)


def _names_at(document: Document, index: int) -> tuple[int, int]:
    """The last words of the well known and of the registered name that begin at `index`, -1 for none."""
    words, kinds = document.words, lexicon()
    name = words[index].lower
    listed = index if name in _KNOWN else -1
    whole = -1
    for at in range(index + 1, min(len(words), index + _LONGEST_PHRASE)):
        if document.flat[words[at - 1].end : words[at].start].strip() not in {"", ".", "'s", "'S", "&", "-"}:
            break
        name = f"{name} {words[at].lower}"
        if name in _KNOWN:
            listed = at
        if kinds.get(name, 0) & Kind.FACILITY and _is_written_as_name(document, index, at):
            whole = at
    return listed, whole


def _score(document: Document, name: list[Word], *, visited: bool) -> int:
    """How sure a registered name is: it may be a person's, plain words, or a method called after the place."""
    if visited:
        return 700
    if not has_odd_word(name) or all(word.kinds & (Kind.FIRST | Kind.LAST) for word in name):
        return 0
    is_method = " ".join(word.lower for word in name) in FAMOUS
    return _ALONE if document.is_caseless or is_method else 700


def _with_rest(document: Document, at: int) -> int:
    """`Providence Sacred Heart`: further words in capitals, when somebody was there."""
    words = document.words
    stop = at + 2
    while at < stop and at + 1 < len(words) and not document.is_caseless and document.adjacent(at):
        after = words[at + 1]
        if (
            not after.is_capital
            or after.lower in FUNCTION_WORDS
            or "\n" in document.folded[words[at].end : after.start]
        ):
            break
        at += 1
    return at


def find_shortened(document: Document, index: int) -> Iterator[Span]:
    """`St. Bartholomew's`, `to Renown Regional`: hospitals without the word."""
    words = document.words
    word = words[index]
    if word.lower in SAINTS:
        saint = words[index + 1] if index + 1 < len(words) else None
        if saint is None or not saint.is_capital or not word.is_capital or not saint.kinds & (Kind.FIRST | Kind.LAST):
            return
        after = document.flat[saint.end : saint.end + 7].lower()
        if after.startswith("'s") and after[2:] != " wort":
            owned = _OWNED.match(document.flat, saint.end + 2)
            yield Span(word.start, owned.end() if owned else saint.end + 2, Entity.FACILITY, 650)
        return
    first = index
    while first and index - first < 3 and document.adjacent(first - 1) and _may_lead(document, words[first - 1]):
        first -= 1
    if first == index or not (word.is_capital or document.is_caseless) or words[first].lower in GENERIC_PLACE_WORDS:
        return
    if is_visited(document, first):
        yield Span(words[first].start, word.end, Entity.FACILITY, 650)


def find_part(document: Document, index: int) -> Iterator[Span]:
    """`in Lakeview ED`, `our Riverside office`: a place that has only its own name before a part of a facility."""
    words = document.words
    place = words[index - 1] if index else None
    if place is None or not place.is_capital or document.is_caseless or place.kinds & (Kind.WORD | Kind.MEDICAL):
        return
    if document.flat[place.end : words[index].start] != " " or place.text.isupper() or index < 2:
        return
    if words[index - 2].lower in _LEADING and document.adjacent(index - 2):
        yield Span(place.start, words[index].end, Entity.FACILITY, 600)


def _may_lead(document: Document, word: Word) -> bool:
    return (word.is_capital or document.is_caseless) and word.lower not in FUNCTION_WORDS and not is_only_term(word)


def _is_written_as_name(document: Document, first: int, last: int) -> bool:
    if document.is_caseless:
        return True
    return all(word.is_capital or word.lower in {"of", "the", "at", "and"} for word in document.words[first : last + 1])

"""Street addresses: house number, street and unit, post boxes, rural routes."""

import re
from collections.abc import Iterator, Sequence

from gateway.phi.detector import Span
from gateway.phi.findings import Entity
from gateway.phi.lexicon.words import Kind, lexicon
from gateway.phi.rules.document import Document, Word
from gateway.phi.rules.vocabulary import FUNCTION_WORDS, word_set

_SUFFIXES = word_set(
    "st street ave avenue av blvd boulevard rd road dr drive ln lane ct court cir circle pkwy parkway hwy highway "
    "sq square ter terrace trl trail turnpike expressway crescent mews broadway freeway"
)
_WEAK_SUFFIXES = word_set(
    "pl place way loop row walk path pike alley plaza crossing xing run ridge point cove commons bend landing "
    "glen hollow heights gardens park hill hills meadow meadows creek green grove isle key mill estates manor "
    "pass trace view spur brae close forge forges lodge"
)
"""Plain words that end a street's name only with a capital, or after a long house number."""

_RARE_SUFFIXES = word_set(
    "beach bluff bluffs branch bridge brook brooks camp canyon cape cliff cliffs corner corners course curve dale "
    "dam divide drives falls ferry field fields flat flats ford fords fork forks fort freeway garden gateway glens "
    "groves harbor harbors haven highway hollows inlet island islands junction junctions knoll knolls lake lakes "
    "light lights lock locks manors mall mews mission motorway mount mountain mountains neck orchard oval overpass "
    "parkways parks passage pine pines plain plains plaza port ports prairie radial ramp ranch rapid rapids rest "
    "ridges river roads route rue shoal shoals shore shores skyway spring springs spurs squares station stravenue "
    "stream streets summit throughway traceway track trafficway trails tunnel turnpike underpass union unions "
    "valley valleys viaduct views village villages ville vista walks wall ways well wells wharf croft yard quay "
    "row rise drove wynd brow holler"
)
"""Ends of streets in few addresses: only after a house number and a name that is one."""

_SPELLED_OUT = word_set("street avenue boulevard road lane drive parkway highway turnpike expressway")
STREET_ENDS = _SUFFIXES | _WEAK_SUFFIXES | _RARE_SUFFIXES
_INITIALS = frozenset(
    [
        "n",
        "s",
        "e",
        "w",
        "ne",
        "nw",
        "se",
        "sw",
        "st",
        "mt",
        "ft",
        "no",
        "jr",
        "sr",
        "dr",
        "rev",
        "sgt",
        "gen",
        "north",
        "south",
        "east",
        "west",
    ]
)
_NOT_IN_STREETS = word_set(
    "mg ml mcg tablet tablets day days week weeks month months year years hour hours min minutes cc units unit "
    "times percent mm cm kg lb lbs feet foot miles mile yo am pm blocks"
)
_ORDINALS = frozenset(["st", "nd", "rd", "th"])
_MAX_WORDS = 4
_HOUSE = re.compile(r"(?<![\w./$#-])\d{1,6}(?:-\d{1,4})?(?:[A-Za-z]|\s1/2)?\s+(?:[NSEW]-?\d{1,5}\s+)?\Z")
_AFTER = re.compile(
    r"\.?(?:,?\s+(?:[NSEW]{1,2}|North|South|East|West)\b\.?)?"
    r"(?:,?\s+(?:Apt|Apartment|Unit|Suite|Ste|Rm|Room|Bldg|Building|Floor|Fl|Lot|Trlr|PH|Space|Spc)\b\.?\s*(?:\#\s*)?[A-Za-z0-9-]{1,6}\b"
    r"|,?\s*\#\s?[A-Za-z0-9-]{1,6}\b|,\s\d{1,3}(?:st|nd|rd|th)\s+(?:Floor|Fl)\b)?",
    re.IGNORECASE,
)
_PO_BOX = re.compile(
    r"\bP\.?\s{0,2}O\.?\s{0,2}(?:Drawer|Box|B\.)\s{0,2}\#?\d{1,8}\b|\b(?:RR|R\.R\.|Rural\s+Route|HC|RD)\s*\#?\d{1,3},?\s+Box\s+\d{1,6}[A-Z]?\b"
    r"|\bBox\s\d{3,6}\b",
    re.IGNORECASE,
)
_ROUTE = re.compile(
    r"(?<![\w./-])\d{1,6}\s+(?:[NSEW]\.?\s+)?"
    r"(?:County\s+(?:Road|Rd)|CR|FM|Farm\s+Road|State\s+(?:Road|Route)|(?:US|State|Old)?\s?(?:Highway|Hwy|Route|Rte))\s+\d{1,4}[A-Z]?\b",
    re.IGNORECASE,
)
_ROUTE_WORDS = ("route", "hwy", "highway", "rte", "road ", "rd ", "cr ", "fm ")
_TOWN = re.compile(
    r"\s{0,3}[,|;]?\s{1,4}(?P<town>[A-Za-z][A-Za-z'-]+(?:\s[A-Z][A-Za-z'-]+){0,2})"
    r"(?=\s*[.,;|\n)]|\s+[A-Z]{2}\b|\s+\d{5}|\s*\Z)"
)
_SAID = re.compile(r",?\s(?:in|near|outside)\s([A-Za-z][a-z]+(?:\s[A-Z][a-z]+)?|[A-Z]+)(?=[\s.,;)]|\Z)")


def find_streets(document: Document, marks: Sequence[int]) -> Iterator[Span]:
    """Of the words at `marks`, those that end a street with its house number; and boxes and routes."""
    text = document.flat
    for index in marks:
        word = document.words[index]
        if word.lower not in STREET_ENDS:
            continue
        start = _house_number(document, index) if document.has_digit else None
        if start is None and word.lower in _SPELLED_OUT and word.is_capital and not document.is_caseless:
            yield from _named_street(document, index)
        if start is not None:
            after = _AFTER.match(text, word.end)
            yield from with_town(document, start, after.end() if after else word.end)
    if not document.has_digit:
        return
    if "box" in document.lower:
        for match in _PO_BOX.finditer(text):
            yield from with_town(document, *match.span())
    if any(word in document.lower for word in _ROUTE_WORDS):
        for match in _ROUTE.finditer(text):
            yield from with_town(document, *match.span())


def _named_street(document: Document, index: int) -> Iterator[Span]:
    """`on Main Street`: without a number, where somebody is."""
    words = document.words
    first = index
    while first and index - first < _MAX_WORDS and words[first - 1].is_capital and document.adjacent(first - 1):
        first -= 1
    if first == index or first == 0 or not document.adjacent(first - 1):
        return
    if words[first - 1].lower in {"on", "off", "near", "at", "along", "and", "of"}:
        yield Span(words[first].start, words[index].end, Entity.STREET_ADDRESS, 600)


def with_town(document: Document, start: int, end: int) -> Iterator[Span]:
    """The street, and the town that follows it."""
    yield Span(start, end, Entity.STREET_ADDRESS, 850)
    town = _TOWN.match(document.flat, end)
    if town is None:
        yield from _town_said(document, end)
        return
    first = town["town"].split()[0]
    named = first[0].isupper() or document.is_caseless
    is_term = document.is_caseless and lexicon().get(first.lower(), 0) & (Kind.MEDICAL | Kind.CITY) == Kind.MEDICAL
    if named and not is_term and first.lower() not in FUNCTION_WORDS and not _is_next_field(document, town):
        yield Span(town.start("town"), town.end("town"), Entity.LOCATION, 750)


def _town_said(document: Document, end: int) -> Iterator[Span]:
    """`on cactus rd in surprise`: any town of the list, as a plain word too."""
    said = _SAID.match(document.flat, end)
    if said and lexicon().get(said[1].lower(), 0) & Kind.CITY:
        yield Span(said.start(1), said.end(1), Entity.LOCATION, 700)


def _is_next_field(document: Document, town: re.Match[str]) -> bool:
    """A word on the next line, or past a column, that a colon follows."""
    return document.flat[town.end() : town.end() + 1] == ":" or (
        "\n" in document.folded[town.start() : town.start("town")]
        and (document.flat[town.end() : town.end() + 1] not in {",", ""})
    )


def _house_number(document: Document, end: int) -> int | None:
    """Where the house number stands that opens the street ending in word `end`."""
    words, text = document.words, document.flat
    at = end
    while end - at <= _MAX_WORDS:
        word = words[at]
        begins = word.start
        if word.lower in _ORDINALS and at < end:
            while begins and text[begins - 1].isdigit():
                begins -= 1
        elif at < end and not _may_be_inside(document, word, words[end]):
            return None
        if text[begins - 2 : begins - 1].isalnum() and (at < end or word.lower == "broadway"):
            house = _HOUSE.search(text, max(0, begins - 16), begins)
            if house:
                rare = words[end].lower in _RARE_SUFFIXES and not _is_named(document, at, end, house[0])
                if rare or word.lower == "to":
                    return None
                return house.start() if _is_strong(document, words[end], house[0]) else None
        if at == 0:
            return None
        mark = text[words[at - 1].end : begins].strip()
        if mark not in {"", ".", ",", "'s", "'S"} or (mark == "." and words[at - 1].lower not in _INITIALS):
            return None
        at -= 1
    return None


def _may_be_inside(document: Document, word: Word, end: Word) -> bool:
    if word.lower in _NOT_IN_STREETS or (
        word.lower in FUNCTION_WORDS and not (word.is_capital and not document.is_caseless)
    ):
        return word.lower in {"of", "the", "to"} and end.is_capital and not document.is_caseless
    return word.is_capital or document.is_caseless or end.lower in _SUFFIXES


def _is_named(document: Document, first: int, end: int, house: str) -> bool:
    """`47533 Smith Forks`: a long number, or nothing but a name before a rare word for a street."""
    words = document.words[first:end]
    digits = sum(map(str.isdigit, house))
    odd = [word for word in words if not word.kinds & (Kind.WORD | Kind.MEDICAL)]
    if document.is_caseless:
        return digits > 2 and len(words) < 3 and bool(words) and words[-1] in odd
    return bool(odd) and (digits > 2 or len(odd) == len(words)) and document.words[end].is_capital


def _is_strong(document: Document, end: Word, house: str) -> bool:
    digits = sum(map(str.isdigit, house))
    if end.lower in _SUFFIXES:
        return end.is_capital or digits > 1
    return end.is_capital and (not document.is_caseless or digits > 2)

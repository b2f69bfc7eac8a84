"""Where somebody is without a house number or a street's end: roads, routes, lots, `118 E. Mulberry`."""

import re
from collections.abc import Iterator, Sequence

from gateway.phi.detector import LIKELY, Span
from gateway.phi.findings import Entity
from gateway.phi.lexicon.words import Kind, lexicon
from gateway.phi.rules.document import Document, Word
from gateway.phi.rules.streets import with_town
from gateway.phi.rules.vocabulary import FUNCTION_WORDS, word_set

_ROAD_WORDS = word_set("rd road st street ave avenue blvd boulevard ln lane hwy highway pkwy parkway turnpike spur")
_ON_ROAD = re.compile(
    r"\b(?:on|off|near|along|at|behind|past|lives?|onto)\s"
    r"(?P<road>(?P<name>(?:(?!(?:on|off|near|at|in|the|of|and)\s)[a-z][a-z'-]+\s){1,3}?)(?:rd|road|st|street|ave|avenue|blvd|boulevard|ln|lane|hwy|highway|pkwy|parkway|"
    r"turnpike|spur)\b\.?)(?=\s*(?:[,.;:)?!\n]|\Z|(?:til|till|until|in|and|near|by|at|for|since|with|when|where|not|but|again)\b))",
    re.IGNORECASE,
)
_CAPITAL_ROAD = re.compile(
    r"(?<![\w'])(?P<name>(?:[A-Z][a-z'-]+\s){1,3})(?:Rd|Road|Ave|Avenue|Blvd|Boulevard|Ln|Hwy|Pkwy|Highway|Parkway)\b\.?"
)
_ROUTE = re.compile(
    r"\b(?:on|off|near|along|past|down)\s((?:US|State|Old|County|Rural)?\s?"
    r"(?:Route|Rte|Hwy|Highway|Interstate|I-)\s?(?:\d{1,4}[A-Z]?|one|two|three|four|five|six|seven|eight|nine|ten)\b)"
    r"|\b((?:mile\smarker|mile\spost|mm|exit)\s\d{1,4}(?:\.\d)?,?\s(?:of\s|on\s)?(?:US|State|I-|Hwy|Highway|Route|Rte)[\s-]?\d{1,4}"
    r"(?:\s(?:eastbound|westbound|northbound|southbound|EB|WB|NB|SB)\b)?)",
    re.IGNORECASE,
)
_LOT = re.compile(
    r"\b(?:lot|space|spc|trailer|tract|slip|site|pad|unit)\s\#?\d{1,4}[A-Z]?,?\s(?:at\s|in\s)?(?:the\s)?(?:[A-Z][a-z'-]+\s){1,3}"
    r"(?:MHP|RV\sPark|Mobile\s(?:Home\s)?(?:Park|Estates|Village)|Trailer\s(?:Park|Ct|Court)|Park|Court|Estates|Village|Marina|"
    r"Campground|Acres|Ranch|Homes|Community|community|Rose)\b(?:\strailer\s(?:ct|court|park)\b)?",
    re.IGNORECASE,
)
_HALF_ADDRESS = re.compile(
    r"(?<![\w./$#-])\d{2,5}(?:\s1/2)?\s(?:[NSEW]|NE|NW|SE|SW)\.?\s(?P<name>[A-Z][a-z]{2,})(?![\w-])"
)
_HALF_NUMBER = re.compile(r"(?<![\w./$#-])\d{3,5}\s1/2\s(?P<name>[A-Z][a-z]{2,})(?![\w-])")
_LONGEST_NAME = 60
_ROUTE_WORDS = word_set("route rte hwy highway interstate marker exit")
_LOT_WORDS = word_set("lot space spc trailer tract slip site pad unit")
_DIRECTIONS = word_set("n s e w ne nw se sw")
_NO_ROADS = word_set(
    "the a an this that same wrong own busy dirt side back other another right left open long rocky bumpy winding "
    "gravel paved local nearby cross one way their his her my your our slippery wet icy"
)


_STREETS_TOO = frozenset(["high", "main", "front", "broad", "court", "temple"])


ROAD_MARKS = _ROAD_WORDS | _ROUTE_WORDS | _LOT_WORDS | _DIRECTIONS


def find_roads(document: Document, marks: Sequence[int]) -> Iterator[Span]:
    """Of the words at `marks`, those of `ROAD_MARKS`."""
    flat = document.flat
    for index in marks:
        word = document.words[index]
        if word.lower in _ROAD_WORDS:
            yield from _road(document, word)
        if word.lower in _ROUTE_WORDS:
            for match in _ROUTE.finditer(flat, max(0, word.start - 24), word.end + 40):
                yield Span(*match.span(match.lastindex or 0), Entity.STREET_ADDRESS, 600)
        if not document.has_digit:
            continue
        if word.lower in _LOT_WORDS and (lot := _LOT.match(flat, word.start)):
            yield from with_town(document, *lot.span())
        if word.lower in _DIRECTIONS:
            yield from _half_address(document, _HALF_ADDRESS.search(flat, max(0, word.start - 12), word.end + 24))
    if " 1/2 " in flat:
        for match in _HALF_NUMBER.finditer(flat):
            yield from _half_address(document, match)


def _half_address(document: Document, match: re.Match[str] | None) -> Iterator[Span]:
    if match is None:
        return
    name = match["name"].lower()
    if not lexicon().get(name, 0) & Kind.MEDICAL and name not in FUNCTION_WORDS:
        yield from with_town(document, *match.span())


def _road(document: Document, word: Word) -> Iterator[Span]:
    """The road whose last word is `word`."""
    start = max(0, word.start - _LONGEST_NAME)
    match = _ON_ROAD.search(document.flat, start, word.end + 12)
    while match and match.end("name") < word.start:
        match = _ON_ROAD.search(document.flat, match.start() + 1, word.end + 12)
    if match and _is_name(match["name"]):
        yield from with_town(document, *match.span("road"))
    elif not document.is_caseless and word.is_capital:
        shown = _CAPITAL_ROAD.search(document.flat, start, word.end + 1)
        if shown and _is_name(shown["name"]):
            yield Span(shown.start(), shown.end(), Entity.STREET_ADDRESS, LIKELY)


def _is_name(name: str) -> bool:
    words = name.lower().split()
    if any(word in FUNCTION_WORDS or word in _NO_ROADS for word in words):
        return False
    kinds = [lexicon().get(word, 0) for word in words if word not in _STREETS_TOO]
    return not any(bits & Kind.MEDICAL and not bits & (Kind.LAST | Kind.CITY) for bits in kinds)

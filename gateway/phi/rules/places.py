"""Streets, towns, counties and ZIP codes."""

import re
from collections.abc import Iterator

from gateway.phi.detector import LIKELY, Span
from gateway.phi.findings import Entity
from gateway.phi.lexicon.words import Kind, lexicon
from gateway.phi.rules.document import Document
from gateway.phi.rules.vocabulary import FUNCTION_WORDS, phrase_set, word_set

_STATES = word_set(
    "al ak az ar ca co ct de dc fl ga hi id il in ia ks ky la me md ma mi mn ms mo mt ne nv nh nj nm ny nc nd oh ok "
    "or pa pr ri sc sd tn tx ut vt va wa wv wi wy"
)
_STATE_NAMES = word_set(
    "alabama alaska arizona arkansas california colorado connecticut delaware florida georgia hawaii idaho illinois "
    "indiana iowa kansas kentucky louisiana maine maryland massachusetts michigan minnesota mississippi missouri "
    "montana nebraska nevada ohio oklahoma oregon pennsylvania tennessee texas utah vermont virginia washington "
    "wisconsin wyoming"
)
_STATE_PAIRS = phrase_set(
    "new hampshire, new jersey, new mexico, new york, north carolina, north dakota, rhode island, south carolina, "
    "south dakota, west virginia"
)
_STATE_ENDS = _STATES | _STATE_NAMES | {pair.split()[1] for pair in _STATE_PAIRS}
_SUFFIX = (
    "St|Street|Ave|Avenue|Av|Blvd|Boulevard|Rd|Road|Dr|Drive|Ln|Lane|Ct|Court|Cir|Circle|Pl|Place|Way|Ter|Terrace|Trl|Trail|"
    "Pkwy|Parkway|Hwy|Highway|Sq|Square|Loop|Row|Walk|Path|Pike|Turnpike|Alley|Plaza|Crossing|Xing|Run|Ridge|Point|Cove|"
    "Commons|Expressway|Crescent|Mews|Bend|Landing|Glen|Hollow|Heights"
)
_UNIT = (
    r"(?:,?\s+(?:Apt|Apartment|Unit|Suite|Ste|Rm|Room|Bldg|Building|Floor|Fl|Lot|Trlr|PH)\.?\s*(?:\#\s*)?[A-Za-z0-9-]{1,6}\b"
    r"|,?\s*\#\s?[A-Za-z0-9-]{1,6}\b)?"
)
_NAME_PART = r"(?:[A-Z][A-Za-z'-]*\.?|\d{1,3}(?:st|nd|rd|th)|[A-Z]-\d+)"
_STREET = (
    rf"(?<![\w./-])\d{{1,6}}(?:-\d{{1,4}})?[A-Za-z]?\s+(?:{_NAME_PART}\s+){{1,4}}(?:{_SUFFIX})\b\.?"
    rf"(?:\s+(?:[NSEW]{{1,2}}|North|South|East|West)\b\.?)?{_UNIT}"
)
_STREETS = {caseless: re.compile(_STREET, re.IGNORECASE if caseless else 0) for caseless in (False, True)}
_ANY_CASE_STREET = re.compile(
    rf"(?<![\w./-])\d{{2,6}}\s+(?:[A-Za-z][A-Za-z'-]*\.?\s+){{1,3}}"
    rf"(?:street|avenue|ave|blvd|boulevard|road|rd|drive|lane|parkway|terrace)\b\.?{_UNIT}",
    re.IGNORECASE,
)
_PO_BOX = re.compile(
    r"\bP\.?\s?O\.?\s?Box\s+\d{1,8}\b|\b(?:RR|Rural\s+Route|HC)\s*\#?\d{1,3}\s+Box\s+\d{1,6}\b", re.IGNORECASE
)
_ROUTE = re.compile(
    r"(?<![\w./-])\d{1,6}\s+(?:[NSEW]\.?\s+)?"
    r"(?:County\s+(?:Road|Rd)|State\s+(?:Road|Route)|(?:US|State)?\s?(?:Highway|Hwy|Route|Rte))\s+\d{1,4}[A-Z]?\b",
    re.IGNORECASE,
)
_ZIP = r"\d{5}(?:-\d{4})?"
_ZIP_AFTER = re.compile(rf"\.?,?\s{{1,3}}({_ZIP})(?![\w-])")
_ZIP_LABEL = re.compile(rf"\b(?:zip|postal)(?:\s*code)?\W{{0,4}}(?:is\s+)?({_ZIP})(?![\w-])", re.IGNORECASE)
_COUNTIES = frozenset(["county", "parish", "borough", "township"])
_AFTER_STREET = re.compile(
    rf"\s*,?\s+(?P<town>[A-Za-z][A-Za-z'-]+(?:\s[A-Z][A-Za-z'-]+){{0,2}})(?=\s*[.,;\n]|\s+[A-Z]{{2}}\b|\s+{_ZIP}|\s*\Z)"
)
_TOWN_BEFORE = re.compile(
    r"\b(?:live[sd]?|living|resid(?:es?|ing|ed)|resident|born|raised|moved|moving|relocat\w+|travel\w*|trip|drove|visit\w*|"
    r"flew|home|native|grew\s+up|located|based|stay\w*|works?|working|city|town|from|transferred|of|in|to|near|outside|our|the)"
    r"(?:\s+(?:in|of|to|from|is|near|at|outside))?\W{1,3}\Z",
    re.IGNORECASE,
)
_MOVES = re.compile(
    r"(?:liv|resid|born|rais|mov|reloc|travel|trip|drove|visit|flew|home|native|grew|stay|city|town|from)",
    re.IGNORECASE,
)


def find_places(document: Document) -> Iterator[Span]:
    text = document.flat
    if document.has_digit:
        yield from _streets(text, caseless=document.is_caseless)
        for match in _ZIP_LABEL.finditer(text):
            yield Span(match.start(1), match.end(1), Entity.US_ZIP, 900)
    yield from _states_and_counties(document)
    yield from _towns(document)


def _streets(text: str, *, caseless: bool) -> Iterator[Span]:
    for pattern in (_STREETS[caseless], _ANY_CASE_STREET):
        for match in pattern.finditer(text):
            if re.search(r"\b(?:mg|ml|mcg|tablets?|days?|weeks?|years?|hours?)\b", match[0], re.IGNORECASE):
                continue
            yield Span(match.start(), match.end(), Entity.LOCATION, 850)
            town = _AFTER_STREET.match(text, match.end())
            if town and town["town"].lower().split()[0] not in FUNCTION_WORDS:
                yield Span(town.start("town"), town.end("town"), Entity.LOCATION, 750)
    for pattern in (_PO_BOX, _ROUTE):
        for match in pattern.finditer(text):
            yield Span(match.start(), match.end(), Entity.LOCATION, 850)


def _states_and_counties(document: Document) -> Iterator[Span]:
    """`Dayton, OH 45402`: a town before a state, a ZIP code after it; `Fulton County`."""
    for index, word in enumerate(document.words):
        if word.lower in _COUNTIES:
            if index and (word.is_capital or document.is_caseless) and _named_county(document, index - 1):
                yield Span(document.words[index - 1].start, word.end, Entity.LOCATION, 750)
        elif word.lower in _STATE_ENDS and (first := _state_start(document, index)) is not None:
            post = _ZIP_AFTER.match(document.flat, word.end)
            if post:
                yield Span(post.start(1), post.end(1), Entity.US_ZIP, 870)
            is_degree = word.text in {"MD", "PA"} and post is None
            if not is_degree and (town := _town_before(document, first, has_zip=post is not None)):
                yield town


def _named_county(document: Document, index: int) -> bool:
    word = document.words[index]
    return document.adjacent(index) and (
        (word.is_capital and word.lower not in FUNCTION_WORDS)
        if not document.is_caseless
        else word.lower not in FUNCTION_WORDS and not word.kinds & Kind.WORD
    )


def _state_start(document: Document, index: int) -> int | None:
    """The first word of the state whose last word is at `index`; small words such as `in` and `or` are none."""
    word = document.words[index]
    pair = f"{document.words[index - 1].lower} {word.lower}" if index else ""
    if pair in _STATE_PAIRS:
        return index - 1
    if word.lower in _STATE_NAMES:
        return index
    if word.lower in _STATES and (
        word.text.isupper() or word.lower not in FUNCTION_WORDS | {"me", "hi", "ok", "pa", "ma"}
    ):
        return index
    return None


def _town_before(document: Document, state: int, *, has_zip: bool) -> Span | None:
    """The town before a state: by list, or any capitalised words when a ZIP code follows the state."""
    words, kinds = document.words, lexicon()
    first = state
    while first > 0 and state - first < 3 and _leads_to(document, first - 1, comma=first == state):
        first -= 1
    for start in range(first, state):
        name = " ".join(word.lower for word in words[start:state])
        if kinds.get(name, 0) & Kind.CITY:
            return Span(words[start].start, words[state - 1].end, Entity.LOCATION, 800)
    if has_zip and first < state and not document.is_caseless:
        return Span(words[first].start, words[state - 1].end, Entity.LOCATION, 700)
    return None


def _leads_to(document: Document, index: int, *, comma: bool) -> bool:
    word = document.words[index]
    gap = document.flat[word.end : document.words[index + 1].start]
    if gap.strip() not in ({"", ","} if comma else {"", "."}) or word.lower in FUNCTION_WORDS:
        return False
    return word.is_capital or document.is_caseless


def _towns(document: Document) -> Iterator[Span]:
    """Towns by list: certain after a word of place, doubtful alone."""
    kinds = lexicon()
    words = document.words
    for index, word in enumerate(words):
        if not (word.is_capital or document.is_caseless):
            continue
        end = index
        bits = word.kinds
        if index + 1 < len(words) and document.adjacent(index):
            pair = f"{word.lower} {words[index + 1].lower}"
            if kinds.get(pair, 0) & Kind.CITY:
                end, bits = index + 1, Kind.CITY
        if not bits & Kind.CITY:
            continue
        before = document.flat[max(0, word.start - 28) : word.start]
        placed = _TOWN_BEFORE.search(before)
        if placed and _MOVES.search(placed[0]) and not bits & Kind.WORD and not (bits & Kind.FIRST):
            yield Span(word.start, words[end].end, Entity.LOCATION, 650)
        elif placed and not bits & (Kind.WORD | Kind.FIRST | Kind.MEDICAL | Kind.COMMON_LAST):
            yield Span(word.start, words[end].end, Entity.LOCATION, LIKELY)

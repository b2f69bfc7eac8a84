"""Streets, towns, ZIP codes, facilities and employers."""

import re
from collections.abc import Iterator

from gateway.phi.detector import LIKELY, Span
from gateway.phi.findings import Entity
from gateway.phi.lexicon.words import Kind, lexicon
from gateway.phi.rules.document import Document, Word
from gateway.phi.rules.vocabulary import FUNCTION_WORDS, GENERIC_PLACE_WORDS

_STATES = (
    "AL|AK|AZ|AR|CA|CO|CT|DE|DC|FL|GA|HI|ID|IL|IN|IA|KS|KY|LA|ME|MD|MA|MI|MN|MS|MO|MT|NE|NV|NH|NJ|NM|NY|NC|ND|OH|OK|OR|PA|"
    "PR|RI|SC|SD|TN|TX|UT|VT|VA|WA|WV|WI|WY"
)
_STATE_NAMES = (
    "Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|Florida|Georgia|Hawaii|Idaho|Illinois|Indiana|"
    "Iowa|Kansas|Kentucky|Louisiana|Maine|Maryland|Massachusetts|Michigan|Minnesota|Mississippi|Missouri|Montana|Nebraska|"
    "Nevada|New\\s+Hampshire|New\\s+Jersey|New\\s+Mexico|New\\s+York|North\\s+Carolina|North\\s+Dakota|Ohio|Oklahoma|Oregon|"
    "Pennsylvania|Rhode\\s+Island|South\\s+Carolina|South\\s+Dakota|Tennessee|Texas|Utah|Vermont|Virginia|Washington|"
    "West\\s+Virginia|Wisconsin|Wyoming"
)
_SUFFIX = (
    "St|Street|Ave|Avenue|Av|Blvd|Boulevard|Rd|Road|Dr|Drive|Ln|Lane|Ct|Court|Cir|Circle|Pl|Place|Way|Ter|Terrace|Trl|Trail|"
    "Pkwy|Parkway|Hwy|Highway|Sq|Square|Loop|Row|Walk|Path|Pike|Turnpike|Alley|Plaza|Crossing|Xing|Run|Ridge|Point|Cove|"
    "Commons|Expressway|Crescent|Mews|Bend|Landing|Glen|Hollow|Heights"
)
_UNIT = r"(?:,?\s+(?:Apt|Apartment|Unit|Suite|Ste|Rm|Room|Bldg|Building|Floor|Fl|Lot|Trlr|PH)\.?\s*(?:\#\s*)?[A-Za-z0-9-]{1,6}\b|,?\s*\#\s?[A-Za-z0-9-]{1,6}\b)?"
_NAME_PART = r"(?:[A-Z][A-Za-z'-]*\.?|\d{1,3}(?:st|nd|rd|th)|[A-Z]-\d+)"
_STREET = rf"(?<![\w./-])\d{{1,6}}(?:-\d{{1,4}})?[A-Za-z]?\s+(?:{_NAME_PART}\s+){{1,4}}(?:{_SUFFIX})\b\.?(?:\s+(?:[NSEW]{{1,2}}|North|South|East|West)\b\.?)?{_UNIT}"
_STREETS = {caseless: re.compile(_STREET, re.IGNORECASE if caseless else 0) for caseless in (False, True)}
_ANY_CASE_STREET = re.compile(
    rf"(?<![\w./-])\d{{2,6}}\s+(?:[A-Za-z][A-Za-z'-]*\.?\s+){{1,3}}(?:street|avenue|ave|blvd|boulevard|road|rd|drive|lane|parkway|terrace)\b\.?{_UNIT}",
    re.IGNORECASE,
)
_PO_BOX = re.compile(
    r"\bP\.?\s?O\.?\s?Box\s+\d{1,8}\b|\b(?:RR|Rural\s+Route|HC)\s*\#?\d{1,3}\s+Box\s+\d{1,6}\b", re.IGNORECASE
)
_ROUTE = re.compile(
    r"(?<![\w./-])\d{1,6}\s+(?:[NSEW]\.?\s+)?(?:County\s+(?:Road|Rd)|State\s+(?:Road|Route)|(?:US|State)?\s?(?:Highway|Hwy|Route|Rte))\s+\d{1,4}[A-Z]?\b",
    re.IGNORECASE,
)
_ZIP = r"\d{5}(?:-\d{4})?"
_TOWN = r"[A-Z][A-Za-z'.-]+(?:\s[A-Z][A-Za-z'.-]+){0,2}"
_TOWN_STATE = {
    caseless: re.compile(
        rf"(?<![\w'])(?P<town>{_TOWN})(?:,\s*|\s+)(?:(?:{_STATES})\b|(?:{_STATE_NAMES})\b)\.?(?:,?\s+(?P<zip>{_ZIP})(?![\w-]))?",
        re.IGNORECASE if caseless else 0,
    )
    for caseless in (False, True)
}
_STATE_ZIP = re.compile(rf"\b(?:(?:{_STATES})|{_STATE_NAMES})\b[.,]?\s+({_ZIP})(?![\w-])", re.IGNORECASE)
_ZIP_LABEL = re.compile(rf"\b(?:zip|postal)(?:\s*code)?\W{{0,4}}(?:is\s+)?({_ZIP})(?![\w-])", re.IGNORECASE)
_COUNTY = re.compile(r"\b([A-Z][A-Za-z'-]+(?:\s[A-Z][A-Za-z'-]+)?\s(?:County|Parish|Borough|Township))\b")
_AFTER_STREET = re.compile(
    rf"\s*,?\s+(?P<town>[A-Za-z][A-Za-z'-]+(?:\s[A-Z][A-Za-z'-]+){{0,2}})(?=\s*[.,;\n]|\s+(?:{_STATES})\b|\s+{_ZIP}|\s*\Z)"
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

_FACILITY_ENDS = frozenset(
    "hospital clinic hospice pharmacy infirmary sanatorium polyclinic healthcare rehab rehabilitation dispensary "
    "hospitals clinics pediatrics orthopedics dermatology oncology radiology imaging dental".split()
)
_FACILITY_PAIRS = frozenset(
    [
        "nursing home",
        "urgent care",
        "health system",
        "medical center",
        "medical centre",
        "medical group",
        "health center",
        "care center",
        "surgery center",
        "cancer center",
        "cancer institute",
        "heart institute",
        "heart center",
        "health services",
        "health network",
        "family practice",
        "family medicine",
        "assisted living",
        "primary care",
        "care home",
        "medical associates",
        "health partners",
        "wellness center",
        "treatment center",
        "imaging center",
        "birth center",
        "dialysis center",
        "trauma center",
        "rehab center",
        "rehabilitation center",
        "health clinic",
        "skilled nursing",
        "senior living",
        "physician group",
        "day surgery",
        "eye institute",
        "community health",
        "health plan",
        "memory care",
        "health care",
        "recovery center",
        "retirement community",
        "women's center",
        "children's center",
        "brain institute",
        "spine institute",
        "medical institute",
        "surgical center",
        "outpatient center",
        "diagnostic center",
        "kidney center",
        "blood center",
        "counseling center",
        "pain center",
        "sleep center",
    ]
)
_EMPLOYER_ENDS = frozenset(
    "university college school academy diner restaurant church synagogue mosque temple cathedral parish inc llc corp corporation "
    "ltd airlines airways railroad foods motors industries steel logistics bakery cafe grill brewery farms foundry plumbing "
    "construction roofing trucking electronics technologies electric petroleum supermarket prison jail shelter seminary "
    "kindergarten daycare preschool library museum hotel motel casino".split()
)
_EMPLOYER_PAIRS = frozenset(
    [
        "school district",
        "air lines",
        "police department",
        "fire department",
        "high school",
        "elementary school",
        "middle school",
        "unified school",
        "post office",
        "public schools",
        "auto body",
        "power plant",
        "steel mill",
        "law firm",
        "credit union",
    ]
)
_OF_HEADS = frozenset("university college school hospital institute church bank city town county state".split())
_EMPLOYED = re.compile(
    r"\b(?:work(?:s|ed|ing)?\s+(?:\w+\s+){0,3}?(?:at|for)|employ(?:ed|ee|er)(?:\s+(?:by|at|with|of|is))?|retired\s+from|job\s+(?:at|with)|"
    r"attends|enrolled\s+(?:at|in)|teach(?:es|er)\s+at|student\s+at)\b[\s:]{1,3}",
    re.IGNORECASE,
)
_MAX_RUN = 5


def find_places(document: Document) -> Iterator[Span]:
    text = document.flat
    if document.has_digit:
        yield from _streets(text, caseless=document.is_caseless)
        for match in _STATE_ZIP.finditer(text):
            yield Span(match.start(1), match.end(1), Entity.US_ZIP, 850)
        for match in _ZIP_LABEL.finditer(text):
            yield Span(match.start(1), match.end(1), Entity.US_ZIP, 900)
    yield from _towns_with_state(text, caseless=document.is_caseless)
    for match in _COUNTY.finditer(text):
        yield Span(match.start(), match.end(), Entity.LOCATION, 750)
    yield from _organizations(document)
    yield from _employers(document)
    yield from _towns(document)


def _streets(text: str, *, caseless: bool) -> Iterator[Span]:
    for pattern in (_STREETS[caseless], _ANY_CASE_STREET):
        for match in pattern.finditer(text):
            if re.search(r"\b(?:mg|ml|mcg|tablets?|days?|weeks?|years?|hours?)\b", match[0], re.IGNORECASE):
                continue
            yield Span(match.start(), match.end(), Entity.LOCATION, 850)
            town = _AFTER_STREET.match(text, match.end())
            if town and not town["town"].lower().split()[0] in FUNCTION_WORDS:
                yield Span(town.start("town"), town.end("town"), Entity.LOCATION, 750)
    for pattern in (_PO_BOX, _ROUTE):
        for match in pattern.finditer(text):
            yield Span(match.start(), match.end(), Entity.LOCATION, 850)


def _towns_with_state(text: str, *, caseless: bool) -> Iterator[Span]:
    towns = lexicon()
    for match in _TOWN_STATE[caseless].finditer(text):
        start = match.start("town")
        words = match["town"].split(" ")
        known = next(
            (n for n in range(len(words)) if towns.get(" ".join(words[n:]).lower().replace(".", ""), 0) & Kind.CITY),
            None,
        )
        if known is None and (caseless or not match["zip"]):
            continue
        yield Span(start + len(" ".join(words[: known or 0])) + bool(known), match.end("town"), Entity.LOCATION, 800)
        if match["zip"]:
            yield Span(match.start("zip"), match.end("zip"), Entity.US_ZIP, 900)


def _organizations(document: Document) -> Iterator[Span]:
    words = document.words
    for index, word in enumerate(words):
        pair = f"{words[index - 1].lower} {word.lower}" if index else ""
        if word.lower in _FACILITY_ENDS or pair in _FACILITY_PAIRS:
            entity = Entity.FACILITY
        elif word.lower in _EMPLOYER_ENDS or pair in _EMPLOYER_PAIRS:
            entity = Entity.EMPLOYER
        else:
            if word.lower in {"of"} and index and words[index - 1].lower in _OF_HEADS:
                yield from _of_place(document, index)
            continue
        length = 2 if pair in _FACILITY_PAIRS or pair in _EMPLOYER_PAIRS else 1
        start = _run_start(document, index, length)
        if start is not None:
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
    return word.is_capital or (
        word.lower in {"of", "and", "the"} and index > 0 and document.words[index - 1].is_capital
    )


def _of_place(document: Document, index: int) -> Iterator[Span]:
    """`University of Utah`."""
    words = document.words
    end = index + 1
    while end < len(words) and end - index < _MAX_RUN and words[end].is_capital and _adjacent(document, end - 1):
        end += 1
    if end > index + 1 and words[index - 1].is_capital:
        yield Span(words[index - 1].start, words[end - 1].end, Entity.EMPLOYER, 750)


def _adjacent(document: Document, index: int) -> bool:
    return not document.flat[document.words[index].end : document.words[index + 1].start].strip()


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
    return [] if document.is_caseless and only_plain and len(name) != 2 else name  # noqa: PLR2004


def _towns(document: Document) -> Iterator[Span]:
    """Towns by list: certain after a word of place, doubtful alone."""
    kinds = lexicon()
    words = document.words
    for index, word in enumerate(words):
        end = index
        bits = word.kinds
        if index + 1 < len(words) and _adjacent(document, index):
            pair = f"{word.lower} {words[index + 1].lower}"
            if kinds.get(pair, 0) & Kind.CITY:
                end, bits = index + 1, Kind.CITY
        if not bits & Kind.CITY or not (word.is_capital or document.is_caseless):
            continue
        before = document.flat[max(0, word.start - 28) : word.start]
        placed = _TOWN_BEFORE.search(before)
        if placed and _MOVES.search(placed[0]) and not bits & Kind.WORD and not (bits & Kind.FIRST):
            yield Span(word.start, words[end].end, Entity.LOCATION, 650)
        elif placed and not bits & (Kind.WORD | Kind.FIRST | Kind.MEDICAL | Kind.COMMON_LAST):
            yield Span(word.start, words[end].end, Entity.LOCATION, LIKELY)

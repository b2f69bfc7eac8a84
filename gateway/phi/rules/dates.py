"""Dates with words in them: around the name of a month, and holidays."""

import re
from collections.abc import Iterator

from gateway.phi.detector import LIKELY, Span
from gateway.phi.findings import Entity
from gateway.phi.rules.document import Document
from gateway.phi.rules.numeric_dates import DAY, YEAR, with_weekday
from gateway.phi.rules.vocabulary import word_set

_MONTHS = word_set(
    "jan january feb february mar march apr april may jun june jul july aug august sep sept september oct october nov "
    "november dec december janurary feburary febuary septemeber ocotober novemeber decemeber"
)
_ORDINAL = r"(?:\s?(?:st|nd|rd|th))?"
_SPOKEN = (
    r"(?:(?:twenty|thirty)[\s-](?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)|first|second|third|fourth|"
    r"fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth|sixteenth|seventeenth|"
    r"eighteenth|nineteenth|twentieth|thirtieth)"
)
_SPOKEN_UNIT = r"(?:one|two|three|four|five|six|seven|eight|nine)"
_SPOKEN_YEAR = (
    r"(?:nineteen|twenty|two\sthousand)(?:[\s-]{1,2}(?:and\s|oh\s|hundred\s)?(?:ten|eleven|twelve|thirteen|fourteen|fifteen|"
    rf"sixteen|seventeen|eighteen|nineteen|(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)(?:[\s-]{{1,2}}{_SPOKEN_UNIT})?|"
    rf"{_SPOKEN_UNIT}))?"
)
_ANY_DAY = rf"(?:{DAY}{_ORDINAL}|{_SPOKEN})"
_UP_TO = r"\s{0,2}(?:-|to|and|&|,|/|through|thru|or)\s{0,2}(?:the\s)?"
_DAY_BEFORE = re.compile(
    rf"(?<![A-Za-z0-9.$])(?:{_ANY_DAY}{_UP_TO})?{_ANY_DAY}(?:\s+(?:day\s+)?of)?[\s,/._-]{{0,2}}\Z", re.IGNORECASE
)
_FIGURE_BEFORE = re.compile(rf"(?<![A-Za-z0-9.$]){DAY}[\s,/._-]{{0,2}}\Z")
_LONGEST_FIGURE = 4
_JOINING = frozenset("-,&/odruhe")
"""How `to`, `and`, `or`, `through`, `the` and the signs of a range end."""

_DAY_ENDS = frozenset(["st", "nd", "rd", "th", "of"])
_YEAR_BEFORE = re.compile(rf"(?<![A-Za-z0-9.$]){YEAR}[\s,/._-]{{1,2}}\Z")
_AMOUNTS = (
    r"mg|mcg|ml|units?|tabs?|pills?|patients?|people|cases|doses|days?|weeks?|hours?|hrs?|min|minutes|y|yo|years?|am|pm"
)
_YEAR_AFTER = re.compile(
    rf"\.?(?:,?\s{{1,2}}(?:of\s)?|\s?[-/._,]\s?)(?:{YEAR}|'\d{{2}}|(?<=[-/.])\d{{2}})(?![A-Za-z0-9])"
    rf"|\.?'?(?:{YEAR}|\d{{2}})(?![A-Za-z0-9])|\.?,?\s\d{{2}}(?=[,.;)]|\s*\Z)(?![.,]\d)"
    rf"|\s[03-9]\d(?![\w%/-]|[.:]\d|\s?(?:{_AMOUNTS})\b)"
)
_AFTER_MONTH = re.compile(
    rf"\.?(?:[\s/._-]{{0,2}}(?:the\s+)?{_ANY_DAY}(?![A-Za-z0-9%]|\.\d)(?:{_UP_TO}{_ANY_DAY}(?![A-Za-z0-9%]|[.:]\d))?"
    rf"(?:(?:\s?,\s?|\s+(?:of\s)?|\s?[-/.]\s?|_){YEAR}(?!\d)|,?\s{{1,2}}(?:of\s|in\s)?{_SPOKEN_YEAR}\b|(?:,?\s+|-|/)'?\d{{2}}(?=[\s,.;)]|\Z)(?!\s?[A-Za-z%/:]|\.\d))?"
    rf"|(?:\s+of)?,?[\s/_-]{{0,2}}(?:{YEAR}|'\d{{2}})(?![A-Za-z0-9]))",
    re.IGNORECASE,
)
_OF_DOCUMENTS = re.compile(
    r"\s(?:\w+\s)?(?:guidelines?|edition|consensus|statement|release|issue|advisory|recommendations?)\b", re.IGNORECASE
)
_THE_BEFORE = re.compile(r"\bthe\s{1,2}\Z", re.IGNORECASE)
_IN_BEFORE = re.compile(
    r"\b(?:in|since|last|until|till|next|this|early|late|mid|from|of|by|through)[\s-]{1,2}\Z", re.IGNORECASE
)
_VERBS = frozenset(["may", "march", "mar"])
_PART_OF_WORD = re.compile(r"[A-Za-z]+")
_DATED_AFTER = re.compile(rf"{YEAR}\Z|\d(?:st|nd|rd|th)\b", re.IGNORECASE)
_DATED = re.compile(
    r"(?:is|was|on|until|since|by|before|after|seen|dob|birth|birthday|from|of|date|dated|in|d o b|born|for|"
    r"due|through|to|till|"
    r"between|"
    r"mid|early|late|last|next|this|and|appt|appointment|scheduled|[,:(/-])\W{0,2}\Z",
    re.IGNORECASE,
)
_HOLIDAY = re.compile(
    r"\b(?:christmas(?:\s+(?:eve|day))?|thanksgiving(?:\s+day)?|new\s+year'?s(?:\s+(?:eve|day))|halloween|valentine'?s\s+day|"
    r"(?:the\s+)?(?:fourth|4th)\s+of\s+july|independence\s+day|labor\s+day|memorial\s+day|easter(?:\s+sunday)?|"
    r"mother'?s\s+day|father'?s\s+day|veterans\s+day)\b",
    re.IGNORECASE,
)
_HOLIDAY_STARTS = word_set(
    "christmas thanksgiving new halloween valentine the fourth independence labor memorial easter mother father "
    "veterans"
)
_HOLIDAY_WORDS = word_set("christmas thanksgiving year halloween day july easter eve")


_GOES_ON = (
    r"and|but|or|it|its|it's|is|was|he|she|they|we|i|you|with|at|for|to|in|if|because|when|so|then|please|per|via|from|by|"
    r"around|about|who|after|before|until|period|comma|w/?|@|of\sthis|of\slast|of\snext|with"
)
_DAY_OF_MONTH = re.compile(
    rf"\bthe\s(?P<day>(?:3[01]|[12]?\d)(?:st|nd|rd|th)|{_SPOKEN})(?P<after>\s{{0,2}}[.,;:!?)\"'-]|\s{{0,2}}\Z|\s+(?:{_GOES_ON})\b"
    r"|\s{0,2}\n)",
    re.IGNORECASE,
)
_OF_TIME = word_set(
    "on since until till by before after through thru visit appt appointment due closes opens starts ends window "
    "scheduled seen visited admitted discharged surgery again back return returns from worse better sick fever "
    "booked"
)
_STOPS = frozenset([".", "", "?", "!"])
_COUNTED = word_set("first second third fourth fifth last")
"""Words that count more than days: `until the second`."""

_ORDINALS = word_set(
    "st nd rd th sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth "
    "seventeenth eighteenth nineteenth twentieth thirtieth"
)


def find_dates(document: Document) -> Iterator[Span]:
    if "the" in document.vocabulary and not _ORDINALS.isdisjoint(document.vocabulary):
        yield from _days_of_month(document)
    if document.mentions(_HOLIDAY_WORDS):
        yield from _holidays(document)
    if document.mentions(_MONTHS) or "-" in document.flat:
        yield from _named(document)


def _days_of_month(document: Document) -> Iterator[Span]:
    """`since the 9th`: without its month, and so without a noun after it; `the 5th finger` is none."""
    for match in _DAY_OF_MONTH.finditer(document.folded):
        index = document.word_before(match.start())
        if index < 0 or match["day"].lower() in _COUNTED:
            continue
        before = document.words[index].lower
        if before in _OF_TIME or before.endswith(("ed", "day")) or match["after"].strip() in _STOPS:
            yield Span(with_weekday(document.flat, match.start()), match.end("day"), Entity.DATE_TIME, LIKELY)


def _holidays(document: Document) -> Iterator[Span]:
    for word in document.words:
        if word.lower in _HOLIDAY_STARTS and (match := _HOLIDAY.match(document.flat, word.start)):
            since = document.lower.endswith(("since ", "until "), 0, word.start)
            yield Span(word.start, match.end(), Entity.DATE_TIME, 600 if since else LIKELY)


def _named(document: Document) -> Iterator[Span]:
    """Dates around the name of a month, which may be a part of `Jan-Mar`."""
    text = document.flat
    for word in document.words:
        if word.lower in _MONTHS:
            yield from _around(text, word.text, word.start, word.end)
        elif "-" in word.lower and not _MONTHS.isdisjoint(word.lower.split("-")):
            for part in _PART_OF_WORD.finditer(word.text):
                if part[0].lower() in _MONTHS:
                    yield from _around(text, part[0], word.start + part.start(), word.start + part.end())


def _around(text: str, name: str, start: int, end: int) -> Iterator[Span]:
    before = text[max(0, start - 34) : start]
    tail = before.rstrip(" ,/._-")
    has_day = tail[-1:].isdigit() or tail[-2:].lower() in _DAY_ENDS
    day = _day_before(before) if has_day else None
    after = (_YEAR_AFTER if day else _AFTER_MONTH).match(text, end)
    if has_day and not day and (year := _YEAR_BEFORE.search(before)) and after:
        day = year
    if day and day[0].rstrip()[-1:] in {",", "/", "&"}:
        after = _AFTER_MONTH.match(text, end) or after
    if not day and after and _OF_DOCUMENTS.match(text, after.end()):
        return
    if not day and after is None and name not in _VERBS and _IN_BEFORE.search(before):
        yield Span(start, end, Entity.DATE_TIME, LIKELY)
        return
    if not day and (after is None or (_is_verb(name, before) and not _DATED_AFTER.search(after[0]))):
        return
    first = start - len(day[0]) if day else start
    if article := _THE_BEFORE.search(text, max(0, first - 6), first):
        first = article.start()
    yield Span(with_weekday(text, first), after.end() if after else end, Entity.DATE_TIME, 900)


def _day_before(before: str) -> re.Match[str] | None:
    """The day, or the days of a range, at the end of `before`; a figure that nothing joins to another at once."""
    figure = _FIGURE_BEFORE.search(before, max(0, len(before) - _LONGEST_FIGURE))
    if figure and before[: figure.start()].rstrip()[-1:].lower() not in _JOINING:
        return figure
    return _DAY_BEFORE.search(before)


def _is_verb(name: str, before: str) -> bool:
    """`may 5` in lower case is a date only where a preposition stands before it."""
    return name in _VERBS and not _DATED.search(before)

"""Dates finer than a year, and ages over 89."""

import re
from collections.abc import Iterator

from gateway.phi.detector import LIKELY, Span
from gateway.phi.findings import Entity
from gateway.phi.rules.document import Document, Word
from gateway.phi.rules.vocabulary import word_set

_MONTHS = word_set(
    "jan january feb february mar march apr april may jun june jul july aug august sep sept september oct october nov "
    "november dec december"
)
_DAY = r"(?:3[01]|[12]\d|0?[1-9])"
_YEAR = r"(?:19|20)\d{2}"
_ORDINAL = r"(?:st|nd|rd|th)?"

_NUMERIC = re.compile(
    rf"(?<![\d./-])(?:"
    rf"{_YEAR}([-/.])(?:1[0-2]|0?[1-9])\1{_DAY}(?:T\d{{2}}:\d{{2}}(?::\d{{2}}(?:\.\d+)?)?(?:Z|[+-]\d{{2}}:?\d{{2}})?)?"
    rf"|(?:1[0-2]|0?[1-9])([-/])(?:{_DAY}|xx|__)\2(?:{_YEAR}|\d{{2}})"
    rf"|(?:1[0-2]|0?[1-9])\.{_DAY}\.(?:{_YEAR}|\d{{2}})"
    rf"|{_DAY}([-/.])(?:1[0-2]|0?[1-9])\3{_YEAR}|(?:1[0-2]|0?[1-9])/{_YEAR}"
    rf")(?![\d/]|[-.]\d)",
    re.IGNORECASE,
)
_DAY_BEFORE = re.compile(rf"(?<![A-Za-z0-9.]){_DAY}{_ORDINAL}(?:\s+of)?[\s-]{{0,2}}\Z", re.IGNORECASE)
_YEAR_AFTER = re.compile(rf"\.?,?[\s-]{{0,2}}(?:{_YEAR}|'\d{{2}}|(?<=-)\d{{2}}|(?<=[A-Za-z])\d{{2}})(?![A-Za-z0-9])")
_AFTER_MONTH = re.compile(
    rf"\.?(?:[\s-]{{1,2}}(?:the\s+)?{_DAY}{_ORDINAL}(?![A-Za-z0-9])(?:(?:,\s*|\s+|-){_YEAR}(?!\d)|,?\s+'\d{{2}}(?!\d))?"
    rf"|(?:\s+of)?,?[\s-]{{1,2}}(?:{_YEAR}|'\d{{2}})(?![A-Za-z0-9]))",
    re.IGNORECASE,
)
_COMPACT = re.compile(rf"(?<!\d){_YEAR}(?:1[0-2]|0[1-9])(?:3[01]|[12]\d|0[1-9])(?:\d{{4,6}})?(?!\d)")
_COMPACT_CONTEXT = re.compile(
    r"(?:dob|d\.o\.b|birth|date|born|admit|visit|time)\W{0,12}(?:\w+\W{1,3}){0,2}\Z", re.IGNORECASE
)
_MONTH_DAY = re.compile(r"(?<![\w./-])(?:1[0-2]|0?[1-9])/(?:3[01]|[12]\d|0?[1-9])(?![\d/%]|[.-]\d)")
_NOT_DATE_BEFORE = re.compile(
    r"(?:strength|power|pain|score|scale|apgars?|reflex(?:es)?|pulses?|motor|grade|murmur|gcs|class|vision|acuity|ratio|"
    r"quadrants?|about|approximately|took|take|give|gave|taking|add|mix|bp|pressure|orient\w*|a&o\w*|x|rated|rates|level)"
    r"\W{0,3}(?:(?:is|was|of|at|a|by)\s+)?\Z",
    re.IGNORECASE,
)
_NOT_DATE_AFTER = re.compile(
    r"\s*(?:strength|power|in|of|tab|cup|tsp|tbsp|teaspoon|tablespoon|dose|pill|liter|pack|ppd|normal|pain|systolic|"
    r"holosystolic|murmur|bilateral|throughout|reflex|pulses|motor|mg|ml|mm|cm|inch|hours?|days?|weeks?|months?|years?|"
    r"and\s+\d+/\d+|positive|nodes|criteria|points|screws?|visits?|sessions?)\b",
    re.IGNORECASE,
)
_DATE_BEFORE = re.compile(
    r"(?:on|from|until|till|through|since|by|before|after|dated?|seen|admitted|drawn|collected|due|scheduled|discharged?|"
    r"visit|appt|appointment|dob|born|follow-?up|f/u|started|ended|starting|plan|last|next|labs?|exam|surgery|of|for|to|"
    r"given|dos|between|and|ed|d/c|placed|removed|imaging|ct|mri|xray|culture|called|noted|at)\W{0,4}\Z",
    re.IGNORECASE,
)
_AGE = re.compile(
    r"(?<![\w.$/-])(9\d|1[0-4]\d)(?=[\s-]{0,2}(?:years?|yrs?|y\.?/?o\b\.?|yo[mf]?\b|y\b)|\s?[MF]\b|[- ]?y/o)"
    r"|\b(?:aged?|age\s+is|age\s+of|turn(?:ed|s|ing))\W{1,3}(9\d|1[0-4]\d)\b"
    r"(?!\s*(?:%|mg|ml|days|weeks|months|minutes|hours))",
    re.IGNORECASE,
)
_DURATION = re.compile(
    r"[\s-]{0,2}(?:years?|yrs?)\s+(?:ago|of\s+(?:experience|service|data)|history|survival|later|warranty|period|lease)",
    re.IGNORECASE,
)
_HOLIDAY = re.compile(
    r"\b(?:christmas(?:\s+(?:eve|day))?|thanksgiving(?:\s+day)?|new\s+year'?s(?:\s+(?:eve|day))|halloween|valentine'?s\s+day|"
    r"(?:the\s+)?(?:fourth|4th)\s+of\s+july|independence\s+day|labor\s+day|memorial\s+day|easter(?:\s+sunday)?|"
    r"mother'?s\s+day|father'?s\s+day|veterans\s+day)\b",
    re.IGNORECASE,
)
_DATED = re.compile(
    r"(?:on|until|since|by|before|after|seen|dob|birth|from|of|date|dated|in|d o b)\W{1,2}\Z", re.IGNORECASE
)


def find_dates(document: Document) -> Iterator[Span]:
    text = document.flat
    for match in _HOLIDAY.finditer(text):
        yield Span(match.start(), match.end(), Entity.DATE_TIME, LIKELY)
    if not document.has_digit:
        return
    for match in _NUMERIC.finditer(text):
        yield Span(match.start(), match.end(), Entity.DATE_TIME, 950)
    yield from _named(document)
    for match in _COMPACT.finditer(text):
        if _COMPACT_CONTEXT.search(text, max(0, match.start() - 30), match.start()):
            yield Span(match.start(), match.end(), Entity.DATE_TIME, 850)
    yield from _month_days(text)
    yield from _ages(text)


def _named(document: Document) -> Iterator[Span]:
    """Dates around the name of a month."""
    text = document.flat
    for word in document.words:
        if word.lower not in _MONTHS:
            continue
        day = _DAY_BEFORE.search(text, max(0, word.start - 12), word.start)
        after = (_YEAR_AFTER if day else _AFTER_MONTH).match(text, word.end)
        if day or (after and not _is_verb(word, text)):
            start = day.start() if day else word.start
            yield Span(start, after.end() if after else word.end, Entity.DATE_TIME, 900)


def _is_verb(word: Word, text: str) -> bool:
    """`may 5` in lower case is a date only where a preposition stands before it."""
    return word.text in {"may", "march"} and not _DATED.search(text, max(0, word.start - 12), word.start)


def _month_days(text: str) -> Iterator[Span]:
    """`6/20` is a date where its neighbours say so, and no strength, fraction or score."""
    for match in _MONTH_DAY.finditer(text):
        before = text[max(0, match.start() - 24) : match.start()]
        if _NOT_DATE_AFTER.match(text, match.end()) or _NOT_DATE_BEFORE.search(before):
            continue
        known = _DATE_BEFORE.search(before) or before.endswith("(") or not before.strip()
        yield Span(match.start(), match.end(), Entity.DATE_TIME, 800 if known else LIKELY)


def _ages(text: str) -> Iterator[Span]:
    for match in _AGE.finditer(text):
        group = 1 if match[1] else 2
        if not _DURATION.match(text, match.end(group)):
            yield Span(match.start(group), match.end(group), Entity.AGE_OVER_89, 850)

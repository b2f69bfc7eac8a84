"""Dates finer than a year: in numbers, around the name of a month, and holidays."""

import re
from collections.abc import Iterator

from gateway.phi.detector import LIKELY, Span
from gateway.phi.findings import Entity
from gateway.phi.rules.document import Document
from gateway.phi.rules.vocabulary import word_set

_MONTHS = word_set(
    "jan january feb february mar march apr april may jun june jul july aug august sep sept september oct october nov "
    "november dec december janurary feburary febuary septemeber ocotober novemeber decemeber"
)
_DAY = r"(?:3[01]|[12]\d|0?[1-9])"
_MONTH = r"(?:1[0-2]|0?[1-9])"
_YEAR = r"(?:19|20)\d{2}"
_ANY_YEAR = rf"(?:{_YEAR}|\d{{2}})"
_TIME = r"(?:[Tt ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:\s?(?:Z|UTC|GMT|z)|[+-]\d{2}:?\d{2})?)?"
_FULL_DATE = (
    rf"{_YEAR}(?P<iso>\s?[-/._]\s?| ){_MONTH}(?P=iso){_DAY}(?!\d|[-/]\d){_TIME}"
    rf"|{_YEAR}-(?:0[1-9]|1[0-2])-?T?\d{{2}}T\d{{2}}:?\d{{2}}"
    rf"|{_MONTH}(?P<us>\s?[-/]\s?|[._])(?:{_DAY}|[xX_?*]{{2}})(?P=us)(?:{_YEAR}(?![\d/])|\d{{2}}(?![\d/]|[-.]\d))"
    rf"|{_DAY}(?P<eu>\s?[-/]\s?|[._]){_MONTH}(?P=eu)(?:{_YEAR}(?![\d/])|\d{{2}}(?![\d/]|[-.]\d))"
    rf"|{_MONTH}[-/]{_YEAR}(?![\d/])|{_DAY}(?P<roman>[-/. ])(?:I{{1,3}}|IV|VI{{0,3}}|IX|XI{{0,2}})(?P=roman){_YEAR}(?!\d)"
)
_PART = rf"{_MONTH}/{_DAY}(?!\d|%|/\d)|(?:1[3-9]|2\d|3[01])/{_MONTH}(?!\d|%|/\d)"
_RANGE = (
    rf"{_MONTH}/{_DAY}(?:/{_ANY_YEAR})?(?:\s?-\s?|\s(?i:to|thru|through|until|till|and|-)\s){_MONTH}/{_DAY}"
    rf"(?:/{_ANY_YEAR})?(?![\d/%])|{_MONTH}/{_DAY}\s?-\s?{_DAY}/{_ANY_YEAR}(?![\d/%])|{_MONTH}/{_DAY}-{_DAY}(?![\d/%-])"
)
_PACKED = (
    rf"{_YEAR}(?:1[0-2]|0[1-9])(?:3[01]|[12]\d|0[1-9])(?:[T_-]?\d{{4,6}}(?:\.\d{{1,6}})?(?:[+-]\d{{4}}|Z)?)?(?![\d])"
    rf"|(?:1[0-2]|0[1-9])(?:3[01]|[12]\d|0[1-9])(?:{_YEAR}|\d{{2}})(?!\d)|(?:3[01]|[12]\d|0[1-9])(?:1[0-2]|0[1-9]){_YEAR}(?!\d)"
)
_DASHED = rf"{_MONTH}[-.]{_DAY}(?![\w%]|[-./]\d)"
_ISO_MONTH = rf"{_YEAR}-(?:0[1-9]|1[0-2])(?![\w-])"
DATE_SHAPES = (
    rf"(?P<date>(?<!\d[./])(?:(?<!\d-)|(?<={_YEAR}-))(?<![vV]){_FULL_DATE})|(?P<range>(?<![\w./-]){_RANGE})|(?P<part>(?<![\w./-]){_PART})"
    rf"|(?P<packed>(?<![\d.-]){_PACKED})|(?P<month>(?<![\w./-]){_ISO_MONTH})|(?P<dashed>(?<![\w./$-]){_DASHED})"
)
"""Everything that `date_at` judges at a run of digits, as named groups."""

_WEEKDAY = r"(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?\.?,?\s{1,2}(?:the\s)?"
_WEEKDAY_BEFORE = re.compile(rf"(?<![A-Za-z]){_WEEKDAY}\Z", re.IGNORECASE)
_ORDINAL = r"(?:\s?(?:st|nd|rd|th))?"
_SPOKEN = (
    r"(?:(?:twenty|thirty)[\s-](?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)|first|second|third|fourth|"
    r"fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth|sixteenth|seventeenth|"
    r"eighteenth|nineteenth|twentieth|thirtieth)"
)
_ANY_DAY = rf"(?:{_DAY}{_ORDINAL}|{_SPOKEN})"
_UP_TO = r"\s{0,2}(?:-|to|and|&|,|/|through|thru|or)\s{0,2}(?:the\s)?"
_DAY_BEFORE = re.compile(
    rf"(?<![A-Za-z0-9.$])(?:{_ANY_DAY}{_UP_TO})?{_ANY_DAY}(?:\s+(?:day\s+)?of)?[\s,/._-]{{0,2}}\Z", re.IGNORECASE
)
_YEAR_BEFORE = re.compile(rf"(?<![A-Za-z0-9.$]){_YEAR}[\s,/._-]{{1,2}}\Z")
_YEAR_AFTER = re.compile(
    rf"\.?(?:,?\s{{1,2}}(?:of\s)?|\s?[-/._,]\s?)(?:{_YEAR}|'\d{{2}}|(?<=[-/.])\d{{2}})(?![A-Za-z0-9])"
    rf"|\.?'?(?:{_YEAR}|\d{{2}})(?![A-Za-z0-9])|\.?,?\s\d{{2}}(?=[,.;)]|\s*\Z)(?![.,]\d)"
)
_AFTER_MONTH = re.compile(
    rf"\.?(?:[\s/._-]{{0,2}}(?:the\s+)?{_ANY_DAY}(?![A-Za-z0-9%]|\.\d)(?:{_UP_TO}{_ANY_DAY}(?![A-Za-z0-9%:]|\.\d))?"
    rf"(?:(?:\s?,\s?|\s+(?:of\s)?|\s?[-/.]\s?|_){_YEAR}(?!\d)|(?:,?\s+|-|/)'?\d{{2}}(?=[\s,.;)]|\Z)(?!\s?[A-Za-z%/:]|\.\d))?"
    rf"|(?:\s+of)?,?[\s/_-]{{0,2}}(?:{_YEAR}|'\d{{2}})(?![A-Za-z0-9]))",
    re.IGNORECASE,
)
_OF_DOCUMENTS = re.compile(
    r"\s(?:\w+\s)?(?:guidelines?|edition|consensus|statement|release|issue|advisory|recommendations?)\b", re.IGNORECASE
)
_PART_OF_WORD = re.compile(r"[A-Za-z]+")
_YEAR_END = re.compile(rf"{_YEAR}\Z")
_COMPACT_CONTEXT = re.compile(
    r"(?:dob|d\.o\.b\.?|birth\w*|date|dt|born|admit\w*|visit|time|bd|bday|b\.d\.)\W{0,12}(?:\w+\W{1,3}){0,2}\Z",
    re.IGNORECASE,
)
_FILE_NAME = frozenset("_-.")
_NOT_BEFORE = word_set(
    "strength power pain score scale apgar apgars reflex reflexes pulse pulses motor grade murmur gcs class vision acuity ratio "
    "quadrant quadrants about approximately took take give gave taking add mix bp pressure orient oriented orientation x rated "
    "rates rate level mmse moca phq gad ef od os ou dtr dtrs mrc va node nodes step page part version fraction dose severity "
    "stage intensity sedation rass borg perrla perrl least only than sat sats nyha mallampati scored scores iv/vi ao aox grip "
    "chapter figure question item items row strengths vas nprs equals equal times sensation"
)
_NOT_FILLERS = word_set("is was of at a by score out now currently the all from s")
_NOT_AFTER = re.compile(
    r"\s*(?:strength|power|tab|tabs|cup|tsp|tbsp|teaspoon|tablespoon|dose|pill|liter|pack|ppd|normal|pain|systolic|"
    r"holosystolic|murmur|bilateral|bilaterally|throughout|reflex|pulses|motor|mg|ml|mm|mcg|cm|inch|hours?|days?|weeks?|"
    r"months?|years?|and\s+\d+/\d+|positive|nodes|criteria|points|screws?|visits?|sessions?|hrs?|min|minutes?|x|dilut\w+|"
    r"correct|items?|on\s+(?:the\s+)?(?:pain|scale|vas|right|left)|quadrants|lobes|tests?|cases|patients|people|at\s+\d|"
    r"split|of\s+the|severity|lesions|units?|grade|gauge|fr|intensity|ns|saline|strokes?|biopsies|cores|samples|cultures)\b"
    r"|\s*[\"\u00d7=]",
    re.IGNORECASE,
)
_SOFT_NOT_AFTER = re.compile(r"\s*(?:in|of)\b", re.IGNORECASE)
_BEFORE = word_set(
    "on from until till through thru since by before after date dated seen drawn due appt appointment appointments visit dob born "
    "follow-up followup fu last next lab labs exam surgery for to given dos doa dod lmp edd edc between and ed dc imaging ct mri "
    "xray cxr us egd culture cultures noted at starting plan effective exp refill rtc done performed begin began of week this "
    "night morning evening overnight yesterday today tomorrow note update progress echo ekg ecg colonoscopy biopsy cbc bmp cmp "
    "adm admit onset re mon tue tues wed thu thur thurs fri sat sun as discharge or pcp clinic scan pet us tte eeg emg procedure "
    "vaccine shot booster dx consult chemo cycle lap post pre pod hd icu er op proc approx around circa early late"
)
_MARKED_BEFORE = ("f/u", "d/c", "d/t", "s/p", "h/o", "#", "(")
_WIDEST_GAP = 4
_FARTHEST = 24
_DASH_BEFORE = re.compile(
    r"\b(?:on|until|since|dated?|dob|appt|due|seen|admitted|scheduled|discharged|drawn|visit|born)\W{1,2}\Z",
    re.IGNORECASE,
)
_DATED = re.compile(
    r"(?:on|until|since|by|before|after|seen|dob|birth|from|of|date|dated|in|d o b|born|for|due|through|to|till|between|"
    r"mid|early|late|last|next|this|and|appt|appointment|scheduled|[,:(/-])\W{0,2}\Z",
    re.IGNORECASE,
)
_HOLIDAY = re.compile(
    r"\b(?:christmas(?:\s+(?:eve|day))?|thanksgiving(?:\s+day)?|new\s+year'?s(?:\s+(?:eve|day))|halloween|valentine'?s\s+day|"
    r"(?:the\s+)?(?:fourth|4th)\s+of\s+july|independence\s+day|labor\s+day|memorial\s+day|easter(?:\s+sunday)?|"
    r"mother'?s\s+day|father'?s\s+day|veterans\s+day)\b",
    re.IGNORECASE,
)
_HOLIDAY_WORDS = word_set("christmas thanksgiving year's new halloween day july easter")


def find_dates(document: Document) -> Iterator[Span]:
    """Dates with words in them; the ones of numbers alone are found by `date_at`."""
    if document.mentions(_HOLIDAY_WORDS):
        for match in _HOLIDAY.finditer(document.flat):
            since = document.lower[: match.start()].endswith(("since ", "until "))
            yield Span(match.start(), match.end(), Entity.DATE_TIME, 600 if since else LIKELY)
    if document.mentions(_MONTHS) or "-" in document.flat:
        yield from _named(document)


def date_at(document: Document, match: re.Match[str]) -> Span | None:
    """Judges a match of `DATE_SHAPES`: None for a fraction, a score or a strength."""
    text = document.flat
    kind = match.lastgroup
    before = text[max(0, match.start() - 28) : match.start()]
    score = 950
    if kind == "packed":
        score = _packed_score(text, match, before)
    elif kind == "month":
        score = LIKELY
    elif kind == "dashed":
        score = LIKELY if _DASH_BEFORE.search(before) else 0
    elif kind in {"part", "range"}:
        score = _part_score(document, match, is_range=kind == "range")
    if not score:
        return None
    weekday = _WEEKDAY_BEFORE.search(before)
    return Span(match.start() - len(weekday[0]) if weekday else match.start(), match.end(), Entity.DATE_TIME, score)


def _packed_score(text: str, match: re.Match[str], before: str) -> int:
    """`20240314` is a date after a word that says so and in the name of a file."""
    if _COMPACT_CONTEXT.search(before):
        return 850
    in_name = before[-1:] in _FILE_NAME or text[match.end() : match.end() + 1] == "_"
    is_year_first = match[0][:2] in {"19", "20"} and len(match[0]) >= 8
    return 850 if in_name and is_year_first else 0


def _part_score(document: Document, match: re.Match[str], *, is_range: bool) -> int:
    """`3/14` by its neighbours: 0 for a fraction, a score or a strength."""
    text, start = document.flat, match.start()
    if _NOT_AFTER.match(text, match.end()):
        return 0
    said = (
        is_range
        or (start < 8 and not text[:start].strip())
        or text[max(0, start - 5) : start].lower().rstrip(" :").endswith(_MARKED_BEFORE)
    )
    words, index = document.words, document.word_before(start)
    if index >= 0 and start - words[index].end <= _WIDEST_GAP:
        said = said or words[index].lower in _BEFORE or words[index].lower.endswith(("ed", "day"))
        while index >= 0 and words[index].lower in _NOT_FILLERS:
            index -= 1
        if index >= 0 and words[index].lower in _NOT_BEFORE and start - words[index].end <= _FARTHEST:
            return 0
    if not said and _SOFT_NOT_AFTER.match(text, match.end()):
        return 0
    if not is_range and _is_whole(match[0]) and index < 0:
        return 0
    return 800 if said and _is_american(match[0]) else LIKELY


def _is_whole(text: str) -> bool:
    """`10/10`, which scores more often than it dates."""
    left, _, right = text.partition("/")
    return left == right


def _is_american(text: str) -> bool:
    return int(text.split("/", maxsplit=1)[0]) <= 12


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
    day = _DAY_BEFORE.search(before)
    after = (_YEAR_AFTER if day else _AFTER_MONTH).match(text, end)
    if not day and (year := _YEAR_BEFORE.search(before)) and after:
        day = year
    if day and day[0].rstrip()[-1:] in {",", "/", "&"}:
        after = _AFTER_MONTH.match(text, end) or after
    if not day and after and _OF_DOCUMENTS.match(text, after.end()):
        return
    if not day and (after is None or (_is_verb(name, before) and not _YEAR_END.search(after[0]))):
        return
    first = start - len(day[0]) if day else start
    if weekday := _WEEKDAY_BEFORE.search(text, max(0, first - 20), first):
        first = weekday.start()
    elif day and text[max(0, first - 4) : first].lower() == "the ":
        first -= 4
    yield Span(first, after.end() if after else end, Entity.DATE_TIME, 900)


def _is_verb(name: str, before: str) -> bool:
    """`may 5` in lower case is a date only where a preposition stands before it."""
    return name in {"may", "march", "mar"} and not _DATED.search(before)

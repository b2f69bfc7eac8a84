"""Dates of figures alone: full ones by their form, `3/14` by the words beside it, `20240314` where a word says date."""

import re

from gateway.phi.detector import LIKELY, Span
from gateway.phi.findings import Entity
from gateway.phi.rules.document import Document
from gateway.phi.rules.vocabulary import word_set

DAY = r"(?:3[01]|[12]\d|0?[1-9])"
_MONTH = r"(?:1[0-2]|0?[1-9])"
YEAR = r"(?:19|20)\d{2}"
_ANY_YEAR = rf"(?:{YEAR}|\d{{2}})"
_TIME = r"(?:[Tt ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:\s?(?:Z|UTC|GMT|z)|[+-]\d{2}:?\d{2})?)?"
_FREE = rf"(?<!\d[./])(?:(?<!\d-)|(?<={YEAR}-))(?<![vV])"
_YEAR_FIRST = (
    rf"{YEAR}(?P<iso>\s?[-/._]\s?| ){_MONTH}(?P=iso){DAY}(?!\d|[-/]\d){_TIME}"
    rf"|{YEAR}-(?:0[1-9]|1[0-2])-?T?\d{{2}}T\d{{2}}:?\d{{2}}"
)
_YEAR_LAST = (
    rf"{_MONTH}(?P<us>\s?[-/]\s?|[._])(?:{DAY}|[xX_?*]{{2}})(?P=us)(?:{YEAR}(?![\d/])|\d{{2}}(?![\d/]|[-.]\d))"
    rf"|{DAY}(?P<eu>\s?[-/]\s?|[._]){_MONTH}(?P=eu)(?:{YEAR}(?![\d/])|\d{{2}}(?![\d/]|[-.]\d))"
    rf"|{_MONTH}[-/]{YEAR}(?![\d/])|{DAY}(?P<roman>[-/. ])(?:I{{1,3}}|IV|VI{{0,3}}|IX|XI{{0,2}})(?P=roman){YEAR}(?!\d)"
)
_PART = rf"(?:{_MONTH}/{DAY}|(?:1[12]|0?[1-9])/(?:8[1-9]|9\d)|(?:1[3-9]|2\d|3[01])/{_MONTH})(?!\d|%|/\d)"
"""Month and day, month and a year of the last century, or day and month."""

_RANGE = (
    rf"{_MONTH}/{DAY}(?:/{_ANY_YEAR})?(?:\s?-\s?|\s(?i:to|thru|through|until|till|and|-)\s){_MONTH}/{DAY}"
    rf"(?:/{_ANY_YEAR})?(?![\d/%])|{_MONTH}/{DAY}\s?-\s?{DAY}/{_ANY_YEAR}(?![\d/%])|{_MONTH}/{DAY}-{DAY}(?![\d/%-])"
)
_PACKED = (
    rf"{YEAR}(?:1[0-2]|0[1-9])(?:3[01]|[12]\d|0[1-9])(?:[T_-]?\d{{4,6}}(?:\.\d{{1,6}})?(?:[+-]\d{{4}}|Z)?)?(?![\d])"
    rf"|(?:1[0-2]|0[1-9])(?:3[01]|[12]\d|0[1-9])(?:{YEAR}|\d{{2}})(?!\d)|(?:3[01]|[12]\d|0[1-9])(?:1[0-2]|0[1-9]){YEAR}(?!\d)"
)
_DASHED = rf"{_MONTH}[-.]{DAY}(?![\w%]|[-./]\d)"
_ISO_MONTH = rf"{YEAR}-(?:0[1-9]|1[0-2])(?![\w-])"
YEAR_FIRST_SHAPES = rf"(?P<date>{_FREE}(?:{_YEAR_FIRST}))|(?P<month>(?<![\w./-]){_ISO_MONTH})"
SLASHED_SHAPES = (
    rf"(?P<date>{_FREE}(?:{_YEAR_LAST}))|(?P<range>(?<![\w./-])(?:{_RANGE}))|(?P<part>(?<![\w./-])(?:{_PART}))"
)
DASHED_SHAPES = rf"(?P<date>{_FREE}(?:{_YEAR_LAST}))|(?P<dashed>(?<![\w./$-]){_DASHED})"
SPACED_SHAPES = (
    rf"(?P<spaced>(?<![\d.] )(?<![\w./-]){_MONTH}(?P<gap>\s){DAY}(?P=gap)(?:{YEAR}|\d{{2}})(?![\w/]|[ .]\d))"
)
PACKED_SHAPES = rf"(?P<packed>(?<![\d.-])(?:{_PACKED}))"
"""What `date_at` judges, as named groups, by how a run of digits begins."""

_WEEKDAYS = word_set(
    "mon monday tue tues tuesday wed wednesday thu thur thurs thursday fri friday sat saturday sun sunday"
)
_COMPACT_CONTEXT = re.compile(
    r"(?:dob|d\.o\.b\.?|birth\w*|date|dt|born|admit\w*|visit|time|bd|bday|b\.d\.)\W{0,12}(?:\w+\W{1,3}){0,2}\Z",
    re.IGNORECASE,
)
_FILE_NAME = frozenset("_-.")
_NOT_BEFORE = word_set(
    "strength power pain score scale apgar apgars reflex reflexes pulse pulses motor grade murmur gcs class vision "
    "acuity ratio quadrant quadrants about approximately took take give gave taking add mix day bp pressure orient "
    "oriented orientation x rated rates rate level mmse moca phq gad ef od os ou dtr dtrs mrc va node nodes step "
    "page part version fraction dose severity stage intensity sedation rass borg perrla perrl least only than "
    "sats nyha mallampati scored scores iv/vi ao aox grip chapter figure question item items row strengths vas nprs "
    "equals equal times sensation pod"
)
_PREPOSITIONS = word_set("since until till through thru before after")
_POSSESSIVES = word_set("her his their my")
_LATER_BEFORE = re.compile(r"\b(?:sooner|later|earlier)\sthan\s{1,2}\Z", re.IGNORECASE)
_NOT_FILLERS = word_set("is was of at a score out now currently the all s")
_NOT_AFTER = re.compile(
    r"\s*(?:strength|power|tab|tabs|cup|tsp|tbsp|teaspoon|tablespoon|dose|pill|liter|pack|ppd|normal|pain|systolic|"
    r"holosystolic|murmur|bilateral|bilaterally|throughout|reflex|pulses|motor|mg|ml|mm|mcg|cm|inch|hours?|days?|weeks?|"
    r"months?|years?|and\s+\d+/\d+|positive|nodes|criteria|points|screws?|visits|sessions|hrs?|min|minutes?|x|dilut\w+|"
    r"correct|items?|abx|antibiotics|on\s+(?:the\s+)?(?:pain|scale|vas|right|left)|quadrants|lobes|tests?|cases|patients|people|"
    r"split|of\s+the|severity|lesions|units?|grade|gauge|fr|intensity|ns|saline|strokes?|biopsies|cores|samples|cultures)\b"
    r"|\s*[\"\u00d7=]",
    re.IGNORECASE,
)
_TIME_AFTER = re.compile(r"\s{1,2}(?:@\s?)?(?:(?:[01]\d|2[0-3]):?[0-5]\d(?!\d|[.:-]\d|\s?m[lg])|\d{1,2}:\d{2}\b)")
_SOFT_NOT_AFTER = re.compile(r"\s*(?:in|of)\b", re.IGNORECASE)
_BEFORE = word_set(
    "on from until till through thru since by before after date dated seen drawn due appt appointment appointments "
    "visit dob born follow-up followup fu last next lab labs exam surgery for to given dos doa dod lmp edd edc "
    "between and ed dc imaging ct mri xray cxr us egd culture cultures noted at starting plan effective exp refill "
    "rtc done performed begin began of week this night morning evening overnight yesterday today tomorrow note "
    "update progress echo ekg ecg colonoscopy biopsy cbc bmp cmp adm admit onset re mon tue tues wed thu thur thurs "
    "fri sat sun as discharge or pcp clinic scan pet us tte eeg emg procedure vaccine shot booster dx consult chemo "
    "cycle lap post pre pod hd icu er op proc approx around circa early late"
)
_MARKED_BEFORE = ("f/u", "d/c", "d/t", "s/p", "h/o", "#", "(")
_MARKED = re.compile(r"(?:f/u|d/c|s/p|adm)[ :.]{1,2}\Z", re.IGNORECASE)
_RANGED = word_set("for to at and of between cycle week around approx about proc dx pm am through or within in due egd")
_DONE_ONCE = word_set(
    "recheck rechecked removal removed duplex ultrasound screened reviewed stamped signed faxed called paged mailed "
    "filed reported resulted received sent read placed started stopped notes from until window returned"
)
_WIDEST_GAP = 4
_FARTHEST = 24
_MOST_VISITS = 12
_DASH_BEFORE = re.compile(
    r"\b(?:on|until|since|dated?|dob|appt|due|seen|admitted|scheduled|discharged|drawn|visit|born)\W{1,2}\Z",
    re.IGNORECASE,
)


def date_at(document: Document, match: re.Match[str]) -> Span | None:
    """Judges a match of the shapes above: None for a fraction, a score or a strength."""
    kind = match.lastgroup
    score = 950
    if kind == "packed":
        score = _packed_score(document.flat, match)
    elif kind == "spaced":
        score = 850 if _COMPACT_CONTEXT.search(document.flat, max(0, match.start() - 28), match.start()) else 0
    elif kind == "month":
        score = LIKELY
    elif kind == "dashed":
        score = _dashed_score(document, match)
    elif kind in {"part", "range"}:
        score = _part_score(document, match, is_range=kind == "range")
    if not score:
        return None
    return Span(with_weekday(document.flat, match.start()), match.end(), Entity.DATE_TIME, score)


def _dashed_score(document: Document, match: re.Match[str]) -> int:
    """`12-20` after a word of time or of what is done once; a range and a decimal number have other words there."""
    text, start = document.flat, match.start()
    if _DASH_BEFORE.search(text, max(0, start - 28), start):
        return LIKELY
    index = document.word_before(start)
    if "-" not in match[0] or index < 0 or start - (word := document.words[index]).end > _WIDEST_GAP:
        return 0
    is_padded = "0" in {match[0][0], match[0][-2]}
    if _NOT_AFTER.match(text, match.end()) or (word.lower in _RANGED and not is_padded) or word.lower in _NOT_BEFORE:
        return 0
    dated = (
        is_padded or word.lower in _BEFORE or word.lower in _DONE_ONCE or _MARKED.search(text, max(0, start - 5), start)
    )
    return LIKELY if dated else 0


def with_weekday(text: str, start: int) -> int:
    """Where a date at `start` begins together with the day of the week before it."""
    before = text[max(0, start - 20) : start]
    bare = before.rstrip(" ,.")
    word = bare.rpartition(" ")[2].lstrip("(")
    if word.lower() not in _WEEKDAYS or len(before) - len(bare) > 4:
        return start
    return start - len(before) + len(bare) - len(word)


def _packed_score(text: str, match: re.Match[str]) -> int:
    """`20240314` is a date after a word that says so and in the name of a file."""
    before = text[max(0, match.start() - 28) : match.start()]
    if "T" in match[0] or _COMPACT_CONTEXT.search(before):
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
        or _TIME_AFTER.match(text, match.end()) is not None
        or (start < 8 and not text[:start].strip())
        or text[max(0, start - 5) : start].lower().rstrip(" :").endswith(_MARKED_BEFORE)
    )
    words, index = document.words, document.word_before(start)
    if index >= 0 and start - words[index].end <= _WIDEST_GAP:
        told = words[index].lower in _BEFORE or words[index].lower.endswith(("ed", "day"))
        said = said or (told and not (words[index].lower == "visit" and _is_count(match[0])))
        if words[index].lower in _PREPOSITIONS or _LATER_BEFORE.search(text, max(0, start - 16), start):
            return 800 if _is_american(match[0]) else LIKELY
        said = said or words[index].lower in _POSSESSIVES
        while index >= 0 and words[index].lower in _NOT_FILLERS:
            index -= 1
        is_count = index >= 0 and words[index].lower == "x" and text[words[index].end : words[index].end + 1].isdigit()
        if index >= 0 and not is_count and words[index].lower in _NOT_BEFORE and start - words[index].end <= _FARTHEST:
            return 0
    if not said and _SOFT_NOT_AFTER.match(text, match.end()):
        return 0
    if not is_range and _is_whole(match[0]) and index < 0:
        return 0
    said = said or match[0].startswith("0")
    return 800 if said and _is_american(match[0]) else LIKELY


def _is_whole(text: str) -> bool:
    """`10/10`, which scores more often than it dates."""
    left, _, right = text.partition("/")
    return left == right


def _is_count(text: str) -> bool:
    """`visit 6/12`, which may be the sixth of twelve."""
    left, _, right = text.partition("/")
    return right.isdigit() and int(left) <= int(right) <= _MOST_VISITS


def _is_american(text: str) -> bool:
    return int(text.split("/", maxsplit=1)[0]) <= 12

"""Ages over 89, in figures and in words. Younger ages are no identifiers."""

import re
from collections.abc import Iterator

from gateway.phi.detector import LIKELY, Span
from gateway.phi.findings import Entity
from gateway.phi.rules.document import Document
from gateway.phi.rules.vocabulary import word_set

_OLD = re.compile(r"(?:9\d(?<![\w.$/-]..)|1[0-4]\d(?<![\w.$/-]...))(?!\d|[.,/:-]\d|%)")
_AGE_AFTER = re.compile(
    r"(?:\+?[\s-]{0,2}(?:years?|yrs?|yr)\b(?:[\s-]{1,2}(?:old|young|of[\s-]age))?|"
    r"\+?[\s-]{0,2}y[./-]?\s?o\.?[mfMF]?\b|[\s-]{0,2}y[mMfF]?\b"
    r"|[\s-]?y/o|\s?(?:yom|yof|yowm|yowf|yobm|yobf)\b|(?:th|st|nd|rd)\s+(?:birthday|b-?day)|\s?-?year-?old)",
    re.IGNORECASE,
)
_SEX_AFTER = re.compile(
    r"\s?[MF](?![A-Za-z.'])|[mf](?![A-Za-z.'])|\s?/\s?[MFmf]\b|\s(?:male|female|man|woman|lady|gentleman)\b"
)
_AGE_BEFORE = re.compile(
    r"(?:\bage[ds]?\"?\s?(?:is|was|of|at\s\w+|in\syears|\(y(?:ea)?rs?\)|/sex|"
    r"/gender)?\s?[:=,|(\"'-]{0,3}\s?(?:about\s|approximately\s|~\s?)?"
    r"|\b(?:turn(?:ed|s|ing)?|turn)\s(?:just\s)?|\b(?:died|dies|death|passed\saway|passed|lived|living|live|"
    r"survived)\s(?:\w+\s)?(?:at|to\sbe|to|until|past|beyond)\s(?:the\sage\sof\s|age\s)?"
    r"|\b(?:he|she|who|mother|father|patient|pt|now|dad|mom|grandmother|grandfather)(?:'s|\sis|\swas|"
    r"\swill\sbe)\s(?:now\s|already\s|almost\s|nearly\s)?"
    r"|\b(?:mother|father|mom|dad|husband|wife|sister|brother|aunt|uncle|grandmother|grandfather|mgm|mgf|pgm|pgf|"
    r"spouse|partner)(?:\s|,\s)"
    r"(?:\(|,\s)?(?:deceased|died|dec\.?|d\.|alive|living)?,?\s?(?:at\s|age\s)?"
    r"|\b(?:sex|gender)/age\s?[:=]?\s?[MFmf]?\s?/?\s?)\Z",
    re.IGNORECASE,
)
_NAMED_BEFORE = re.compile(r"(?i:\bm(?:rs?|s)\.?\s[a-z'-]+,\s)\Z|[A-Z][A-Za-z'-]+,\s\Z|[A-Z][A-Za-z'-]+\s\(\Z")
_IS_BEFORE = re.compile(r"[a-z]{3,}\s(?:is|was)\s\Z", re.IGNORECASE)
_CLOSING = frozenset([",", ".", ";", ")", ":", ""])
_SPACES = re.compile(r"\s{2,}")
_IS_ALL = re.compile(r"\s?(?:[.,;)]|and\b|who\b|but\b|now\b|\Z)", re.IGNORECASE)
_LEADS = word_set(
    "age aged ages is was of at years sex gender about approximately turn turned turns turning just to be past "
    "beyond until now already "
    "almost nearly deceased died dec d alive living mother father mom dad husband wife sister brother aunt uncle "
    "grandmother "
    "grandfather mgm mgf pgm pgf spouse partner away he she who patient pt be he's she's who's patient's m f yrs in a"
)
_APPOSED = re.compile(r"\s?[,)]")
_UNIT = re.compile(
    r"\s*-?\s*(?:%|mg|ml|mcg|kg|lbs?\b|pounds|days?|weeks|months|minutes|hours|bpm|mm|cm|degrees|meters|percent|"
    r"beats|on\s(?:ra|room)|/|\u00b0|"
    r"points|calories|units|patients|people|cases|miles)",
    re.IGNORECASE,
)
_DURATION = re.compile(
    r"-year\b(?!s?[\s-]{1,2}(?:old|young|of))|[\s-]{0,2}(?:years?|yrs?|y)\s+(?:ago|of\s+(?:experience|service|data|follow|history)|history|survival|later|"
    r"warranty|period|lease|from|"
    r"old\s+(?:building|house|study|hospital)|after|before|follow|anniversary)",
    re.IGNORECASE,
)
_THERMAL = re.compile(
    r"(?:\bt|\btemp\w*|\btmax|\btm|\bfever\w*|\bfebrile|\bafebrile|\bt-?max|\boral\w*|\btympanic|\brectal|\baxillary|"
    r"\bvs|\bvitals?|\u00b0|\bhr|\bbp)"
    r"\W{0,3}(?:\w{1,8}\W{1,2}){0,3}\Z",
    re.IGNORECASE,
)
_NUMBER_WORD = (
    r"(?:ninety(?:[\s-]{1,2}(?:one|two|three|four|five|six|seven|eight|nine))?"
    r"|(?:(?:one|a)[\s-]{1,2})?hundred(?:[\s-]{1,2}(?:and[\s-]{1,2})?(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|"
    r"twelve|thirteen))?)"
)
_SPELLED = re.compile(
    rf"\b({_NUMBER_WORD})[\s-]{{1,2}}(?:years?|yrs?|y/?o)[\s-]{{0,2}}(?:old|young|of[\s-]age)?\b"
    rf"|\b(?:age[ds]?(?:\s+of)?|turn(?:ed|s|ing)|(?:died|lived)\s(?:at|to)|he\sis|"
    rf"she\sis)\s+({_NUMBER_WORD})\b(?!\s+(?:percent|days|minutes|dollars|degrees))"
    r"|\b((?:ninet(?:ieth|y[\s-](?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth))|"
    r"hundredth))\s+birthday\b"
    rf"|(?-i:[A-Z][a-z'-]+\s?\(|\b[A-Z][a-z'-]+,\s)({_NUMBER_WORD})(?=[),])|\bwill\sbe\s({_NUMBER_WORD})(?=\s(?:on|in|next|this|years)\b|[.,])"
    r"|\bin\s(?:his|her|their|the|my|early|mid|late|[\s-]){1,6}(nineties|90'?s|90s|hundreds)\b"
    r"|\b(nonagenarian|centenarian|supercentenarian)s?\b",
    re.IGNORECASE,
)


def find_ages(document: Document) -> Iterator[Span]:
    text = document.flat
    if document.has_digit and ("9" in text or "1" in text):
        for match in _OLD.finditer(text):
            if score := _score(document, match):
                yield Span(match.start(), match.end(), Entity.AGE_OVER_89, score)
    if any(word in document.lower for word in ("ninet", "hundred", "enarian", "90s", "90's")):
        for match in _SPELLED.finditer(text):
            group = match.lastindex or 0
            yield Span(match.start(group), match.end(group), Entity.AGE_OVER_89, 850)


def _score(document: Document, match: re.Match[str]) -> int:
    """How surely a number is an age; 0 for a temperature, a rate or a duration."""
    text, end = document.flat, match.end()
    before = _SPACES.sub(" ", text[max(0, match.start() - 32) : match.start()])
    if text[end : end + 1] not in _CLOSING:
        if _DURATION.match(text, end):
            return 0
        if _AGE_AFTER.match(text, end):
            return 850
        if _SEX_AFTER.match(text, end):
            return 0 if _THERMAL.search(before) else 850
        if _UNIT.match(text, end):
            return 0
    index = document.word_before(match.start())
    if index < 0:
        return 0
    if document.words[index].lower not in _LEADS:
        return LIKELY if _NAMED_BEFORE.search(before) and _APPOSED.match(text, end) else 0
    if _AGE_BEFORE.search(before):
        return 850
    if _IS_BEFORE.search(before) and _IS_ALL.match(text, end):
        return LIKELY
    return LIKELY if _NAMED_BEFORE.search(before) and _APPOSED.match(text, end) else 0

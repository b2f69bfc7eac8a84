"""What looks like an identifier and is none: doses, codes of code books, gene variants, versions, years."""

import re

from gateway.phi.rules.document import Document
from gateway.phi.rules.vocabulary import word_set

_UNITS = (
    r"mg|mcg|ml|kg|g|l|dl|cm|mm|mmhg|bpm|lbs?|oz|hrs?|h|mins?|s|ms|kb|mb|gb|px|u|iu|meq|yo|yom|yof|y|yr|yrs|years?|f|"
    r"c|x|am|pm|"
    r"k|m|fr|ga|w|d|days?|weeks?|hours?|months?|units?|cc|j|hz|khz|gy|cgy|wk|wks|mo|mos"
)
_BY_FIGURE = re.compile(
    rf"(?:\d{{1,3}}(?:\.\d+)?-)?\d{{1,4}}(?:\.\d+)?-?(?:{_UNITS})|\d{{1,4}}[a-z]{{1,3}}/\w+|\d(?:\.\d{{1,6}}){{4,}}"
    r"|\d+(?:st|nd|rd|th)|\d{1,3}/\d{1,3}|(?:19|20)\d{2}s?(?:[-/](?:19|20)\d{2})?|10\.\d{4,}/.*|0x[0-9a-f]+"
    r"|\d{1,2}-\d{1,2}-\d{1,2}-\d{1,2}"
)
_BY_LETTER = re.compile(
    r"[a-tv-z]\d[0-9a-z]\.[0-9a-z]{1,4}|[tnm]\d[a-z]?(?:[tnm]\d[a-z]?)*|[a-z]\d{1,2}(?:[-/][a-z]?\d{1,2})?|covid-?19|"
    r"sars-cov-2"
    r"|h[a-z]?1c|q\d{1,2}h|nct\d{8}|pmc?\d{5,8}|cve-\d{4}-\d+|rfc\d+|iso-?\d+|sha-?\d+|utf-?\d+|base64|md5|x86_64|"
    r"int\d+|float\d+"
    r"|[cpgn]\.[a-z_]*\d.*|cyp\d\w+|her2|brca[12]|il-\d+|cd\d+|p53|egfr|hla-.*|phq-?\d|gad-?\d|icd-?\d+|sf-?\d+|dsm-?\d"
    r"|v\d{1,3}(?:\.\d{1,4}){1,3}"
)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_UUID_LENGTH = 36
_VERSION = re.compile(
    r"(?!\d{3}\.\d{3}\.\d{3}\Z)v?\d{1,3}(?:\.\d{1,4}){1,3}(?:-(?:rc|alpha|beta|dev|pre|post|snapshot)[.-]?\d{0,4})?"
    r"|(?:19|20)\d{2}[-/]\d{2}|(?P<loinc>\d{3,5}-\d)",
    re.IGNORECASE,
)
_CLOCK_RANGE = re.compile(r"(?:[01]\d|2[0-4])[0-5]\d-(?:[01]\d|2[0-4])[0-5]\d")
_UNIT_AFTER = re.compile(
    r"\s?(?:mg|mcg|ml|kg|g\b|lbs?\b|cm|mm|units?|iu|meq|%|rows?|ms\b|bytes?|tokens?|words?|cells?|copies|dollars?|usd|steps|"
    r"ppm|/|k/|"
    r"x10|x\s?10|cfu|ng|pg|lines|records|patients|people|adults|women|men|children|infants|veterans|nurses|hospitals|admissions|runners|"
    r"cases|participants|deaths|years?\b|degrees|calories|kcal|"
    r"seconds|minutes|"
    r"hours|days|characters|chars|requests|users|items|files|samples|reads|points|\+\s|\*)",
    re.IGNORECASE,
)
_BOOKS = word_set(
    "icd cpt hcpcs drg ndc loinc snomed rxcui rxnorm doi pmid pmcid isbn issn rfc error http port cve atc cas omim "
    "mesh arxiv ct "
    "sct cvx hpo status exit usd eur total cost paid nct clinicaltrials line timeout seed epoch pid usr sctid codes "
    "code"
)
_MONEY = frozenset("$\u20ac\u00a3\u00a5")
_CLOSING = frozenset([",", ".", ";", ")", "|", '"', "'", ":", "]", ""])
_SENTENCE_END = frozenset(";|\n")
_REACH = 12


def is_code(token: str) -> bool:
    """Whether a token of letters and figures is a dose, a code, a variant or the like by its form, label or not."""
    if token[:5].isdigit():
        return False
    if token.startswith("rs") and token[2:].isdigit():
        return True
    return (_BY_FIGURE if token[0].isdigit() else _BY_LETTER).fullmatch(token.lower()) is not None


def is_version(token: str) -> bool:
    """A version, a LOINC code, a span of years or of hours, unless a label says otherwise."""
    match = None if token.isalnum() else _VERSION.fullmatch(token) or _CLOCK_RANGE.fullmatch(token)
    return match is not None and (match.lastgroup != "loinc" or _is_checked(token))


def _is_checked(code: str) -> bool:
    """Whether the figure after the dash of a LOINC code is the check digit of those before it."""
    body, _, check = code.partition("-")
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in body[::-2])
    return (doubled + sum(map(int, body[-2::-2])) + int(check)) % 10 == 0


def is_uuid(token: str) -> bool:
    return len(token) == _UUID_LENGTH and _UUID.fullmatch(token.lower()) is not None


def is_measured(text: str, end: int) -> bool:
    """Whether a unit follows the number that ends at `end`."""
    return text[end : end + 1] not in _CLOSING and _UNIT_AFTER.match(text, end) is not None


def is_counted(text: str, end: int, token: str) -> bool:
    """Whether a unit in letters follows a number: `12000 lbs`."""
    return token.isdigit() and text[end : end + 2].strip()[:1].isalpha() and is_measured(text, end)


def is_listed(document: Document, start: int, index: int) -> bool:
    """Money, or a code of a book that the word before names: `CPT code 99213`; `index` is the last word before."""
    text = document.flat
    if not _MONEY.isdisjoint(text[max(0, start - 2) : start]):
        return True
    for near in (index, index - 1):
        if near >= 0 and start - (end := document.words[near].end) <= _REACH and document.words[near].lower in _BOOKS:
            return _SENTENCE_END.isdisjoint(text[end:start])
    return False

"""Identifiers that their own shape gives away. A checksum that fails never clears one: test numbers must go too."""

import ipaddress
import re
from collections.abc import Iterator

from gateway.phi.detector import LIKELY, Span
from gateway.phi.findings import Entity
from gateway.phi.rules.document import Document

_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+'-]{1,64}\s?@\s?[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,6}"
)
_URL = re.compile(r"(?:https?|ftp)://[^\s<>\"'|]+|(?<![\w@.])www\.[^\s<>\"'|]+", re.IGNORECASE)
_BARE_URL = re.compile(
    r"(?<![\w@.-])[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){0,4}\.(?:com|org|net|edu|gov|health|info|us)(?:/[^\s<>\"'|]*)?(?![\w.]\w)",
    re.IGNORECASE,
)
_TRAILING = ".,;:!?)]}>\"'"
_IPV4 = re.compile(r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:])[0-9A-Fa-f:]{3,39}(?![\w:])")
_VERSION_BEFORE = re.compile(r"(?:version|ver\.?|v|==|release|build)\s*\Z", re.IGNORECASE)
_MAC = re.compile(r"(?<![\w:-])(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}(?![\w:-])")
_SSN = re.compile(r"(?<!\d)(?<!\d[-.])\d{3}(?:[-. ]|\s-\s)\d{2}(?:[-. ]|\s-\s)\d{4}(?!\d|[-.]\d)")
_MASKED_SSN = re.compile(r"(?<![\w*])[xX*#]{3}[- ]?[xX*#]{2}[- ]?(\d{4})(?!\d)")
_SSN_LABEL = re.compile(
    r"\b(?:ssn|ss\s?#|soc(?:ial)?\s*sec(?:urity)?)(?:\s*(?:number|no\.?|num|#))?\W{0,4}"
    r"(?:(?:is|ending|ends|last|four|4|digits|in|with|of|the)\W{1,3}){0,5}(\d{9}|\d{4}|\d{3}\D{1,3}\d{2}\D{1,3}\d{4})(?!\d)",
    re.IGNORECASE,
)
_PHONE = re.compile(
    r"(?<![\w])(?<!\d[-.])(?:\+?1[-. ]{0,2})?(?:\(\d{3}\)[-. ]{0,2}|\d{3}[-. /])\d{3}[-. ]\d{4}"
    r"(?:[,;]?\s*(?:x|ext\.?|extension)\s*\d{1,6})?(?![\d]|-\d)",
    re.IGNORECASE,
)
_WORLD_PHONE = re.compile(r"(?<![\w+])\+\d{1,3}(?:[ .-]?\(?\d{1,5}\)?){2,5}(?!\d)")
_PHONE_LABEL = re.compile(
    r"\b(?:tel(?:ephone)?|phone|ph|cell(?:ular)?|mobile|call(?:\s+(?:me|us|him|her|them|back))*|text|pager|fax|facsimile|"
    r"contact|home|work|reach\w*(?:\s+\w+)?)\b(?:\s*(?:number|no\.?|#|is|at|on|to|back))*\W{0,3}"
    r"(\(?\d{3}\)?[-. ]?\d{3}[-. ]?\d{4}|\d{3}[-. ]\d{4})(?!\d|[-.]\d)",
    re.IGNORECASE,
)
_FAX_BEFORE = re.compile(r"\bfax\w*\W{0,4}(?:(?:results|it|to|them|number|no|is|at)\W{1,3}){0,4}\Z", re.IGNORECASE)
_CARD = re.compile(r"(?<![\d-])(?:\d{4}([- ]?)\d{4}\1\d{4}\1\d{4}|3[47]\d{2}([- ]?)\d{6}\2\d{5})(?![\d-])")
_VIN = re.compile(r"(?<![A-Za-z0-9])[A-HJ-NPR-Za-hj-npr-z0-9]{17}(?![A-Za-z0-9])")
_MBI = re.compile(
    r"(?<![A-Za-z0-9])[1-9][A-Z][A-Z0-9]\d-?[A-Z][A-Z0-9]\d-?[A-Z][A-Z0-9]\d{2}(?![A-Za-z0-9])", re.IGNORECASE
)
_UDI = re.compile(r"\(01\)\d{14}(?:\(\d{2}\)[A-Za-z0-9-]{1,20}){0,6}")
_PLATE = re.compile(
    r"\bplate(?:\s*(?:number|no\.?|\#))?(?:\s+(?:is|was))?\W{0,3}"
    r"((?=[A-Z0-9 -]*\d)[A-Z0-9]{1,4}[- ]?[A-Z0-9]{2,5})(?![A-Z0-9])",
    re.IGNORECASE,
)
_MIN_VIN_DIGITS = 3
_IPV6_COLONS = 2


def find_patterns(document: Document) -> Iterator[Span]:
    text = document.flat
    if "@" in text:
        for match in _EMAIL.finditer(text):
            yield Span(match.start(), match.end(), Entity.EMAIL_ADDRESS, 990)
    if "://" in text or "www." in text.lower():
        for match in _URL.finditer(text):
            yield Span(match.start(), match.start() + len(match[0].rstrip(_TRAILING)), Entity.URL, 950)
    if "." in text:
        for match in _BARE_URL.finditer(text):
            score = 800 if "/" in match[0] else LIKELY
            yield Span(match.start(), match.start() + len(match[0].rstrip(_TRAILING)), Entity.URL, score)
    if ":" in text:
        yield from _colons(text)
    if document.has_digit:
        yield from _numbers(text)


def _colons(text: str) -> Iterator[Span]:
    for match in _MAC.finditer(text):
        yield Span(match.start(), match.end(), Entity.DEVICE_ID, 900)
    for match in _IPV6.finditer(text):
        if match[0].count(":") >= _IPV6_COLONS and _is_ipv6(match[0]):
            yield Span(match.start(), match.end(), Entity.IP_ADDRESS, 900)


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return any(map(str.isdigit, text))


def _numbers(text: str) -> Iterator[Span]:
    lower = text.lower()
    for match in _IPV4.finditer(text):
        if not _VERSION_BEFORE.search(text, max(0, match.start() - 12), match.start()):
            yield Span(match.start(), match.end(), Entity.IP_ADDRESS, 900)
    for match in _SSN.finditer(text):
        yield Span(match.start(), match.end(), Entity.US_SSN, 970)
    for sign, pattern, group, entity in (
        ("s", _SSN_LABEL, 1, Entity.US_SSN),
        ("", _MASKED_SSN, 1, Entity.US_SSN),
        ("", _CARD, 0, Entity.CREDIT_CARD),
        ("", _MBI, 0, Entity.HEALTH_PLAN_ID),
        ("(01)", _UDI, 0, Entity.DEVICE_ID),
        ("plate", _PLATE, 1, Entity.VEHICLE_ID),
    ):
        if sign in lower:
            for match in pattern.finditer(text):
                yield Span(match.start(group), match.end(group), entity, 950)
    for match in _VIN.finditer(text):
        if _MIN_VIN_DIGITS <= sum(map(str.isdigit, match[0])) < len(match[0]):
            yield Span(match.start(), match.end(), Entity.VEHICLE_ID, 900)
    yield from _phones(text)


def _phones(text: str) -> Iterator[Span]:
    for pattern, group in ((_PHONE, 0), (_WORLD_PHONE, 0), (_PHONE_LABEL, 1)):
        for match in pattern.finditer(text):
            start = match.start(group)
            is_fax = match[0][:3].lower() == "fax" or _FAX_BEFORE.search(text, max(0, start - 40), start)
            yield Span(start, match.end(group), Entity.FAX_NUMBER if is_fax else Entity.PHONE_NUMBER, 930)

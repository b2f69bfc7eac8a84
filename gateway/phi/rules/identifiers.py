"""Identifiers that a label before them gives away, and bare ones that count only near other PHI."""

import re
from collections.abc import Iterator

from gateway.phi.detector import LIKELY, Span
from gateway.phi.findings import Entity
from gateway.phi.rules.document import Document

_TOKEN = re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z./_-]{0,14}\d)[A-Za-z0-9]+(?:[-./_:]{1,2}[A-Za-z0-9]+)*")
_NUMBER_WORD = r"(?:\s*(?:numbers?|nos?\b\.?|num\b|nbr|\#|id\b|ids\b|code|identifier))"
_QUALIFIED = (
    (Entity.US_DRIVER_LICENSE, r"driver'?s?['\s]*licen[sc]e|driving\s+licen[sc]e|\bdl"),
    (Entity.VEHICLE_ID, r"licen[sc]e\s+plate|plate|\bvin|vehicle(?:\s+id\w*)?|\btags?"),
    (
        Entity.MEDICAL_RECORD_NUMBER,
        r"\bmrn?|med(?:ical)?\.?\s*rec(?:ord)?s?|\bmr|chart|patient|\bpt|\bhospital|\bunit|record",
    ),
    (
        Entity.HEALTH_PLAN_ID,
        r"member(?:ship)?|subscriber|policy|group|\bgrp|insurance|medicare|medicaid|health\s*plan|plan|beneficiary|"
        r"\bmbi|\bhicn|payer|insured|coverage|certificate\s+holder|benefits?",
    ),
    (
        Entity.ACCOUNT_NUMBER,
        r"account|\bacct|\bacc|\ba/c|invoice|claim|billing|guarantor|\bcard|iban|routing|bank|authori[sz]ation|\bauth|"
        r"confirmation|reference|\bref|transaction|statement|payment|check|\bbill|financial|\bfin|\bhar",
    ),
    (Entity.BIOMETRIC_ID, r"fingerprint|biometric|retina\w*|iris(?:\s+scan)?|voice\s?print|face\s?print|palm\s?print"),
    (
        Entity.DEVICE_ID,
        r"serial|\bs/n|\bsn|\blot|\bbatch|device|\bimei|\budi|pacemaker|implant|model|pump|catheter|monitor|sensor|transmitter",
    ),
    (Entity.MEDICAL_LICENSE, r"\bnpi|\bdea|licen[sc]e|\blic|certificat\w+|\bcert|registration|credential"),
    (
        Entity.OTHER_ID,
        r"accession|\bacc|specimen|sample|encounter|\benc|visit|\bcsn|order|case|study|participant|subject|\brx|"
        r"prescription|\breport|protocol|badge|employee|student|ticket|tracking|passport|tax|\bein|\btin|isolate|"
        r"enrollment|volunteer|randomization|donor|record\s+locator|docket|incident|file|police|court|permit|receipt|"
        r"request|referral|session|user|\bid|identifier|identification|tattoo|study\s+arm|kit|image|film|block|slide|wristband",
    ),
)
_LABELS = tuple(
    (
        entity,
        re.compile(
            rf"(?:{words})s?(?P<number>{_NUMBER_WORD}{{0,2}})\s*(?:\([A-Za-z .#/-]{{1,16}}\))?"
            r"\s*(?P<sign>(?:[:=#\"'>]|\bis\b|\bwas\b|\bending(?:\s+in)?\b|\bof\b|-\s|,\s)?[\s\"'#:>(]*)\Z",
            re.IGNORECASE,
        ),
    )
    for entity, words in _QUALIFIED
)
_ANY_LABEL = re.compile(rf"(?:{'|'.join(words for _, words in _QUALIFIED)})", re.IGNORECASE)
_LOOKBACK = 44
_WEAK_LABELS = re.compile(
    r"(?:patient|pt|hospital|unit|record|group|plan|policy|order|case|study|visit|report|model|check|card|file|block|"
    r"reference|image|film|kit|user|session|request|sample|court|bank|tag|benefit|catheter|pump|monitor|sensor|implant|"
    r"device|slide|statement|payment|tax|code|license|plate|of)s?\W{0,2}\Z",
    re.IGNORECASE,
)
_VETO = re.compile(
    r"(?:[A-TV-Z]\d[0-9A-Z]\.[0-9A-Z]{1,4}|[TNM]\d[a-z]?(?:[TNM]\d[a-z]?)*|v?\d{1,3}(?:\.\d{1,4}){1,3}|[A-Z]\d{1,2}|\d+(?:st|nd|rd|th)"
    r"|\d{1,4}[a-z]{1,3}/\w+|\d+(?:\.\d+)?(?:mg|mcg|ml|kg|g|l|cm|mm|mmhg|bpm|lbs?|oz|hrs?|h|min|mins?|s|ms|kb|mb|gb|px|u|iu|meq|yo|y|yr|yrs|f|c|x|am|pm|k|fr|ga|w|d)"
    r"|\d{1,3}/\d{1,3}|\d{1,2}:\d{2}(?::\d{2})?(?:am|pm)?|covid-?19|h[a-z]?1c|b12|t[34]|q\d{1,2}h|[cltsvi]\d{1,2}(?:-[cltsvi]?\d{1,2})?"
    r"|(?:19|20)\d{2}(?:[-/](?:(?:19|20)?\d{2}))?|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})",
    re.IGNORECASE,
)
_BARE = re.compile(
    r"(?:\d{6,12}|(?=[A-Z0-9-]*\d{3})[A-Z]{1,4}-?\d{4,10}[A-Z]?|\d{2,4}(?:-\d{2,7}){1,3}|\d{4}-[A-Z]{2,3}-\d{3,6})"
)
_UNIT_AFTER = re.compile(
    r"\s{0,1}(?:mg|mcg|ml|kg|g\b|cm|mm|units?|iu|meq|%|rows?|ms\b|bytes?|tokens?|words?|cells?|copies|dollars?|usd|steps|ppm|/)",
    re.IGNORECASE,
)
_MONEY_BEFORE = re.compile(
    r"[$€£]\s?\Z|(?:icd|cpt|hcpcs|drg|ndc|loinc|snomed|rxcui|doi|pmid|isbn|rfc|error|http|port|cve)\S{0,6}(?:\s+\w+)?\W{0,3}\Z",
    re.IGNORECASE,
)
_ID_WEAK_MILLI = 200


def find_identifiers(document: Document) -> Iterator[Span]:
    if not document.has_digit:
        return
    text = document.flat
    for match in _TOKEN.finditer(text):
        token = match[0]
        digits = sum(map(str.isdigit, token))
        before = text[max(0, match.start() - _LOOKBACK) : match.start()]
        if entity := _labelled(before, token, digits):
            yield Span(match.start(), match.end(), entity, 850)
        elif digits >= 4 and len(token) <= 32 and not _cleared(text, match, before):  # noqa: PLR2004
            score = LIKELY if _BARE.fullmatch(token) else _ID_WEAK_MILLI
            yield Span(match.start(), match.end(), Entity.OTHER_ID, score)


def _labelled(before: str, token: str, digits: int) -> Entity | None:
    if digits < 2 or not _ANY_LABEL.search(before):  # noqa: PLR2004
        return None
    for entity, label in _LABELS:
        match = label.search(before)
        if match and _is_value(match, token, digits):
            return entity
    return None


def _is_value(label: re.Match[str], token: str, digits: int) -> bool:
    """Whether a token after a label is its value: longer and stranger the less the label says."""
    explicit = bool(label["number"].strip()) or any(sign in label["sign"] for sign in ":=#\"'")
    if _VETO.fullmatch(token):
        return False
    bare_label = not explicit and bool(_WEAK_LABELS.search(label[0]))
    if bare_label:
        return digits >= 5  # noqa: PLR2004
    return digits >= (2 if explicit else 4) and len(token) >= 4 or (digits >= 3 and not token.isdigit())  # noqa: PLR2004


def _cleared(text: str, match: re.Match[str], before: str) -> bool:
    """What a bare number is when it is no identifier: a dose, a code of a code book, money, a version."""
    return bool(_VETO.fullmatch(match[0]) or _UNIT_AFTER.match(text, match.end()) or _MONEY_BEFORE.search(before))

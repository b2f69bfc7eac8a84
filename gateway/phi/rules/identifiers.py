"""Identifiers that a label before them gives away, and bare ones that count only near other PHI."""

import re
from collections.abc import Iterator

from gateway.phi.detector import LIKELY, Span
from gateway.phi.findings import Entity
from gateway.phi.rules.document import Document
from gateway.phi.rules.vocabulary import word_set

_TOKEN = re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z./_-]{0,14}\d)[A-Za-z0-9]+(?:[-./_:]{1,2}[A-Za-z0-9]+)*")
_LABELS: dict[Entity, str] = {
    Entity.US_DRIVER_LICENSE: "driver license|drivers license|driver's license|driver licence|driving licence|dl",
    Entity.VEHICLE_ID: "license plate|licence plate|plate|vin|vehicle|tag",
    Entity.MEDICAL_RECORD_NUMBER: (
        "mrn|mr|mrno|medical record|medical records|med rec|medrec|chart|patient|pt|hospital|unit|record|emr|ehr"
    ),
    Entity.HEALTH_PLAN_ID: (
        "member|membership|subscriber|policy|group|grp|insurance|medicare|medicaid|plan|beneficiary|mbi|hicn|payer|insured|"
        "coverage|benefit|benefits|health plan|policyholder"
    ),
    Entity.ACCOUNT_NUMBER: (
        "account|acct|a/c|invoice|claim|billing|guarantor|card|iban|routing|bank|authorization|auth|confirmation|reference|"
        "ref|transaction|statement|payment|check|bill|financial|fin|har|prior auth|visa|mastercard|amex|credit card"
    ),
    Entity.BIOMETRIC_ID: (
        "fingerprint|biometric|retina|retinal|iris|iris scan|voiceprint|faceprint|palmprint|palm print"
    ),
    Entity.DEVICE_ID: (
        "serial|s/n|sn|lot|batch|device|imei|udi|pacemaker|implant|model|pump|catheter|monitor|sensor|transmitter|ser"
    ),
    Entity.MEDICAL_LICENSE: "npi|dea|license|licence|lic|certificate|certification|cert|registration|credential",
    Entity.OTHER_ID: (
        "accession|acc|specimen|sample|encounter|enc|visit|csn|order|case|study|participant|subject|rx|prescription|report|"
        "protocol|badge|employee|student|ticket|tracking|passport|tax|ein|tin|isolate|enrollment|volunteer|randomization|"
        "donor|locator|docket|incident|file|police|court|permit|receipt|request|referral|session|user|id|identifier|"
        "identification|kit|image|film|block|slide|wristband|visa|itin"
    ),
}
"""What stands before an identifier, one or two words. The first listed kind wins."""

_KIND_OF_LABEL = {label: entity for entity, labels in reversed(_LABELS.items()) for label in labels.split("|")}
_SAYS_NUMBER = word_set("number numbers no num nbr id ids # code identifier nos")
_LINKS = frozenset([":", "=", '"', "'", ">", "(", "is", "was", "ending", "in", "of", "-", ",", "are", "[", "issued"])
_EXPLICIT = frozenset([":", "=", "#", '"', "'", ">"])
_WEAK_LABELS = word_set(
    "patient pt hospital unit record group plan policy order case study visit report model check card file block "
    "reference image film kit user session request sample court bank tag benefit catheter pump monitor sensor implant "
    "device slide statement payment tax license plate"
)
"""Labels that a number follows in other senses too: only a long or an announced one is their value."""

_LOOKBACK = 44
_BEFORE = re.compile(r"[A-Za-z][A-Za-z/']*|[^\sA-Za-z]")
_VETO = re.compile(
    r"(?:[A-TV-Z]\d[0-9A-Z]\.[0-9A-Z]{1,4}|[TNM]\d[a-z]?(?:[TNM]\d[a-z]?)*|v?\d{1,3}(?:\.\d{1,4}){1,3}|[A-Z]\d{1,2}|\d+(?:st|nd|rd|th)"
    r"|\d{1,4}[a-z]{1,3}/\w+|\d{1,4}(?:\.\d+)?(?:mg|mcg|ml|kg|g|l|cm|mm|mmhg|bpm|lbs?|oz|hrs?|h|min|mins?|s|ms|kb|mb|gb|px|u|iu|meq|yo|y|yr|yrs|f|c|x|am|pm|k|fr|ga|w|d)"
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
        if digits < 2 or _VETO.fullmatch(token):
            continue
        before = text[max(0, match.start() - _LOOKBACK) : match.start()]
        if entity := _labelled(before, token, digits):
            yield Span(match.start(), match.end(), entity, 850)
        elif digits >= 4 and len(token) <= 32 and not _cleared(text, match, before):
            score = LIKELY if _BARE.fullmatch(token) else _ID_WEAK_MILLI
            yield Span(match.start(), match.end(), Entity.OTHER_ID, score)


def _labelled(before: str, token: str, digits: int) -> Entity | None:
    """What the label just before a token says it is: `Medical Record Number: `, `claim no. `, `(ID `."""
    words = _BEFORE.findall(before.lower())
    if words[-1:] == [","] and words[-2:-1] and words[-2] in _WEAK_LABELS:
        return None
    explicit = numbered = False
    while words and (words[-1] in _LINKS or words[-1] in _SAYS_NUMBER or (words[-1] == "." and _is_abbreviated(words))):
        word = words.pop()
        explicit = explicit or word in _EXPLICIT
        numbered = numbered or word in _SAYS_NUMBER
    label, entity = _label(words)
    if entity is None:
        return Entity.OTHER_ID if numbered and _is_value("id", token, digits, explicit=explicit) else None
    return entity if _is_value(label, token, digits, explicit=explicit or numbered) else None


def _is_abbreviated(words: list[str]) -> bool:
    """Whether the dot at the end belongs to `no.`"""
    return len(words) > 1 and words[-2] in _SAYS_NUMBER


def _label(words: list[str]) -> tuple[str, Entity | None]:
    if words and words[-1] == ".":
        words = words[:-1]
    if not words:
        return "", None
    pair = " ".join(words[-2:])
    if pair in _KIND_OF_LABEL:
        return pair, _KIND_OF_LABEL[pair]
    word = words[-1].removesuffix("s")
    return word, _KIND_OF_LABEL.get(words[-1], _KIND_OF_LABEL.get(word))


def _is_value(label: str, token: str, digits: int, *, explicit: bool) -> bool:
    """Whether a token after a label is its value: longer and stranger the less the label says."""
    if not explicit and label in _WEAK_LABELS:
        return digits >= 5
    if token.isdigit():
        return digits >= 4
    return digits >= (2 if explicit else 3) and len(token) >= 4


def _cleared(text: str, match: re.Match[str], before: str) -> bool:
    """What a bare number is when it is no identifier: a dose, a code of a code book, money, a version."""
    return bool(_VETO.fullmatch(match[0]) or _UNIT_AFTER.match(text, match.end()) or _MONEY_BEFORE.search(before))

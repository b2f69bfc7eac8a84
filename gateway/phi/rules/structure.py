"""Data formats whose keys, columns or fields say what a value is: JSON, assignments, SQL, CSV, HL7 v2."""

import re
from collections.abc import Iterator

from gateway.phi.detector import Span
from gateway.phi.findings import Entity
from gateway.phi.rules.document import Document
from gateway.phi.rules.vocabulary import word_set

_ASSIGNED = re.compile(
    r"[\"']?\b([A-Za-z][A-Za-z_ -]{1,31}?)[\"']?\s{0,3}(?::|=>?|\bLIKE\b)\s{0,3}(?:\[\s{0,3})?"
    r"([\"'])((?:(?!\2)[^\n\\]|\\.){1,120})\2",
    re.IGNORECASE,
)
_NUMBER_ASSIGNED = re.compile(r"[\"']([A-Za-z][A-Za-z_ -]{1,31})[\"']\s{0,3}:\s{0,3}(\d{4,17})\b")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SPLIT = re.compile(r"[\s_-]+")
_KEYS: dict[str, Entity] = {
    **dict.fromkeys(
        (
            "name",
            "fullname",
            "firstname",
            "lastname",
            "middlename",
            "surname",
            "given",
            "family",
            "patient",
            "provider",
            "physician",
            "doctor",
            "attending",
            "nurse",
            "mother",
            "father",
            "spouse",
            "guardian",
            "contact",
            "clinician",
            "maiden",
            "nickname",
            "alias",
            "first",
            "last",
            "middle",
            "signer",
            "author",
            "recipient",
            "insured",
            "subscriber",
        ),
        Entity.PERSON,
    ),
    **dict.fromkeys(
        ("dob", "birthdate", "birthday", "date", "admitted", "discharged", "deceased", "born"), Entity.DATE_TIME
    ),
    **dict.fromkeys(("mrn", "chart", "medicalrecord", "patientid"), Entity.MEDICAL_RECORD_NUMBER),
    **dict.fromkeys(("ssn", "socialsecurity", "socialsecuritynumber"), Entity.US_SSN),
    **dict.fromkeys(("phone", "telephone", "mobile", "cell", "tel", "phonenumber"), Entity.PHONE_NUMBER),
    "fax": Entity.FAX_NUMBER,
    "email": Entity.EMAIL_ADDRESS,
    **dict.fromkeys(("address", "addr", "street", "line", "city", "town", "county", "streetaddress"), Entity.LOCATION),
    **dict.fromkeys(("zip", "zipcode", "postal", "postalcode", "postcode"), Entity.US_ZIP),
    **dict.fromkeys(
        ("memberid", "subscriberid", "policy", "policynumber", "groupnumber", "insuranceid"), Entity.HEALTH_PLAN_ID
    ),
    **dict.fromkeys(("account", "accountnumber", "acct", "claim", "claimnumber", "invoice"), Entity.ACCOUNT_NUMBER),
    **dict.fromkeys(("facility", "hospital", "clinic"), Entity.FACILITY),
    "employer": Entity.EMPLOYER,
    **dict.fromkeys(("serial", "serialnumber", "deviceid"), Entity.DEVICE_ID),
    **dict.fromkeys(("license", "npi", "dea"), Entity.MEDICAL_LICENSE),
    **dict.fromkeys(("accession", "encounterid", "visitid"), Entity.OTHER_ID),
    **dict.fromkeys(("vin", "plate"), Entity.VEHICLE_ID),
}
"""What the last words of a key say about its value."""

_PERSON_BEFORE_NAME = word_set(
    "first last middle full given family maiden patient provider physician doctor mother father spouse guardian "
    "contact nurse member subscriber insured legal preferred display customer client employee sender recipient caller "
    "birth attending emergency"
)
_PROSE = re.compile(r"[.!?]\s|\b(?:the|a|an|is|are|was|were|and|or|of|to|for|with|this|that)\b", re.IGNORECASE)
_MAX_NAME_WORDS = 5
_LABEL_VALUE = re.compile(
    r"(?:string|number|integer|object|array|boolean|null|none|true|false|unknown|n/?a|varchar|text|date|int)",
    re.IGNORECASE,
)
_SEGMENT = re.compile(
    r"^(?:MSH|PID|PD1|NK1|PV1|PV2|OBR|OBX|ORC|IN1|IN2|GT1|DG1|AL1|EVN|SCH|TXA|RXA)\|.*$", re.MULTILINE
)
_HL7_NAME = re.compile(r"(?:\d+\^)?([A-Z][A-Za-z'-]+(?:\^[A-Z][A-Za-z'.-]*){1,4})")
_HL7_STREET = re.compile(r"(\d+ [^|^]{1,80})\^([^|^]{0,80})\^([A-Za-z .'-]+)\^(?:[A-Z]{2})?\^?(\d{5}(?:-?\d{4})?)?")
_HL7_DATE = re.compile(r"(?:19|20)\d{6}(?:\d{2,6})?(?:[+-]\d{4})?")
_HL7_ID = re.compile(r"(?=[A-Z-]*\d)[A-Z0-9-]{5,20}")
_SEPARATOR_CHOICES = (",", "|", "\t", ";")
_MIN_COLUMNS = 2


def find_structured(document: Document) -> Iterator[Span]:
    text = document.folded
    if '"' in text or "'" in text:
        yield from _assignments(text)
    if "^" in text:
        yield from _hl7_addresses(document.flat)
    if "|" in text:
        for line in _SEGMENT.finditer(text):
            yield from _segment(line[0], line.start())
    if "\n" in text:
        yield from _tables(text)


def entity_of_key(key: str) -> Entity | None:
    """What a key, column or variable name says its value is."""
    words = _SPLIT.split(_CAMEL.sub("_", key.strip()).lower())
    if words[-1] == "name" and len(words) > 1:
        return Entity.PERSON if words[-2] in _PERSON_BEFORE_NAME else None
    if len(words) > 1 and (joined := _KEYS.get("".join(words[-2:]))) is not None:
        return joined
    if len(words) > 1 and words[-1] in {"id", "number", "no"}:
        return _KEYS.get("".join(words[-2:]))
    return _KEYS.get(words[-1])


def _assignments(text: str) -> Iterator[Span]:
    for match in _ASSIGNED.finditer(text):
        entity = entity_of_key(match[1])
        if entity and _fits(entity, match[3]):
            yield Span(match.start(3), match.end(3), entity, 850)
    for match in _NUMBER_ASSIGNED.finditer(text):
        entity = entity_of_key(match[1])
        if entity and entity is not Entity.PERSON and entity is not Entity.LOCATION:
            yield Span(match.start(2), match.end(2), entity, 850)


def _fits(entity: Entity, value: str) -> bool:
    """Whether a value can be what its key says; prose and type names cannot."""
    if _LABEL_VALUE.fullmatch(value.strip()) or not any(map(str.isalnum, value)):
        return False
    has_digit = any(map(str.isdigit, value))
    if entity is Entity.PERSON:
        return not has_digit and len(value.split()) <= _MAX_NAME_WORDS and not _PROSE.search(value) and "_" not in value
    if entity in {Entity.LOCATION, Entity.FACILITY, Entity.EMPLOYER}:
        return not _PROSE.search(value) or has_digit
    if entity is Entity.DATE_TIME:
        return sum(map(str.isdigit, value)) > 4
    return has_digit


def _hl7_addresses(text: str) -> Iterator[Span]:
    for match in _HL7_STREET.finditer(text):
        for group, entity in ((1, Entity.LOCATION), (2, Entity.LOCATION), (3, Entity.LOCATION), (4, Entity.US_ZIP)):
            if match[group]:
                yield Span(match.start(group), match.end(group), entity, 900)


def _segment(line: str, offset: int) -> Iterator[Span]:
    """One HL7 v2 segment: names, dates and ids by the form of their fields."""
    at = 0
    for number, field in enumerate(line.split("|")):
        if number > 1 or line.startswith("PID"):
            yield from _field(field, offset + at)
        at += len(field) + 1


def _field(field: str, offset: int) -> Iterator[Span]:
    name = _HL7_NAME.match(field)
    if name and not any(map(str.isdigit, name[1])):
        yield Span(offset + name.start(1), offset + name.end(1), Entity.PERSON, 900)
        return
    first = field.split("^", 1)[0]
    if _HL7_DATE.fullmatch(first):
        yield Span(offset, offset + len(first), Entity.DATE_TIME, 900)
    elif _HL7_ID.fullmatch(first):
        is_mrn = "^MR" in field
        yield Span(offset, offset + len(first), Entity.MEDICAL_RECORD_NUMBER if is_mrn else Entity.OTHER_ID, 850)


def _tables(text: str) -> Iterator[Span]:
    """Rows under a header line of which at least two columns are known."""
    columns: list[Entity | None] = []
    separator = ""
    at = 0
    for line in text.split("\n"):
        if columns and line.count(separator) >= len(columns) - 1 > 0:
            yield from _row(line, at, columns, separator)
        else:
            separator, columns = _header(line)
        at += len(line) + 1


def _header(line: str) -> tuple[str, list[Entity | None]]:
    for separator in _SEPARATOR_CHOICES:
        if separator in line:
            columns = [
                entity_of_key(cell.strip(' "#*')) if cell.strip(' "#*') else None for cell in line.split(separator)
            ]
            if sum(column is not None for column in columns) >= _MIN_COLUMNS and not any(map(str.isdigit, line)):
                return separator, columns
    return "", []


def _row(line: str, offset: int, columns: list[Entity | None], separator: str) -> Iterator[Span]:
    at = offset
    for column, cell in zip(columns, line.split(separator), strict=False):
        value = cell.strip(' "\r')
        if column is not None and value and _fits(column, value):
            start = at + cell.index(value)
            yield Span(start, start + len(value), column, 850)
        at += len(cell) + 1

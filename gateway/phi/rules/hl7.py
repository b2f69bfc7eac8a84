"""HL7 v2 messages: segments whose fields say by their place what they hold."""

import re
from collections.abc import Iterator

from gateway.phi.detector import Span
from gateway.phi.findings import Entity
from gateway.phi.rules.document import Document

_SEGMENT = re.compile(
    r"(?P<id>MSH|PID|PD1|NK1|PV1|PV2|OBR|OBX|ORC|IN1|IN2|GT1|DG1|AL1|EVN|SCH|TXA|RXA|RXE|NTE|MRG|ACC|PR1|SPM|FT1|ROL|"
    r"AIP|AIG|AIL|RGS|Z[A-Z][A-Z0-9])\|"
    r"(?<![A-Za-z0-9]....)"
)
_OTHER_LINE = re.compile(r"\n\s*(?:\n|[^|^\n]*(?:\n|\Z))")
"""A blank line, or one without any field, which belongs to no segment."""

_MRN, _ID, _DATE, _NAME = Entity.MEDICAL_RECORD_NUMBER, Entity.OTHER_ID, Entity.DATE_TIME, Entity.PERSON
_PHONE, _ADDRESS, _SSN = Entity.PHONE_NUMBER, Entity.STREET_ADDRESS, Entity.US_SSN
_ACCOUNT, _PLAN, _PLACE = Entity.ACCOUNT_NUMBER, Entity.HEALTH_PLAN_ID, Entity.LOCATION
_FACILITY, _LICENSE = Entity.FACILITY, Entity.US_DRIVER_LICENSE
_EMPLOYER = Entity.EMPLOYER
_LAYOUT: dict[str, dict[Entity, tuple[int, ...]]] = {
    "PID": {
        _MRN: (2, 3, 4, 21),
        _NAME: (5, 6, 9),
        _DATE: (7, 29, 33),
        _ADDRESS: (11,),
        _PLACE: (12, 23),
        _PHONE: (13, 14),
        _ACCOUNT: (18,),
        _SSN: (19,),
        _LICENSE: (20,),
    },
    "NK1": {
        _NAME: (2, 30),
        _ADDRESS: (4, 32),
        _PHONE: (5, 6, 31),
        _DATE: (8, 16),
        _ID: (12, 33),
        _EMPLOYER: (13,),
        _SSN: (37,),
    },
    "PV1": {_ID: (5, 19, 50), _NAME: (7, 8, 9, 17, 52), _DATE: (44, 45)},
    "GT1": {
        _ACCOUNT: (2,),
        _NAME: (3, 4),
        _ADDRESS: (5, 17),
        _PHONE: (6, 7, 18),
        _DATE: (8,),
        _SSN: (12,),
        _EMPLOYER: (16,),
        _ID: (19,),
    },
    "IN1": {
        _PLAN: (2, 3, 8, 9, 10, 14, 36, 49),
        _ADDRESS: (5, 19),
        _NAME: (6, 16),
        _PHONE: (7,),
        _EMPLOYER: (11,),
        _DATE: (12, 13, 18),
    },
    "IN2": {_ID: (1,), _SSN: (2,), _NAME: (3,), _PLAN: (6, 8, 25, 26, 61), _PHONE: (63,)},
    "MRG": {_MRN: (1, 4), _ACCOUNT: (3,), _NAME: (7,)},
    "PD1": {_FACILITY: (3,), _NAME: (4,)},
    "OBX": {_DATE: (14, 19), _NAME: (16, 25), _ADDRESS: (24,)},
    "DG1": {_DATE: (5,), _NAME: (16,)},
    "AL1": {_DATE: (6,)},
    "NTE": {},
    "MSH": {_DATE: (7,)},
}
"""Which fields of a segment hold what; other segments are read by the form of their fields."""

_FIELDS = {
    segment: {number: entity for entity, numbers in layout.items() for number in numbers}
    for segment, layout in _LAYOUT.items()
}

_WORD = r"[A-Za-z][A-Za-z' .-]*"
_NAME_FIELD = re.compile(rf"(?P<id>[A-Za-z0-9-]*\d[A-Za-z0-9-]*\^)?(?P<name>{_WORD}(?:\^(?:{_WORD})?){{1,4}})")
_ONE_NAME = re.compile(_WORD)
_TIMED = re.compile(r"(?:19|20)\d{4,6}(?:\d{2,6})?(?:\.\d{1,4})?(?:[+-]\d{4})?")
_IDENTIFIER = re.compile(r"(?=[A-Za-z./-]*\d)[A-Za-z0-9./-]{4,24}")
_CODED = re.compile(r"\d{3,5}-\d|[A-Z]\d\d\.?\d*|\d{1,4}(?:\.\d+)?|\d(?:\.\d+)+")
_ADDRESS_PARTS = {0: _ADDRESS, 1: _ADDRESS, 2: _PLACE, 4: Entity.US_ZIP, 8: _PLACE}
_LONGEST_STREET = 90
_NUMBERED = re.compile(r"\d+ .{1,80}")
_AFTER_STREET = re.compile(r"\^([^|^]{0,80})\^([A-Za-z .'-]+)\^(?:[A-Z]{2})?\^?(\d{5}(?:-?\d{4})?)?")


def find_hl7(document: Document) -> Iterator[Span]:
    text = document.flat
    if "|" in text:
        heads = list(_SEGMENT.finditer(text))
        ends = [*(head.start() for head in heads), len(text)][1:]
        for head, end in zip(heads, ends, strict=True):
            stop = _OTHER_LINE.search(document.folded, head.end(), end)
            yield from _segment(text, head["id"], head.end(), stop.start() if stop else end)
    if "^" in text:
        yield from _loose_addresses(text)


_CODE_FIELDS = frozenset([("OBR", 4), ("RXA", 5), ("RXE", 2), ("PR1", 3), ("TXA", 2), ("FT1", 7), ("SCH", 7)])
"""Fields that name a test, a drug or a procedure by its code."""


def _segment(text: str, name: str, start: int, end: int) -> Iterator[Span]:
    known = _FIELDS.get(name)
    number = 2 if name == "MSH" else 1
    for field in text[start:end].split("|"):
        entity = known.get(number) if known is not None else None
        at = start
        for repeat in field.split("~"):
            if entity is not None:
                yield from _placed(repeat, at, entity)
            elif (name, number) in _CODE_FIELDS:
                pass
            elif known is None or name in {"PV1", "NK1", "GT1"}:
                yield from _by_form(repeat, at)
            at += len(repeat) + 1
        start += len(field) + 1
        number += 1


def _placed(field: str, at: int, entity: Entity) -> Iterator[Span]:
    parts = field.split("^")
    if entity is Entity.PERSON:
        yield from _name(field.lstrip(), at + len(field) - len(field.lstrip()))
    elif entity is _ADDRESS:
        for index, part in enumerate(parts):
            if index in _ADDRESS_PARTS and part.strip():
                yield _trimmed(part, at, _ADDRESS_PARTS[index])
            at += len(part) + 1
    elif entity is Entity.PHONE_NUMBER:
        for part in parts:
            if sum(map(str.isdigit, part)) >= 4 or "@" in part:
                yield _trimmed(part, at, Entity.EMAIL_ADDRESS if "@" in part else entity)
            at += len(part) + 1
    elif parts[0].strip() and (entity in {_PLACE, _FACILITY, Entity.EMPLOYER} or sum(map(str.isdigit, parts[0])) >= 2):
        yield _trimmed(parts[0], at, entity)


def _by_form(field: str, at: int) -> Iterator[Span]:
    first = field.split("^", 1)[0].strip()
    if "^" in field and _NAME_FIELD.match(field) and not _CODED.fullmatch(first) and _is_person(field):
        yield from _name(field, at)
    elif _TIMED.fullmatch(first):
        yield _trimmed(field.split("^", 1)[0], at, _DATE)
    elif _IDENTIFIER.fullmatch(first) and not _CODED.fullmatch(first) and not _is_coded(field):
        yield _trimmed(field.split("^", 1)[0], at, _MRN if "^MR" in field else _ID)


def _is_coded(field: str) -> bool:
    """`80053^COMPREHENSIVE METABOLIC PANEL^CPT`, not `1234^Lopez^Maria` or `A1234^LAB`."""
    parts = field.split("^")
    return len(parts) >= 3 and parts[2].strip().upper() in {
        "LN",
        "CPT",
        "C4",
        "L",
        "I9",
        "I10",
        "ICD10",
        "SCT",
        "CVX",
        "NDC",
        "LOINC",
        "RXNORM",
    }


def _is_person(field: str) -> bool:
    parts = [part.strip() for part in field.split("^")]
    words = parts[1:] if any(map(str.isdigit, parts[0])) else parts
    return (
        len(words) > 1
        and not _is_coded(field)
        and all(not any(map(str.isdigit, part)) and len(part.split()) <= 2 for part in words[:3])
    )


def _name(field: str, at: int) -> Iterator[Span]:
    if match := _NAME_FIELD.match(field):
        name = match["name"].rstrip("^ ")
        yield Span(at + match.start("name"), at + match.start("name") + len(name), Entity.PERSON, 900)
        if match["id"]:
            yield Span(at, at + len(match["id"]) - 1, Entity.OTHER_ID, 850)
    elif (match := _ONE_NAME.match(field)) and len(match[0].strip()) > 1:
        yield Span(at, at + len(match[0].rstrip()), Entity.PERSON, 850)


def _trimmed(part: str, at: int, entity: Entity) -> Span:
    left = len(part) - len(part.lstrip())
    return Span(at + left, at + left + len(part.strip()), entity, 900)


def _loose_addresses(text: str) -> Iterator[Span]:
    """`12 Main St^^Boise^ID^83702` outside of a segment."""
    for match in _AFTER_STREET.finditer(text):
        before = text[max(0, match.start() - _LONGEST_STREET) : match.start()]
        street = _NUMBERED.search(before[max(map(before.rfind, "|^~")) + 1 :])
        if street is None:
            continue
        yield Span(match.start() - len(street[0]), match.start(), _ADDRESS, 900)
        for group, entity in ((1, _ADDRESS), (2, _PLACE), (3, Entity.US_ZIP)):
            if match[group]:
                yield Span(match.start(group), match.end(group), entity, 900)

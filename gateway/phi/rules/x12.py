"""X12 claims and eligibility messages (837, 270): segments whose elements say by their place what they hold."""

import re
from collections.abc import Iterator

from gateway.phi.detector import Span
from gateway.phi.findings import Entity
from gateway.phi.rules.document import Document

_SEGMENT = re.compile(r"(?:NM1|N3|N4|DMG|REF|CLM|DTP|PER|SBR|PAT|TRN)\*[^~\n]{1,400}")
_LAYOUT: dict[str, dict[int, Entity]] = {
    "NM1": {3: Entity.PERSON, 4: Entity.PERSON, 5: Entity.PERSON, 9: Entity.HEALTH_PLAN_ID},
    "N3": {1: Entity.STREET_ADDRESS, 2: Entity.STREET_ADDRESS},
    "N4": {1: Entity.LOCATION, 3: Entity.US_ZIP},
    "DMG": {2: Entity.DATE_TIME},
    "REF": {2: Entity.OTHER_ID},
    "CLM": {1: Entity.ACCOUNT_NUMBER},
    "DTP": {3: Entity.DATE_TIME},
    "PER": {2: Entity.PERSON, 4: Entity.PHONE_NUMBER, 6: Entity.PHONE_NUMBER, 8: Entity.PHONE_NUMBER},
    "SBR": {3: Entity.HEALTH_PLAN_ID},
    "TRN": {2: Entity.OTHER_ID},
}
_ORGANISATION = "2"


def find_x12(document: Document) -> Iterator[Span]:
    text = document.flat
    if "*" not in text or ("NM1*" not in text and "~" not in text):
        return
    for match in _SEGMENT.finditer(text):
        elements = match[0].split("*")
        layout = _LAYOUT.get(elements[0], {})
        at = match.start()
        for number, element in enumerate(elements):
            entity = layout.get(number)
            if entity is Entity.PERSON and elements[0] == "NM1" and elements[2:3] == [_ORGANISATION]:
                entity = Entity.FACILITY
            value = element.strip()
            if entity and len(value) > 1 and any(map(str.isalnum, value)):
                start = at + element.index(value)
                yield Span(start, start + len(value), entity, 900)
            at += len(element) + 1

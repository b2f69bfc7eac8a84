"""What was found, without saying it: kinds, places and confidence."""

from dataclasses import dataclass
from enum import StrEnum


class Entity(StrEnum):
    """Labels on the wire: Presidio's where it has one, the same style where it has none."""

    PERSON = "PERSON"
    US_SSN = "US_SSN"
    PHONE_NUMBER = "PHONE_NUMBER"
    FAX_NUMBER = "FAX_NUMBER"
    EMAIL_ADDRESS = "EMAIL_ADDRESS"
    DATE_TIME = "DATE_TIME"
    AGE_OVER_89 = "AGE_OVER_89"
    LOCATION = "LOCATION"
    """A town or a county, without its street."""
    STREET_ADDRESS = "STREET_ADDRESS"
    US_ZIP = "US_ZIP"
    FACILITY = "FACILITY"
    EMPLOYER = "EMPLOYER"
    IP_ADDRESS = "IP_ADDRESS"
    URL = "URL"
    MEDICAL_RECORD_NUMBER = "MEDICAL_RECORD_NUMBER"
    HEALTH_PLAN_ID = "HEALTH_PLAN_ID"
    ACCOUNT_NUMBER = "ACCOUNT_NUMBER"
    CREDIT_CARD = "CREDIT_CARD"
    US_DRIVER_LICENSE = "US_DRIVER_LICENSE"
    MEDICAL_LICENSE = "MEDICAL_LICENSE"
    VEHICLE_ID = "VEHICLE_ID"
    DEVICE_ID = "DEVICE_ID"
    BIOMETRIC_ID = "BIOMETRIC_ID"
    OTHER_ID = "OTHER_ID"
    CUSTOM_TERM = "CUSTOM_TERM"
    """A term of the organisation's own list."""
    PLACEHOLDER_TEXT = "PLACEHOLDER_TEXT"
    """The caller's own text that reads like a placeholder in use. No PHI: it only steps aside."""

    @property
    def label(self) -> str:
        """The word inside its placeholders: `[NAME_1]`."""
        return _LABELS[self]


_LABELS = {
    Entity.PERSON: "NAME",
    Entity.US_SSN: "SSN",
    Entity.PHONE_NUMBER: "PHONE",
    Entity.FAX_NUMBER: "FAX",
    Entity.EMAIL_ADDRESS: "EMAIL",
    Entity.DATE_TIME: "DATE",
    Entity.AGE_OVER_89: "AGE",
    Entity.LOCATION: "LOCATION",
    Entity.STREET_ADDRESS: "ADDRESS",
    Entity.US_ZIP: "ZIP",
    Entity.FACILITY: "FACILITY",
    Entity.EMPLOYER: "EMPLOYER",
    Entity.IP_ADDRESS: "IP",
    Entity.URL: "URL",
    Entity.MEDICAL_RECORD_NUMBER: "MRN",
    Entity.HEALTH_PLAN_ID: "PLAN",
    Entity.ACCOUNT_NUMBER: "ACCOUNT",
    Entity.CREDIT_CARD: "CARD",
    Entity.US_DRIVER_LICENSE: "LICENSE",
    Entity.MEDICAL_LICENSE: "LICENSE",
    Entity.VEHICLE_ID: "VEHICLE",
    Entity.DEVICE_ID: "DEVICE",
    Entity.BIOMETRIC_ID: "BIOMETRIC",
    Entity.OTHER_ID: "ID",
    Entity.CUSTOM_TERM: "TERM",
    Entity.PLACEHOLDER_TEXT: "TEXT",
}

CIRCUMSTANTIAL = frozenset(
    {
        Entity.DATE_TIME,
        Entity.LOCATION,
        Entity.STREET_ADDRESS,
        Entity.US_ZIP,
        Entity.FACILITY,
        Entity.EMPLOYER,
        Entity.URL,
        Entity.IP_ADDRESS,
        Entity.AGE_OVER_89,
    }
)
"""Kinds that identify nobody until a person is near: an example date, a city, a schema's URL."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One place where PHI was found, never the text.

    `slot` is a path of declared names and indexes (`messages[0].content[1].text`);
    `start` and `end` are Python string offsets in that slot's original text.
    `placeholder` is what stands there now, None when the text was left alone.
    """

    slot: str
    start: int
    end: int
    entity: Entity
    score_milli: int
    placeholder: str | None

"""What the name of a key, a column, an element or a form field says about its value."""

import re

from gateway.phi.findings import Entity
from gateway.phi.lexicon.words import Kind, lexicon
from gateway.phi.rules.vocabulary import word_set

_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SPLIT = re.compile(r"[\s_./:#-]+")
_KEYS: dict[Entity, str] = {
    Entity.PERSON: (
        "name fullname firstname lastname middlename surname given family patient provider physician doctor "
        "attending nurse mother father spouse guardian contact clinician maiden nickname alias first last middle "
        "signer author recipient insured subscriber givenname familyname forename preferredname kin caregiver pcp "
        "provider surgeon prescriber employee guarantor patientname displayname mothersmaidenname fname lname mname "
        "pt radiologist pathologist"
    ),
    Entity.DATE_TIME: (
        "dob birthdate birthday date admitted discharged deceased born birthtime dateofbirth dod dos doa bday birth "
        "admission discharge admitdate servicedate visitdate deathdate"
    ),
    Entity.MEDICAL_RECORD_NUMBER: (
        "mrn chart medicalrecord patientid medicalrecordnumber mrnumber chartnumber patientnumber ptid pid empi mpi"
    ),
    Entity.US_SSN: "ssn socialsecurity socialsecuritynumber social ssnumber last4 ssnlast4",
    Entity.PHONE_NUMBER: (
        "phone telephone mobile cell tel phonenumber telecom homephone workphone cellphone pager contactnumber"
    ),
    Entity.FAX_NUMBER: "fax faxnumber",
    Entity.EMAIL_ADDRESS: "email mail emailaddress",
    Entity.STREET_ADDRESS: (
        "address addr street line streetaddress streetaddressline addressline address1 address2 addr1 addr2 line1 "
        "line2 homeaddress mailingaddress"
    ),
    Entity.LOCATION: "city town county municipality district village birthplace hometown",
    Entity.US_ZIP: "zip zipcode postal postalcode postcode",
    Entity.HEALTH_PLAN_ID: (
        "memberid subscriberid policy policynumber groupnumber insuranceid membernumber policyid groupid "
        "beneficiaryid mbi hicn medicareid medicaidid planid member healthplanid insurancenumber subscribernumber "
        "member# policy# group#"
    ),
    Entity.ACCOUNT_NUMBER: (
        "account accountnumber acct claim claimnumber invoice accountid claimid invoicenumber acctnumber har "
        "cardnumber card iban routing routingnumber authorization authnumber authorizationnumber bankaccount "
        "guarantorid guarantornumber accountno acctno"
    ),
    Entity.FACILITY: "facility hospital clinic facilityname hospitalname",
    Entity.EMPLOYER: "employer employername",
    Entity.DEVICE_ID: "serial serialnumber deviceid udi imei lot lotnumber deviceserial serialno macaddress mac",
    Entity.MEDICAL_LICENSE: "license npi dea licensenumber licence deanumber npinumber medicallicense",
    Entity.US_DRIVER_LICENSE: "driverlicense driverslicense dl driverslicensenumber driverlicensenumber dlnumber",
    Entity.OTHER_ID: (
        "accession encounterid visitid accessionnumber encounternumber visitnumber csn orderid ordernumber caseid "
        "casenumber specimenid specimennumber studyid subjectid participantid employeeid studentid badge badgenumber "
        "passport passportnumber rxnumber prescriptionnumber ticketid confirmationnumber referralnumber specimen "
        "encounter username userid login identifier"
    ),
    Entity.VEHICLE_ID: "vin plate licenseplate platenumber vehicleid",
    Entity.BIOMETRIC_ID: "fingerprint biometric biometricid fingerprintid faceid voiceprint retinascan templateid",
    Entity.IP_ADDRESS: "ip ipaddress ipaddr clientip",
    Entity.AGE_OVER_89: "age ageyears",
}
_KIND_OF_KEY = {key: entity for entity, keys in _KEYS.items() for key in keys.split()}
_ENDINGS = tuple({key[-3:] for key in _KIND_OF_KEY} | {"ame", "id", "no", "num", "nbr", "ber", "#"})
_PERSON_BEFORE_NAME = word_set(
    "first last middle full given family maiden patient provider physician doctor mother father spouse guardian "
    "contact nurse member subscriber insured legal preferred display customer client employee sender recipient "
    "caller birth attending emergency pt resident guarantor mothers fathers partner kin caregiver surgeon clinician "
    "beneficiary cardholder person student child parent policyholder prescriber referring ordering performing"
)
_NUMBER = word_set("id number no num nbr #")
_PROSE = re.compile(
    r"[.!?]\s|\b(?:the|a|an|is|are|was|were|and|or|of|to|for|with|this|that|by|in|on|not|no)\b", re.IGNORECASE
)
_MAX_NAME_WORDS = 5
_LABEL_VALUE = re.compile(
    r"(?:string|number|integer|object|array|boolean|null|none|true|false|unknown|n/?a|varchar|text|date|int|undefined|todo|test|"
    r"required|optional|example|default|self|other|same|home|work|mobile|official|usual|\.\.\.|\?|-)",
    re.IGNORECASE,
)
_NAME_SIGNS = re.compile(r"[A-Za-z][A-Za-z '.,+^*%-]*")
_OF_PLACES = frozenset({Entity.LOCATION, Entity.FACILITY, Entity.EMPLOYER, Entity.STREET_ADDRESS})


def entity_of_key(key: str) -> Entity | None:
    """`patient_mrn`, `birthDate`, `Member ID`, `ns:postalCode`; None for what says nothing about a person."""
    if not key.lower().rstrip().endswith(_ENDINGS):
        return None
    words = [word for word in _SPLIT.split(_CAMEL.sub("_", key.strip()).lower()) if word]
    if not words:
        return None
    if words[-1] == "name" and len(words) > 1:
        if "".join(words[-2:]) in {"facilityname", "hospitalname", "employername"}:
            return _KIND_OF_KEY["".join(words[-2:])]
        return (
            Entity.PERSON if words[-2].rstrip("s") in _PERSON_BEFORE_NAME or words[-2] in _PERSON_BEFORE_NAME else None
        )
    for count in (3, 2):
        if len(words) >= count and (joined := _KIND_OF_KEY.get("".join(words[-count:]))) is not None:
            return joined
    if len(words) > 1 and words[-1] in _NUMBER:
        found = _KIND_OF_KEY.get(words[-2])
        return None if found in {Entity.PERSON, Entity.DATE_TIME} else found
    return _KIND_OF_KEY.get(words[-1])


def fits(entity: Entity, value: str) -> bool:
    """Whether a value can be what its key says; prose and type names cannot."""
    value = value.strip()
    if _LABEL_VALUE.fullmatch(value) or not any(map(str.isalnum, value)):
        return False
    count = sum(map(str.isdigit, value))
    if entity is Entity.PERSON:
        return not count and _is_name(value)
    if entity is Entity.STREET_ADDRESS:
        return (bool(count) or not _PROSE.search(value)) and "://" not in value and "@" not in value
    if entity in _OF_PLACES:
        return not _PROSE.search(value.replace(" of ", " ")) or bool(count)
    if entity is Entity.AGE_OVER_89:
        return value.isdigit() and 90 <= int(value[:4]) < 130
    if entity is Entity.DATE_TIME:
        return count > 4
    if entity is Entity.EMAIL_ADDRESS:
        return "@" in value
    if entity is Entity.US_ZIP:
        return 3 <= count <= 9
    return count >= 2


def _is_name(value: str) -> bool:
    return (
        len(value.split()) <= _MAX_NAME_WORDS and not _PROSE.search(value) and _NAME_SIGNS.fullmatch(value) is not None
    )


def is_listed_name(value: str) -> bool:
    """Whether a word of `value` is a name by list and no plain word, for keys that name other things too."""
    kinds = lexicon()
    parts = re.findall(r"[A-Za-z]+", value)
    return any(
        kinds.get(part.lower(), 0) & (Kind.FIRST | Kind.LAST) and not kinds[part.lower()] & Kind.WORD for part in parts
    ) or (len(parts) > 1 and all(kinds.get(part.lower(), 0) & (Kind.FIRST | Kind.LAST) for part in parts))

"""Data whose keys say what a value is: JSON, assignments, query strings, SQL conditions, XML, filled-in forms."""

import re
from collections.abc import Iterator
from string import ascii_letters, digits

from gateway.phi.detector import LIKELY, Span
from gateway.phi.findings import Entity
from gateway.phi.lexicon.words import Kind, lexicon
from gateway.phi.rules.document import Document
from gateway.phi.rules.hl7 import find_hl7
from gateway.phi.rules.keys import entity_of_key, fits, is_listed_name
from gateway.phi.rules.patterns import SYSTEM_USERS
from gateway.phi.rules.tables import find_tables
from gateway.phi.rules.vocabulary import word_set
from gateway.phi.rules.x12 import find_x12

_VALUE = re.compile(r"[:=>][=>]?\s{0,3}[\[(]?\s{0,3}([\"'])((?:(?!\1)[^\n\\]|\\.){1,160})\1")
_LIKE = re.compile(r"(?:LIKE|IN|like|in|Like|ILIKE|<>)\s{1,3}\(?\s{0,3}([\"'])((?:(?!\1)[^\n\\]|\\.){1,160})\1")
_SQL_WORDS = word_set("like ilike where")
_KEY_SIGNS = ascii_letters + digits + "_ .-"
_FEWEST_DIGITS = 4
_LONGEST_KEY = 40
_LIST = re.compile(
    r"\"([A-Za-z][A-Za-z_]{1,31})\"\s{0,3}:\s{0,3}\[((?:\s{0,12}\"[^\"\n]{0,120}\"\s{0,12},?){2,10})\s{0,12}\]"
)
_ITEM = re.compile(r"\"([^\"]*)\"")
_NUMBER = re.compile(r"[\"']([A-Za-z][A-Za-z0-9_ .-]{1,31})[\"']\s{0,3}(?::|=>)\s{0,3}(\d{2,17})\b")
_BARE = re.compile(r"(?<![A-Za-z0-9_.-])([A-Za-z][A-Za-z0-9_.-]{1,31})=([^\s&;\"'<>|(){}\[\]]{2,120})")
_ELEMENT = re.compile(r"<([A-Za-z][\w:.-]{1,40})(?:\s[^<>]{0,200})?>\s{0,4}([^<>\n]{1,120}?)\s{0,4}</")
_ATTRIBUTE = re.compile(r"<([A-Za-z][\w:.-]{1,40})\s[^<>]{0,120}?\b(value|extension)=[\"']([^\"'<>]{1,120})[\"']")
_COLON = re.compile(r":\*{0,2}[ \t]{1,12}(?=[A-Za-z0-9])")
_FIELD = re.compile(r"[^\n|;\t:]{2,80}?(?=\s{2}|[|;\t\n]|\s*\Z|,\s[A-Z]\w{2,12}:)")
_FIELD_KEY = re.compile(r"[A-Za-z][A-Za-z /'_-]{2,30}")
_FORM_KEYS = frozenset({Entity.STREET_ADDRESS, Entity.LOCATION, Entity.EMPLOYER})
_NOT_IN_FORMS = word_set("address line district contact")
_LOGINS = frozenset(["user", "actor", "operator", "login", "uname", "userid", "username", "by", "author", "owner"])
_LOGIN = re.compile(r"[a-z][a-z0-9]*(?:[._-][a-z0-9]+)?")
_IDENTIFIERS = re.compile(r"identifier[\"']?\s{0,3}:", re.IGNORECASE)
_PERSONAL_KEYS = word_set(
    "patient dob mrn ssn birthdate given family member phone address zip last_name patients lastname firstname "
    "doctor nurse"
)
_AMBIGUOUS = frozenset(
    ["name", "first", "last", "middle", "author", "contact", "provider", "alias", "display", "recipient", "doctor"]
)


def find_structured(document: Document) -> Iterator[Span]:
    text = document.folded
    if '"' in text or "'" in text:
        yield from _quoted(document)
    if "=" in text:
        yield from _bare(text)
    if ("<" in text and "</" in text) or "/>" in text:
        yield from _markup(text)
    if ":" in text:
        yield from _forms(text)
    yield from find_hl7(document)
    yield from find_x12(document)
    yield from find_tables(document)


def _quoted(document: Document) -> Iterator[Span]:
    text = document.folded
    for pattern in (_VALUE, _LIKE) if document.mentions(_SQL_WORDS) else (_VALUE,):
        for match in pattern.finditer(text):
            key = _key_before(text, match.start())
            if key and (span := _keyed(document, key, match[2], match.start(2))):
                yield span
    if '"' in text:
        yield from _unquoted(text)
        yield from _listed(document)


def _unquoted(text: str) -> Iterator[Span]:
    for match in _NUMBER.finditer(text):
        entity = entity_of_key(match[1])
        is_long = entity is Entity.AGE_OVER_89 or len(match[2]) >= _FEWEST_DIGITS
        if entity and is_long and entity is not Entity.PERSON and fits(entity, match[2]):
            yield Span(match.start(2), match.end(2), entity, 850)


def _listed(document: Document) -> Iterator[Span]:
    for match in _LIST.finditer(document.folded):
        for item in _ITEM.finditer(match[2]):
            if span := _keyed(document, match[1], item[1], match.start(2) + item.start(1)):
                yield span


def _keyed(document: Document, key: str, value: str, start: int) -> Span | None:
    entity = entity_of_key(key)
    if entity is None:
        if (
            key.lower() == "value"
            and sum(map(str.isdigit, value)) >= 4
            and _IDENTIFIERS.search(document.folded, max(0, start - 400), start)
        ):
            return Span(start, start + len(value), Entity.OTHER_ID, 800)
        return None
    if not fits(entity, value):
        return None
    doubtful = key.strip().lower() in _AMBIGUOUS and not document.mentions(_PERSONAL_KEYS) and not is_listed_name(value)
    return Span(start, start + len(value), entity, LIKELY if doubtful else 850)


def _bare(text: str) -> Iterator[Span]:
    """`mrn=00123456&name=Maria+Lopez`."""
    for match in _BARE.finditer(text):
        value = match[2].rstrip(",.")
        if match[1].lower() in _LOGINS and _is_login(value):
            yield Span(match.start(2), match.start(2) + len(value), Entity.OTHER_ID, LIKELY)
            continue
        entity = entity_of_key(match[1])
        if entity is None or not fits(entity, value):
            continue
        if entity is Entity.PERSON and not (value[0].isupper() and is_listed_name(value)):
            continue
        yield Span(match.start(2), match.start(2) + len(value), entity, 850)


def _is_login(value: str) -> bool:
    """`hkoenig`: letters that are no word, unlike `postgres` and `admin`; an address is found by its form."""
    plain = value.lower()
    return (
        _LOGIN.fullmatch(plain) is not None
        and plain not in SYSTEM_USERS
        and not lexicon().get(plain, 0) & (Kind.WORD | Kind.MEDICAL)
    )


def _markup(text: str) -> Iterator[Span]:
    for match in _ELEMENT.finditer(text):
        entity = entity_of_key(match[1])
        if entity and fits(entity, match[2]) and (match[1].lower() != "name" or is_listed_name(match[2])):
            yield Span(match.start(2), match.end(2), entity, 850)
    for match in _ATTRIBUTE.finditer(text):
        entity = Entity.OTHER_ID if match[2] == "extension" else entity_of_key(match[1])
        if entity and fits(entity, match[3]):
            yield Span(match.start(3), match.end(3), entity, 850)


def _forms(text: str) -> Iterator[Span]:
    """`City: Eau Claire` and `Patient Name: ...` where the field ends with its line or cell."""
    for colon in _COLON.finditer(text):
        key = _field_before(text, colon.start())
        entity = entity_of_key(key)
        is_name = entity is Entity.PERSON and key.lower().endswith("name") and key.lower() != "name"
        if (entity not in _FORM_KEYS and not is_name) or key.lower() in _NOT_IN_FORMS or not _FIELD_KEY.fullmatch(key):
            continue
        match = _FIELD.match(text, colon.end())
        if entity and match and fits(entity, match[0]):
            score = 750 if not is_name or is_listed_name(match[0]) else LIKELY
            yield Span(match.start(), match.end(), entity, score)


def _field_before(text: str, end: int) -> str:
    """The label of a form field: what stands before its colon on its line or in its cell."""
    label = text[max(0, end - _LONGEST_KEY) : end].rstrip(" *")
    for separator in ("\n", "|", ";", "\t", "  "):
        label = label.rpartition(separator)[2]
    return label.strip(" >*\u2022-")


def _key_before(text: str, end: int) -> str:
    """The key that an assignment at `end` gives a value to."""
    before = text[max(0, end - _LONGEST_KEY) : end].rstrip(" \"'!<=")
    return before[len(before.rstrip(_KEY_SIGNS)) :]

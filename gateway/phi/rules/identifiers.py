"""Identifiers that a label beside them gives away, and bare ones that count only near other PHI."""

import re
from collections.abc import Iterator
from string import ascii_letters, digits

from gateway.phi.detector import LIKELY, Span
from gateway.phi.findings import Entity
from gateway.phi.lexicon.words import Kind, lexicon
from gateway.phi.rules.codes import is_code, is_counted, is_listed, is_measured, is_uuid, is_version
from gateway.phi.rules.document import Document
from gateway.phi.rules.labels import Label, entity_of_label, label_before, label_behind
from gateway.phi.rules.vocabulary import FUNCTION_WORDS, word_set

_TOKEN = re.compile(
    r"[A-Za-z0-9]{1,64}+(?:[-._]{1,2}[A-Za-z0-9]{1,32}+|:(?=[A-Z]{1,3}\d{4})[A-Za-z0-9]{1,32}+|/(?=[A-Za-z]{0,4}\d)[A-Za-z0-9]{1,32}+"
    r"|(?<=\d)\*\d{2}(?![\d*])){0,12}+"
)
_TOKEN_SIGNS = ascii_letters + digits + "-._"
_LONGEST = 64
_YEAR = re.compile(r"(?:19|20)\d{2}")
_BARE = re.compile(
    r"\d{6,12}|(?=[A-Z0-9-]*\d{3})[A-Z]{1,4}-?\d{4,10}[A-Z]{0,2}|(?!\d{1,3}-\d{1,3}\Z)\d{2,4}(?:-\d{2,7}){1,3}|\d{4}-[A-Z]{2,3}-\d{3,6}"
    r"|\d{3}\.\d{3}\.\d{3}|[A-Z]{1,4}\d{4,10}-\d{1,4}|\d{5,10}-?[A-Z]{1,2}|[A-Z]{1,4}\d{0,4}-\d{2,6}(?:-\d{2,8})*|[a-z]{1,4}-?\d{5,10}[a-z]?|\d{2,4}[A-Z]\d{3,6}|\d-\d{2}-\d{3,5}|[A-Z]{2,5}-[A-Z0-9]{2,6}-\d{3,8}|\d{5,9}-\d{1,4}|(?=[A-Z]*\d)[A-Z0-9]{9,14}"
    r"|(?=\d?[A-Z]|\d\d[A-Z]|\d+-[A-Z])(?=(?:[A-Z-]*\d){4})[A-Z0-9]{1,5}(?:-[A-Z0-9]{1,8}){1,4}"
)
_GLUED = re.compile(
    r"(?<![A-Za-z])(?P<label>[A-Za-z]{2,12})(?P<joint>[-_.]?)(?P<value>(?=(?:[A-Za-z]{0,4}\d-?){4})[A-Za-z0-9-]+)"
)
_FEWEST_GLUED = 4
_SHORTEST_APART = 3
_MORE = re.compile(
    r" {1,2}([A-Z0-9]{1,8})(?![\w/:.%'-]*[a-z/:%]|\.\d|-\d|\s?(?:y/?o\b|yo\b|year|yr|mg|ml|mcg|male|female"
    r"|[MF]\b|/(?!/)|%))"
)
_LOGINS = word_set("user username userid login snap snapchat handle skype venmo telegram gamertag")
_RESOURCE = re.compile(r"/Patient\b|\"Patient\"")
_PREFIXED = re.compile(
    r"(?:pat|pt|mrn|mem|enc|subj|acct|visit|appt|usr|cust)[-_](?=(?:[a-z]*\d){2})[0-9a-z]{4,20}", re.IGNORECASE
)
_QUERY_WORDS = word_set("select where limit")
_SIGNED_IN = ("logged in as ", "log in as ", "login as ", "signed in as ", "signed by ", "login ")
_EXTENSION = re.compile(r"[xX]\d{4,5}")
_NIL = "00000000"
_OF_PROGRAMS = word_set("commit build image docker container namespace digest pod release node volume tenant cluster")
_PERSONAL = word_set("patient pt subject participant member encounter visit resident client person mrn enrollee donor")
_LONGER_THAN_YEAR = 9
_ENDS = re.compile(r"\s*[.,;)](?!\d)|\s*\Z")
_GOES_ON = re.compile(r" {1,2}\d|\s*[,.;)]|\s*\Z")
_SLASHED = re.compile(r"(?<![\w/.])(?:(?:[A-Z]{1,4}|\d{1,6})/|\d{2,4}:)\Z")
_LEADING = re.compile(
    r"(?<![A-Za-z0-9#])(?!HTTP|ICD|CPT|NDC|RFC|ISO|DRG|NPI|DEA|MRN|SSN|DOB|USD|AND|THE|FOUR?|LAST|(?:IDS?|NOS?|NUM)\b)"
    r"([A-Z]{1,4})(?: {1,2}|-)\Z"
)
_SMALL_LEADING = re.compile(
    r"(?<![a-z0-9#])(?!http|icd|cpt|ndc|rfc|iso|drg|npi|dea|mrn|ssn|dob|usd|(?:ids?|nos?|num)\b)"
    r"([a-z]{1,4})(?: {1,2}|-)\Z"
)
_AFTER = re.compile(
    r"\s?[(\[]\s?|\s(?:is|was)\s(?:(?:her|his|their|the|my|our|patient's|your)\s)?|\s-\s", re.IGNORECASE
)
_ANNOUNCED = r"\s{0,2}[:=#]{0,2}\s{0,2}(?:(?:number|no\.?|num|\#)\s?)?(?:is\s)?[:=#]?\s{0,2}\"?"
_CAPITALS = re.compile(rf"{_ANNOUNCED}([A-Z]{{5,12}}|[A-Z]{{2,4}}[- ]?[A-Z]{{3,4}})(?![\w'-])")
_PLATE = re.compile(
    rf"{_ANNOUNCED}"
    r"((?:[A-Z]{2}\s)?(?=(?:[A-Z]*[- ]?){1,2}\d)(?=[\d -]{0,4}[A-Z])[A-Z0-9]{1,4}[- ]?[A-Z0-9]{2,4}"
    r"(?:[- ][A-Z0-9]{2,4})?)(?![\w'-])"
)
_PLATE_WORDS = word_set("plate plates licence license dl policy vin tag registration")
_PLATES = frozenset(["plate", "plates"])
_BRIDGES = frozenset([" ", "(", "["])
_LEAD_ENDS = frozenset([" ", "-"])
_FEWEST_BARE = 5
_FEWEST_LED = 7
_SHORTEST_GROUP = 2
_ID_WEAK_MILLI = 200
_MOST_GROUPS = 7
_MOST_DIGITS = 22
_MOST_BANK_DIGITS = 30


def token_at(text: str, start: int, floor: int) -> re.Match[str] | None:
    """The token around the digits at `start`, which reaches back to `floor` at most."""
    before = text[max(floor, start - _LONGEST) : start]
    left = start - (len(before) - len(before.rstrip(_TOKEN_SIGNS)))
    if text[left - 1 : left] in {"/", ":"} and (lead := _SLASHED.search(text, max(floor, left - 8), left)):
        left = lead.start()
    while left < start and text[left] in "-._":
        left += 1
    match = _TOKEN.match(text, left)
    return match if match and match.end() > start else _TOKEN.match(text, start)


def identifier_in(document: Document, match: re.Match[str]) -> Span | None:
    """What a token is by its label or its form; None for doses, codes and years."""
    token = match[0]
    if len(token) <= _SHORTEST_GROUP and _is_alone(document.flat, match):
        return None
    if token.isdigit():
        labelled = _labelled(document, match, len(token))
        if _YEAR.fullmatch(token) and labelled and labelled.entity is not Entity.US_SSN:
            return labelled if labelled.end - labelled.start >= _LONGER_THAN_YEAR else None
        if _YEAR.fullmatch(token):
            return labelled
        return labelled or _bare(document, match, len(token))
    count = sum(map(str.isdigit, token))
    if count < 2 or len(token) > _LONGEST:
        return None
    if is_uuid(token):
        return _universal(document, match)
    if _is_vin(token, count):
        return Span(match.start(), match.end(), Entity.VEHICLE_ID, 900)
    if is_code(token):
        return None
    return _labelled(document, match, count) or _bare(document, match, count)


def find_plates(document: Document) -> Iterator[Span]:
    """Plates, which have few figures or none, and licences without one: capitals after their label."""
    if not document.mentions(_PLATE_WORDS):
        return
    for word in document.words:
        if word.lower not in _PLATE_WORDS:
            continue
        is_plate = word.lower in _PLATES or word.lower in {"vin", "tag"}
        is_sure = word.lower in _PLATES or (is_plate and "#" in document.flat[word.end : word.end + 2])
        match = _PLATE.match(document.flat, word.end) if is_sure else None
        if match is None and not document.is_caseless:
            match = _CAPITALS.match(document.flat, word.end)
        if match:
            yield Span(match.start(1), match.end(1), Entity.VEHICLE_ID if is_plate else Entity.OTHER_ID, 800)


def _is_alone(text: str, match: re.Match[str]) -> bool:
    """Whether a number of a figure or two has neither letters before nor groups after it that it may belong to."""
    return (
        match[0].isdigit()
        and not text[match.start() - 2 : match.start()].isupper()
        and not _MORE.match(text, match.end())
    )


def _universal(document: Document, match: re.Match[str]) -> Span | None:
    """A UUID: somebody's after a word for people and their visits, otherwise doubtful, as programs are full of them."""
    index = document.word_before(match.start())
    if match[0].startswith(_NIL):
        return None
    if index >= 0 and not _OF_PROGRAMS.isdisjoint(word.lower for word in document.words[max(0, index - 1) : index + 1]):
        return None
    label = label_before(document, match.start(), index)
    personal = (label is not None and label.name in _PERSONAL) or _RESOURCE.search(document.flat) is not None
    return Span(match.start(), match.end(), Entity.OTHER_ID, 850 if personal else LIKELY)


def _is_vin(token: str, count: int) -> bool:
    return len(token) == 17 and 3 <= count < 17 and token.isalnum() and not set("IOQioq") & set(token)


def _labelled(document: Document, match: re.Match[str], count: int) -> Span | None:
    token, start, end = match[0], match.start(), match.end()
    label = None
    if lead := lead_before(document, start):
        shifted = label_before(document, lead.start(1), document.word_before(lead.start(1)))
        if shifted is not None and (
            shifted.announced
            or not shifted.weak
            or shifted.entity is Entity.VEHICLE_ID
            or count + _extended(document.flat, end, count, most=_MOST_DIGITS)[1] >= _FEWEST_LED
        ):
            label, start, token = shifted, lead.start(1), f"{lead[1]}{token}"
    if label is None and (label := label_before(document, start, document.word_before(start))) is None:
        return (_glued(match, count) if token[0].isalpha() else None) or _named_after(document, match, count)
    end, more = _extended(document.flat, end, count, most=_MOST_BANK_DIGITS if label.name == "iban" else _MOST_DIGITS)
    counted = label.weak and not label.announced and is_counted(document.flat, end, token)
    if counted or not _is_value(label, token, count + more):
        return _named_after(document, match, count)
    in_query = label.name == "id" and token.isdigit() and document.mentions(_QUERY_WORDS)
    return Span(start, end, label.entity, LIKELY if in_query else 850)


def lead_before(document: Document, start: int) -> re.Match[str] | None:
    """The letters before a number that may belong to it: `BCX 88 1234`."""
    text = document.flat
    if text[start - 1 : start] not in _LEAD_ENDS:
        return None
    last = text[max(0, start - 3) : start].rstrip(" -")[-1:]
    if last.isupper():
        return _LEADING.search(text, max(0, start - 7), start)
    lead = _SMALL_LEADING.search(text, max(0, start - 7), start) if last.isalpha() else None
    known = Kind.WORD if document.is_caseless else Kind.LISTED
    return lead if lead and not lexicon().get(lead[1], 0) & known and lead[1] not in FUNCTION_WORDS else None


def _extended(text: str, end: int, count: int, *, most: int) -> tuple[int, int]:
    """The end of a value written in groups, as `1EG4 TE5 MK73`, and the digits that came with it."""
    more = 0
    if text[end : end + 1] != " ":
        return end, more
    for _ in range(_MOST_GROUPS):
        group = _MORE.match(text, end)
        if group is None or count + more >= most:
            break
        found = sum(map(str.isdigit, group[1]))
        if len(group[1]) == 1 and (_ENDS if found else _GOES_ON).match(text, group.end()):
            end, more = group.end(), more + found
            continue
        if not found or (found < 2 and group[1].isdigit()) or (count >= 7 and not more and len(group[1]) < 4):
            break
        end, more = group.end(), more + found
    return end, more


def _is_value(label: Label, token: str, count: int) -> bool:
    """Whether a token after a label is its value: longer and stranger the less the label says."""
    is_process = label.name == "pid" and not label.announced and token.isdigit()
    if is_process or (label.name == "model" and token[:2].islower()):
        return False
    if label.entity is Entity.US_ZIP:
        return 3 <= count <= 9
    if label.entity is Entity.US_SSN:
        return count in {4, 9} or (label.announced and count >= 4)
    if is_version(token) and (label.weak or count < 7):
        return label.announced and count >= (6 if label.weak else 5) and "." not in token
    if label.entity is Entity.PHONE_NUMBER:
        return 3 <= count <= 6 and token.lstrip("xX").isdigit()
    if label.name in _LOGINS and not token.isdigit():
        return len(token) >= 5
    if not label.announced and label.weak:
        return count >= 5 or (
            count >= 3 and len(token) >= 5 and (token != token.lower() or "-" in token or len(token) > 5)
        )
    if token.isdigit() or count == len(token):
        return count >= (3 if label.announced and not label.weak else 4)
    fewest = 4 if label.entity is Entity.MEDICAL_LICENSE else 3 if label.weak or not label.announced else 2
    return count >= fewest and len(token) >= 4


def _glued(match: re.Match[str], count: int) -> Span | None:
    """`MRN00123456`, `scan_ssn_917448123.pdf`: the value alone, but for prefixes that are a part of it."""
    if count < _FEWEST_GLUED:
        return None
    for prefix in _GLUED.finditer(match[0]):
        name = prefix["label"].lower()
        if entity := entity_of_label(name):
            is_apart = len(name) >= _SHORTEST_APART or prefix["joint"] == "_"
            start = prefix.start("value") if is_apart else prefix.start()
            return Span(match.start() + start, match.start() + prefix.end(), entity, 850)
    return None


def _named_after(document: Document, match: re.Match[str], count: int) -> Span | None:
    """`00123456 (MRN)`, `00123456 is her account number`."""
    text, end = document.flat, match.end()
    bridge = _AFTER.match(text, end) if count >= 4 and text[end : end + 1] in _BRIDGES else None
    if bridge is None:
        return None
    index = document.word_before(bridge.end() + 1)
    words = document.words
    if index < 0 or words[index].start != bridge.end():
        return None
    names = [words[index].lower]
    if index + 1 < len(words) and document.adjacent(index):
        names.insert(0, f"{names[0]} {words[index + 1].lower}")
    entity = next((found for name in names if (found := entity_of_label(name))), None)
    return Span(match.start(), match.end(), entity, 850) if entity else None


def _bare(document: Document, match: re.Match[str], count: int) -> Span | None:
    """An identifier without a label: certain after `her record number here is`, otherwise doubtful."""
    token, start, end = match[0], match.start(), match.end()
    if document.lower.endswith(_SIGNED_IN, 0, start) and token[0].isalpha():
        return Span(start, end, Entity.OTHER_ID, LIKELY)
    if count < 4 and not _EXTENSION.fullmatch(token) and not _PREFIXED.fullmatch(token):
        return None
    if len(token) > 32 or (count < 9 and is_version(token)):
        return None
    if token[0].isdigit() and is_measured(document.flat, end):
        return None
    index = document.word_before(start)
    if is_listed(document, start, index):
        return None
    if _EXTENSION.fullmatch(token):
        return Span(start, end, Entity.PHONE_NUMBER, LIKELY)
    if not (6 <= count <= 12 if token.isdigit() else _BARE.fullmatch(token) or _PREFIXED.fullmatch(token)):
        numbered = document.flat[start - 1 : start] == "#" and count >= _FEWEST_BARE
        return Span(start, end, Entity.OTHER_ID, LIKELY if numbered else _ID_WEAK_MILLI)
    behind = label_behind(document, start, index)
    return Span(start, end, behind or Entity.OTHER_ID, 800 if behind else LIKELY)
